"""Weights that came without a network: a file of named tensors, of PyTorch or safetensors."""

from collections.abc import Mapping
from pathlib import Path

from zoo.domain.checkpoint import Checkpoint, Wishes
from zoo.domain.recipe import Source
from zoo.domain.weights import Weights
from zoo.errors import IncompletePackage, Invalid
from zoo.formats.elements import conversion_notes
from zoo.formats.frontmatter import read_front_matter
from zoo.formats.pytorch.reading import read_pytorch
from zoo.formats.safetensors import read_safetensors
from zoo.formats.sharded import INDEX_ENDINGS, read_sharded

PYTORCH = (".pth", ".pt", ".bin", ".ckpt", ".pth.tar", ".tar")
SAFETENSORS = ".safetensors"
LIBRARIES = ("torchvision", "timm")
README = "readme.md"
LARGEST_README = 4 * 2**20  # bytes


def has_named_weights(names: Mapping[str, Path]) -> bool:
    """Tell whether there is a file of named tensors among these."""
    return any(name.endswith((SAFETENSORS, *PYTORCH, *INDEX_ENDINGS)) for name in names)


def read_named_checkpoint(files: Mapping[str, Path], wishes: Wishes) -> Checkpoint:
    """Read the one file of weights; the network is the architecture that was wished for.

    Raises:
        IncompletePackage: there are several files of weights.
        MalformedCheckpoint, UnknownFormat, UnsafePickle: the file cannot be read, or will not be.
        Invalid: the architecture is not of the form ``library:name``.
    """
    name, weights, notes = read_weights(files)
    source = read_architecture(wishes.architecture) if wishes.architecture else None
    front, prose = _read_readme(files)
    licence = front.get("license")
    return Checkpoint(
        kind="pytorch" if not name.endswith((SAFETENSORS, *INDEX_ENDINGS)) else "safetensors",
        title=str(front.get("name") or Path(name).name.partition(".")[0]),
        architecture=source.architecture if source else Path(name).name.partition(".")[0],
        weights=weights,
        source=source,
        reason=""
        if source
        else "Nothing says which network these weights belong to; name it with"
        " --arch torchvision:NAME or --arch timm:NAME.",
        labels=wishes.labels,
        licence=str(licence) if licence else None,
        prose=prose,
        tags=("pytorch",),
        notes=notes,
    )


def read_weights(files: Mapping[str, Path]) -> tuple[str, Weights, tuple[str, ...]]:
    """Read the file of named tensors among these: its name, the weights, what to know of them.

    Of several forms of the same weights safetensors is taken; shards are read by their index.

    Raises:
        IncompletePackage: there are several, or none.
    """
    for endings, read in (
        (INDEX_ENDINGS, _read_index),
        ((SAFETENSORS,), _read_safetensors),
        (PYTORCH, _read_pytorch),
    ):
        found = [name for name in sorted(files) if name.endswith(endings)]
        if len(found) > 1:
            raise IncompletePackage(
                f"There are several files of weights: {', '.join(found)}.",
                hint="Leave only one of them in the folder, or import the file itself.",
                seen=found,
            )
        if found:
            weights, notes = read(files, found[0])
            return found[0], weights, notes
    raise IncompletePackage(
        f"There is no file of weights among {', '.join(sorted(files)) or 'no files'}.",
        hint="Give a .safetensors, .pth, .pt, .bin or .ckpt file.",
        seen=sorted(files),
    )


def read_architecture(text: str) -> Source:
    """Read ``torchvision:resnet18``.

    Raises:
        Invalid: it names no library the zoo knows.
    """
    library, _, name = text.partition(":")
    if library not in LIBRARIES or not name:
        raise Invalid(
            f"{text!r} names no architecture.",
            hint=f"Write the library before it: {' or '.join(f'{one}:NAME' for one in LIBRARIES)}.",
            architecture=text,
        )
    return Source(kind=library, architecture=name)


def _read_index(files: Mapping[str, Path], name: str) -> tuple[Weights, tuple[str, ...]]:
    weights = read_sharded(files, name)
    return weights, conversion_notes(weights)


def _read_safetensors(files: Mapping[str, Path], name: str) -> tuple[Weights, tuple[str, ...]]:
    weights = read_safetensors(files[name], name=name)
    return weights, conversion_notes(weights)


def _read_pytorch(files: Mapping[str, Path], name: str) -> tuple[Weights, tuple[str, ...]]:
    file = read_pytorch(files[name], name=name)
    return file.weights, file.notes


def _read_readme(files: Mapping[str, Path]) -> tuple[dict[str, object], str]:
    """Read the card beside the weights, if there is one."""
    name = next((name for name in files if name.lower() == README), None)
    if name is None or files[name].stat().st_size > LARGEST_README:
        return {}, ""
    text = files[name].read_text(encoding="utf-8-sig", errors="replace")
    return read_front_matter(text, name=name)
