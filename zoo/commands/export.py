"""`zoo export`."""

import shutil
import tempfile
from pathlib import Path

import click

from zoo.commands.console import opened
from zoo.domain.config import CONFIG, GRAPH, WEIGHTS
from zoo.domain.revision import Revision
from zoo.errors import Conflict
from zoo.operations import fetch
from zoo.operations.opening import Zoo

CAFFE, TORCH, RESIZED = "caffe", "torch", "onnx with resize"
FILES = {"onnx": (GRAPH,), "safetensors": (WEIGHTS,)}


@click.command()
@click.argument("model")
@click.option(
    "--format", "kind", type=click.Choice([*FILES, TORCH, CAFFE]), default="onnx", show_default=True
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to write.  [default: MODEL]"
)
@click.option(
    "--with-resize", "resizes", is_flag=True, help="onnx: resize and crop inside the graph too."
)
def command(*, model: str, kind: str, output: Path | None, resizes: bool) -> None:
    """Write MODEL (name, name:ref or name@revision) out into a new folder.

    onnx is the graph with preprocessing and labels inside; safetensors the weights with config.json
    and what the network is built from; torch a plain state dict; caffe a Model Zoo package, for
    networks made of Caffe's layers.

    The graph reads pictures that are resized and cropped already: `images`, N x H x W x 3. With
    --with-resize it does that itself, as the zoo does: `picture`, one of H x W x 3 uint8, any size.
    """
    if resizes and kind != "onnx":
        raise click.UsageError(f"--with-resize is for --format onnx, not {kind}.")
    with opened() as zoo:
        revision = fetch.get_revision(zoo, model)
        folder = output or Path(revision.model.replace("/", "-"))
        if folder.exists():
            raise Conflict(f"{folder} exists already.", hint="Name another folder: -o FOLDER")
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Everything is written beside the goal and then renamed: it is there whole or not at all.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".zoo-export-") as work:
            part = Path(work) / "part"
            part.mkdir()
            _write(zoo, revision, RESIZED if resizes else kind, part)
            part.rename(folder)
    for path in sorted(folder.iterdir()):
        click.echo(path)


def _write(zoo: Zoo, revision: Revision, kind: str, folder: Path) -> None:
    if kind not in FILES:
        from zoo.worker import convert  # it needs torch

        write = {
            CAFFE: convert.write_package,
            TORCH: convert.write_state_dict,
            RESIZED: convert.write_resized,
        }[kind]
        write(zoo, revision, folder)
        return
    names = list(FILES[kind])
    if kind == "safetensors" and revision.find_file(CONFIG):
        names += [CONFIG, *(file.path for file in fetch.list_source_files(zoo, revision))]
    for name in names:
        _, path = fetch.get_file(zoo, revision, name)
        goal = folder / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, goal)
