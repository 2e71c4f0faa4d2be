"""What Triton has to be told of a graph: config.pbtxt, written from what ONNX Runtime says of it.

Fields: https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import Unsupported
from zoo.serving.dense import GEOMETRY
from zoo.serving.predictor import open_raw
from zoo.serving.signature import IMAGES, PROBABILITIES

CONFIG, LABELS = "config.pbtxt", "labels.txt"
PREPARED = "zoo.preprocessing"  # the metadata of a classifier's graph
PLATFORM = "onnxruntime_onnx"
FREE = -1  # a side that requests may choose
CLASSES = 2  # axes of a value that is a row of probabilities a picture
# What ONNX Runtime calls the numbers of a value, and what Triton does.
TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
    "tensor(bfloat16)": "TYPE_BF16",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """An input or output of a graph."""

    name: str
    kind: str  # one of Triton's
    sides: tuple[int, ...]  # all of them; those that are free are -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What a graph reads and gives."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @property
    def has_free_batch(self) -> bool:
        """Tell whether any number of pictures can be read at once: every first side is free."""
        return all(value.sides[:1] == (FREE,) for value in (*self.inputs, *self.outputs))


def read_ends(graph: Path) -> Ends:
    """Ask ONNX Runtime what a graph reads and gives.

    Raises:
        NotRunnable: it does not take the graph.
        Unsupported: a value is of a kind that Triton does not know.
    """
    session = open_raw(graph, device="cpu")
    pictures = _picture_sides(session.get_modelmeta().custom_metadata_map)
    return Ends(
        inputs=tuple(_closed(_value(one), pictures) for one in session.get_inputs()),
        outputs=tuple(_value(one) for one in session.get_outputs()),
    )


def write_config(name: str, ends: Ends, labels: Sequence[str], *, max_batch: int) -> str:
    """Write config.pbtxt for a model that lies in a folder of this name.

    Where the number of pictures is free, Triton may join requests to as many as ``max_batch``, and
    sides are told without it; else it is 0 and every side is told. Labels belong to the output
    ``probabilities`` where that is a row a picture, so that Triton's classification extension tells
    them; in a map of a dense network its index would be that of a cell.
    """
    batch = max_batch if ends.has_free_batch else 0
    blocks = [f"name: {_text(name)}", f"platform: {_text(PLATFORM)}", f"max_batch_size: {batch}"]
    blocks += [_block("input", value, batch) for value in ends.inputs]
    for value in ends.outputs:
        is_labelled = bool(labels) and _is_row(value)
        blocks.append(_block("output", value, batch, labels=LABELS if is_labelled else None))
    if batch > 1:
        blocks.append("dynamic_batching {\n}")
    return "\n".join(blocks) + "\n"


def write_labels(labels: Sequence[str]) -> str:
    """Write one label a line; a line break inside one becomes a space."""
    return "".join(" ".join(label.splitlines()) + "\n" for label in labels)


def _picture_sides(metadata: Mapping[str, str]) -> tuple[int, ...] | None:
    """Give height, width and colours of what a classifier of the zoo's reads; None for all else."""
    if GEOMETRY in metadata or PREPARED not in metadata:
        return None
    try:
        height, width = Preprocessing.from_json(json.loads(metadata[PREPARED])).crop_px
    except (KeyError, ValueError, TypeError, RecursionError):
        return None  # Somebody else's, which is served as it is.
    return height, width, 3


def _closed(value: Value, pictures: tuple[int, ...] | None) -> Value:
    """Close the sides of pictures: other sizes run too, and give other answers than were proven."""
    if pictures is None or value.name != IMAGES or len(value.sides) != 1 + len(pictures):
        return value
    return replace(value, sides=(value.sides[0], *pictures))


def _is_row(value: Value) -> bool:
    return value.name == PROBABILITIES and len(value.sides) == CLASSES


def _value(one: Any) -> Value:  # noqa: ANN401  # the library has no types
    if one.type not in TYPES:
        raise Unsupported(
            f"Triton knows no value of the kind {one.type}, which {one.name!r} is.",
            hint=f"It knows: {', '.join(TYPES)}.",
            name=one.name,
            kind=one.type,
        )
    sides = tuple(side if isinstance(side, int) else FREE for side in one.shape)
    return Value(name=one.name, kind=TYPES[one.type], sides=sides)


def _block(field: str, value: Value, batch: int, *, labels: str | None = None) -> str:
    sides = value.sides[1:] if batch else value.sides
    lines = [f"  name: {_text(value.name)}", f"  data_type: {value.kind}"]
    lines += _dims(sides)
    if labels is not None:
        lines.append(f"  label_filename: {_text(labels)}")
    return "\n".join([f"{field} {{", *lines, "}"])


def _dims(sides: tuple[int, ...]) -> list[str]:
    """Tell the sides; one number a picture has none, which Triton wants as 1 that is taken away."""
    if sides:
        return [f"  dims: {json.dumps(list(sides))}"]
    return ["  dims: [1]", "  reshape {", "    shape: []", "  }"]


def _text(text: str) -> str:
    """Quote a string as protobuf's text format does; what is not plain goes as UTF-8 octets."""
    escaped = "".join(
        chr(octet) if 0x20 <= octet < 0x7F and chr(octet) not in '"\\' else f"\\{octet:03o}"  # noqa: PLR2004  # plain ASCII
        for octet in text.encode()
    )
    return f'"{escaped}"'
