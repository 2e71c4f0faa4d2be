"""Which reader reads which files: bytes in, a checkpoint out, the same promises for each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.domain.checkpoint import Checkpoint, Wishes
from zoo.errors import UnknownFormat
from zoo.formats.caffe.checkpoint import is_caffe, read_caffe_checkpoint
from zoo.formats.hub.checkpoint import is_hub, read_hub_checkpoint
from zoo.formats.named import has_named_weights, read_named_checkpoint
from zoo.formats.onnx.checkpoint import is_onnx, read_onnx_checkpoint
from zoo.formats.published import is_published, read_published_checkpoint

Files = Mapping[str, Path]
"""Files of a package by their relative path in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One kind of package: whether files are of it, and how it is read."""

    recognises: Callable[[Files], bool]
    read: Callable[[Files, Wishes], Checkpoint]
    told: str  # what it is, for people


# The first that recognises the files reads them.
READERS: dict[str, Reader] = {
    "zoo": Reader(
        recognises=is_published,
        read=read_published_checkpoint,
        told="a model of a zoo (config.json, model.safetensors)",
    ),
    "caffe": Reader(
        recognises=is_caffe,
        read=read_caffe_checkpoint,
        told="a Caffe package (*.caffemodel, deploy.prototxt)",
    ),
    "hub": Reader(
        recognises=is_hub,
        read=read_hub_checkpoint,
        told="a timm or transformers classifier (config.json, weights)",
    ),
    "onnx": Reader(recognises=is_onnx, read=read_onnx_checkpoint, told="an ONNX graph (*.onnx)"),
    "named": Reader(
        recognises=has_named_weights,
        read=read_named_checkpoint,
        told="weights of PyTorch (*.pth, *.pt, *.bin, *.ckpt) or safetensors",
    ),
}


def find_reader(files: Files) -> Reader | None:
    """Find who can read these files; None where nobody can."""
    return next((reader for reader in READERS.values() if reader.recognises(files)), None)


def read_checkpoint(files: Files, wishes: Wishes) -> Checkpoint:
    """Read the files as whatever they are.

    Raises:
        UnknownFormat: no reader knows them.
        Invalid, Damaged: the reader refuses them; see there.
    """
    reader = find_reader(files)
    if reader is None:
        kinds = "; ".join(one.told for one in READERS.values())
        raise UnknownFormat(
            f"No reader knows these files: {', '.join(sorted(files)) or 'none'}.",
            hint=f"Give {kinds}.",
            files=sorted(files),
        )
    return reader.read(files, wishes)
