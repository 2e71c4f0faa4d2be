"""`zoo export`."""

import tempfile
from pathlib import Path

import click

from zoo.commands.here import Here
from zoo.commands.remote import at_option, opened_at
from zoo.domain.config import CONFIG, GRAPH, WEIGHTS
from zoo.domain.revision import Revision
from zoo.errors import Conflict, Unsupported
from zoo.operations.fetch import parse_config_text, select_source_files
from zoo.operations.verbs import Verbs

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
@at_option
def command(*, model: str, kind: str, output: Path | None, resizes: bool, url: str | None) -> None:
    """Write MODEL (name, name:ref or name@revision) out into a new folder.

    onnx is the graph with preprocessing and labels inside; safetensors the weights with config.json
    and what the network is built from; torch a plain state dict; caffe a Model Zoo package, for
    networks made of Caffe's layers.

    The graph reads pictures that are resized and cropped already: `images`, N x H x W x 3. With
    --with-resize it does that itself, as the zoo does: `picture`, one of H x W x 3 uint8, any size.
    Such graphs, torch and caffe are made by this machine, so of its own zoo's models.
    """
    if resizes and kind != "onnx":
        raise click.UsageError(f"--with-resize is for --format onnx, not {kind}.")
    with opened_at(url) as at:
        revision = at.get_revision(model)
        folder = output or Path(revision.model.replace("/", "-"))
        if folder.exists():
            raise Conflict(f"{folder} exists already.", hint="Name another folder: -o FOLDER")
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Everything is written beside the goal and then renamed: it is there whole or not at all.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".zoo-export-") as work:
            part = Path(work) / "part"
            part.mkdir()
            _write(at, revision, RESIZED if resizes else kind, part)
            part.rename(folder)
    for path in sorted(folder.iterdir()):
        click.echo(path)


def _write(at: Verbs, revision: Revision, kind: str, folder: Path) -> None:
    if kind not in FILES:
        if not isinstance(at, Here):
            raise Unsupported(
                f"{kind} is made by the machine that holds the model.",
                hint=f"Fetch it first, then export it: zoo pull {revision.model} --at URL",
            )
        from zoo.worker import convert  # it needs torch

        write = {
            CAFFE: convert.write_package,
            TORCH: convert.write_state_dict,
            RESIZED: convert.write_resized,
        }[kind]
        write(at.zoo, revision, folder)
        return
    names = list(FILES[kind])
    if kind == "safetensors" and revision.find_file(CONFIG):
        config = parse_config_text(at.read_file(revision, CONFIG))
        names += [CONFIG, *(file.path for file in select_source_files(revision, config))]
    for name in names:
        goal = folder / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        at.write_file(revision, name, goal)
