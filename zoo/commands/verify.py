"""`zoo verify`."""

from dataclasses import asdict
from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, show_json, show_table
from zoo.commands.remote import at_option, opened_at
from zoo.errors import VerificationFailed


@click.command()
@click.argument("model", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every byte of every model and dataset.")
@click.option("--quarantine", "quarantines", is_flag=True, help="Set damaged bytes aside.")
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="An .npz of input:<blob> and blob:<blob> that another program computed.",
)
@at_option
@json_option
def command(
    *,
    model: str | None,
    is_all: bool,
    quarantines: bool,
    reference: Path | None,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Prove once more that MODEL (name, name:ref or name@revision) is what it says.

    Every byte against its digest, every shape against the network, no number that is none, torch
    against ONNX Runtime; for Caffe networks our reading against OpenCV's, where it is installed.
    Exits with 6 if anything is not as it should be. With --all every byte the zoo keeps is read
    and held against its digest; nothing is computed.

    \b
    Example:
      zoo verify squeezenet --reference reference.npz
      zoo verify --all
    """
    if (model is None) != is_all:
        raise click.UsageError("Give a MODEL, or --all.")
    if reference is not None and url is not None:
        raise click.UsageError(
            "A --reference is read on this machine. Bring the model here first: zoo pull MODEL"
            f" --at {url}"
        )
    if model is None:
        _verify_all(url, quarantines=quarantines, is_json=is_json)
        return
    line = ProgressLine()
    with opened_at(url) as at:
        found = at.verify(model, reference=reference, report=line.count)
    address, checks = found.revision, found.checks
    if is_json:
        show_json({"revision": address, "checks": [asdict(check) for check in checks]})
    else:
        rows = [("ok" if one.is_sound else "FAILED", one.name, one.found) for one in checks]
        show_table(("", "CHECK", "FOUND"), rows)
    failed = [check.name for check in checks if not check.is_sound]
    if failed:
        raise VerificationFailed(
            f"{address} failed {len(failed)} of {len(checks)} checks: {', '.join(failed[:10])}.",
            checks=failed,
        )


def _verify_all(url: str | None, *, quarantines: bool, is_json: bool) -> None:
    """Read every byte the zoo keeps."""
    line = ProgressLine()
    with opened_at(url) as at:
        faults = at.verify_all(quarantines=quarantines, report=line.count)
    if is_json:
        show_json({"faults": [asdict(fault) for fault in faults]})
    for fault in () if is_json else faults:
        click.echo(f"{fault.subject}: {fault.reason}")
        for user in fault.used_by:
            click.echo(f"  {user}")
    if faults:
        raise VerificationFailed(
            f"{len(faults)} things are not as they should be.",
            hint="Put their bytes back: zoo repair PATH... of a backup, or send them again.",
            faults=[fault.subject for fault in faults[:100]],
        )
    click.echo("every byte is what it was", err=True)
