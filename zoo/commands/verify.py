"""`zoo verify`."""

from dataclasses import asdict
from pathlib import Path

import click

from zoo.commands.console import json_option, opened, show_json, show_table
from zoo.errors import VerificationFailed
from zoo.operations import fetch


@click.command()
@click.argument("model")
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="An .npz of input:<blob> and blob:<blob> that another program computed.",
)
@json_option
def command(*, model: str, reference: Path | None, is_json: bool) -> None:
    r"""Prove once more that MODEL (name, name:ref or name@revision) is what it says.

    Every byte against its digest, every shape against the network, no number that is none, torch
    against ONNX Runtime; for Caffe networks our reading against OpenCV's, where it is installed.
    Exits with 6 if anything is not as it should be.

    \b
    Example:
      zoo verify squeezenet --reference reference.npz
    """
    with opened() as zoo:
        revision = fetch.get_revision(zoo, model)
        from zoo.worker.verify import verify  # needs torch

        checks = list(verify(zoo, revision, reference=reference))
    if is_json:
        show_json({"revision": revision.address, "checks": [asdict(check) for check in checks]})
    else:
        rows = [("ok" if one.is_sound else "FAILED", one.name, one.found) for one in checks]
        show_table(("", "CHECK", "FOUND"), rows)
    failed = [check.name for check in checks if not check.is_sound]
    if failed:
        raise VerificationFailed(
            f"{revision.address} failed {len(failed)} of {len(checks)} checks: "
            f"{', '.join(failed[:10])}.",
            checks=failed,
        )
