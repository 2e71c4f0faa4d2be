"""Why weights do not fit a network: which tensors, and what is the likely cause."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo.domain.weights import Weights
from zoo.errors import WeightsMismatch

# BatchNorm counts its batches for a kind of average no network here uses; it is no weight.
COUNTER = "num_batches_tracked"
MOST_ROWS = 20  # of each of the three parts of the table
SAME_NET = 0.9  # share of tensors with equal shapes, from which two namings are of one network
CAFFE_RESNET = re.compile(r"(bn|scale)?\d+[a-z]\d*_branch\d|res\d+[a-z]\d*_branch\d|bn_conv1")
# How libraries name the parts of the same networks.
DIALECTS = {
    "torchvision's": re.compile(r"^(features\.|layer\d|encoder\.layers\.|heads\.|conv_proj|fc\.)"),
    "timm's": re.compile(
        r"^(blocks\.|stages\.|stem\.|patch_embed\.|conv_stem|head\.fc|layers\.\d|cls_token)"
    ),
    "transformers'": re.compile(
        r"^(\w+\.)?(embeddings|embedder|encoder\.(layer|stages))\.|^classifier\.\d?"
    ),
}

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One tensor that does not fit: its shape in the file and in the network, None for neither."""

    name: str
    file: Shape | None
    network: Shape | None

    def __str__(self) -> str:
        """Say it on one line."""
        if self.file is None:
            return f"  {self.name} {_shape(self.network or ())}"
        if self.network is None:
            return f"  {self.name} {_shape(self.file)}"
        return f"  {self.name} is {_shape(self.file)}, not {_shape(self.network)}"


def compare(expected: Mapping[tuple[str, ...], Iterable[int]], given: Weights) -> None:
    """Refuse weights whose names or shapes are not the network's.

    ``expected`` has each tensor of the network once, under all its names.

    Raises:
        WeightsMismatch: some do not fit. The message is a table, with the likely cause above it.
    """
    shapes = {names: tuple(shape) for names, shape in expected.items()}
    known = {name: shape for names, shape in shapes.items() for name in names}
    file = {name: tuple(value.shape) for name, value in given.items() if not name.endswith(COUNTER)}
    missing = [
        Row(names[0], None, shape)
        for names, shape in shapes.items()
        if not any(name in file for name in names)
    ]
    unexpected = [Row(name, shape, None) for name, shape in file.items() if name not in known]
    misfits = [
        Row(name, file[name], shape)
        for name, shape in known.items()
        if name in file and file[name] != shape
    ]
    if not (missing or unexpected or misfits):
        return
    cause, hint = _guess(missing, unexpected, misfits, known, file)
    tables = (("missing", missing), ("unexpected", unexpected), ("of another shape", misfits))
    raise WeightsMismatch(
        "\n".join(
            [f"The weights do not fit the network. {cause}".strip()]
            + [line for title, rows in tables for line in _table(title, rows)]
        ),
        hint=hint,
        missing=[row.name for row in missing],
        unexpected=[row.name for row in unexpected],
        misfits=[str(row).strip() for row in misfits],
        cause=cause,
    )


def _table(title: str, rows: list[Row]) -> list[str]:
    rest = len(rows) - MOST_ROWS
    more = [f"  and {rest} more"] if rest > 0 else []
    return [f"{title}: {len(rows)}", *map(str, rows[:MOST_ROWS]), *more] if rows else []


def _guess(
    missing: list[Row],
    unexpected: list[Row],
    misfits: list[Row],
    known: Mapping[str, Shape],
    file: Mapping[str, Shape],
) -> tuple[str, str]:
    """Name the likely cause, and what to do about it; the most certain one first."""
    if not missing and not unexpected:
        return _guess_by_shape(misfits)
    prefix = _find_prefix(known, file)
    if prefix:
        return (
            (
                f"The names fit but for {prefix!r} that stands before each of them in the "
                f"{'file' if any(name.startswith(prefix) for name in file) else 'network'}."
            ),
            "Save the state dict of the network itself, without what it was wrapped in.",
        )
    if any(CAFFE_RESNET.match(name) for name in file):
        return (
            (
                "The file names its layers as He's Caffe ResNets do, whose layers also differ"
                " (the stride is in the first convolution of a block)."
            ),
            "Import it with its own deploy.prototxt; another library's ResNet is another network.",
        )
    dialect = _find_dialect(known, file)
    if dialect:
        return dialect
    return "", "Choose the architecture the weights were trained with, and its arguments."


def _guess_by_shape(misfits: list[Row]) -> tuple[str, str]:
    """All names are there: it is another head, or another width."""
    owners = {row.name.rpartition(".")[0] for row in misfits}
    is_head = all(
        row.file
        and row.network
        and row.file[0] != row.network[0]
        and row.file[1:] == row.network[1:]
        for row in misfits
    )
    if is_head and len(owners) <= 2:  # noqa: PLR2004  # a head and an auxiliary one
        (found,) = {row.file[0] for row in misfits[:1] if row.file}
        (wanted,) = {row.network[0] for row in misfits[:1] if row.network}
        return (
            f"Only the head differs: the file has {found} classes, the network {wanted}.",
            f"Tell the architecture its classes: num_classes={found}.",
        )
    return (
        (
            "All names fit and shapes do not: the file is of a network of another width, or for"
            " pictures of another size."
        ),
        "Choose the variant of the architecture that the weights were trained with.",
    )


def _find_prefix(known: Mapping[str, Shape], file: Mapping[str, Shape]) -> str:
    """Find what has to be taken from the names of one side to make the other's: ``module.``."""
    for longer, shorter in ((file, known), (known, file)):
        heads = {name.partition(".")[0] + "." for name in longer if "." in name}
        if len(heads) != 1:
            continue
        (prefix,) = heads
        bare = {name.removeprefix(prefix) for name in longer}
        if prefix not in {name.partition(".")[0] + "." for name in shorter} and bare & set(shorter):
            return prefix
    return ""


def _find_dialect(known: Mapping[str, Shape], file: Mapping[str, Shape]) -> tuple[str, str] | None:
    """Tell two namings of one network from two networks: by the shapes, whatever the names."""
    sides = Counter(known.values()), Counter(file.values())
    alike = (sides[0] & sides[1]).total() / max(len(known), len(file), 1)
    speakers = [_dialect_of(known), _dialect_of(file)]
    if alike >= SAME_NET:
        named = f"{speakers[1]} names" if speakers[1] else "other names"
        return (
            (
                f"Their shapes are those of this network under {named}: the file comes from another"
                " implementation of it."
            ),
            f"Import it as {_library(speakers[1])} network.",
        )
    if speakers[0] == speakers[1] or None in speakers:
        shared = len(set(known) & set(file)) / max(len(known), len(file), 1)
        if shared > 1 / 4:
            return (
                "Many names are the same: the file is of a variant of another depth or width.",
                "Choose the variant of the architecture that the weights were trained with.",
            )
        return None
    return (
        f"The file's names are {speakers[1]}, the network's {speakers[0]}.",
        f"Import it as {_library(speakers[1])} network.",
    )


def _dialect_of(names: Iterable[str]) -> str | None:
    counts = {
        library: sum(bool(pattern.match(name)) for name in names)
        for library, pattern in DIALECTS.items()
    }
    best = max(counts, key=lambda library: counts[library])
    return best if counts[best] else None


def _library(dialect: str | None) -> str:
    return f"a {dialect.partition(chr(39))[0]}" if dialect else "that library's"


def _shape(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "a single number"
