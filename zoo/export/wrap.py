"""A graph of others in the form of the zoo's own: pictures in, probabilities out.

What cannot be made trainable can still be served: its nodes stay as they are, preprocessing is put
before them and a softmax behind, and the result is compared with the graph as it came.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Array
from zoo.errors import NotRunnable, ParityBroken, Unsupported, WeightsMismatch
from zoo.export.file import LARGEST
from zoo.export.foreign import (
    PREFIX,
    Foreign,
    find_maker,
    free_batch,
    load_foreign,
    run_graph,
    with_prefix,
)
from zoo.export.onnx import PROBABILITIES
from zoo.export.pictures import IMAGES, write_preprocessing
from zoo.export.sheet import Sheet
from zoo.networks.preprocess import Preprocess

KINDS = {"float32": np.float32, "float16": np.float16, "float64": np.float64}
TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
}
TRIED = 3  # pictures of noise on which both graphs are compared
TOLERANCE = 1e-4  # of a probability
HALF_TOLERANCE = 5e-3  # where the graph computes with 16 bits
ONE_BY_ONE = "one by one"
# What a graph's last node makes, and what makes probabilities of it.
ENDS = {"Softmax": "", "Sigmoid": "", "LogSoftmax": "Exp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """A graph in the zoo's form, and what was decided about it."""

    graph: bytes
    labels: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    """The output that holds the scores, and how it becomes probabilities."""

    name: str
    count: int
    maker: str  # the operation that makes it


def wrap_onnx(
    path: Path,
    *,
    preprocessing: Preprocessing,
    labels: tuple[str, ...] | None = None,
    metadata: Mapping[str, str] | None = None,
    external: Mapping[str, Path] | None = None,
) -> Wrapped:
    """Put preprocessing before a graph and a softmax behind it, and prove that it stays the same.

    Input ``images``: uint8, N x H x W x 3, RGB, of the crop's size. Output ``probabilities``:
    float32, N x K. Without ``labels`` they are the numbers of the classes. ``external`` are the
    files beside the graph, by their path from its folder; their numbers are put inside. A graph
    that was written for one picture at a time is opened for any number where that gives the same
    scores, else it is run picture by picture, by a Scan.

    Raises:
        MalformedCheckpoint: the file is damaged.
        Unsupported: it does not read one picture and give one row of scores, reads other pictures
            than those of the preprocessing, or is larger than 2 GiB.
        WeightsMismatch: there are not as many labels as scores.
        ParityBroken: the result does not give what the graph gives.
        NotRunnable: ONNX Runtime does not take it.
    """
    foreign = load_foreign(path, external)
    _check_pictures(foreign, preprocessing)
    x, images = _noise(foreign, preprocessing)
    expected = _run_by_batches(foreign, x)
    scores = _choose(foreign, expected, labels)
    told = labels or tuple(str(index) for index in range(scores.count))
    _check_labels(told, scores)
    wanted = _as_probabilities(expected[scores.name], scores)
    failures: list[str] = []
    for way, model in _ways(foreign):
        properties = _properties(preprocessing, told, scores, way) | dict(metadata or {})
        graph = _assemble(foreign, model, scores, preprocessing, properties)
        reason = _difference(graph, images, wanted, foreign)
        if not reason:
            notes = (*foreign.notes, *_notes(foreign, scores, way))
            return Wrapped(graph=graph, labels=told, notes=notes)
        failures.append(reason)
    raise ParityBroken(f"The graph gives something else inside one of the zoo: {failures[-1]}.")


def check_wrapped(
    graph: bytes,
    path: Path,
    preprocessing: Preprocessing,
    *,
    external: Mapping[str, Path] | None = None,
) -> None:
    """Compare a wrapped graph with the one it was made of, on noise of a fixed seed.

    Raises:
        ParityBroken: they differ.
    """
    foreign = load_foreign(path, external)
    x, images = _noise(foreign, preprocessing)
    found = run_graph(graph, {IMAGES: images})[PROBABILITIES]
    expected = _run_by_batches(foreign, x)
    labels = tuple(str(index) for index in range(found.shape[1]))
    scores = _choose(foreign, expected, labels)
    wanted = _as_probabilities(expected[scores.name], scores)
    if reason := _compare(found, wanted, foreign):
        raise ParityBroken(f"The graph gives something else inside one of the zoo: {reason}.")


def _check_pictures(foreign: Foreign, preprocessing: Preprocessing) -> None:
    picture = foreign.picture
    sides = (picture.height, picture.width)
    fits = all(
        side in {None, wanted} for side, wanted in zip(sides, preprocessing.crop_px, strict=True)
    )
    if not fits or picture.channels != preprocessing.channel_count:
        raise Unsupported(
            f"The graph reads {picture.channels} channels of {picture.height} x {picture.width},"
            f" the preprocessing gives {preprocessing.channel_count} of"
            f" {' x '.join(map(str, preprocessing.crop_px))}.",
            hint="State the preprocessing that the graph was trained with.",
        )


def _noise(foreign: Foreign, preprocessing: Preprocessing) -> tuple[Array, NDArray[np.uint8]]:
    """Draw pictures; give them as the graph reads them, and as the zoo does."""
    batch = foreign.picture.batch or 1
    count = TRIED if batch == 1 else batch
    shape = (count, *preprocessing.crop_px, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with torch.inference_mode():
        x: Array = Preprocess(preprocessing)(torch.tensor(images)).numpy()
    if foreign.picture.layout == "NHWC":
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    return x.astype(KINDS[foreign.picture.kind]), images


def _run_by_batches(foreign: Foreign, x: Array) -> dict[str, Array]:
    """Run the graph as it came, in batches of its own size."""
    batch = foreign.picture.batch or 1
    if len(x) == batch:
        return foreign.run(x)
    runs = [foreign.run(x[start : start + batch]) for start in range(0, len(x), batch)]
    return {name: _stacked([run[name] for run in runs]) for name in runs[0]}


def _stacked(parts: list[Array]) -> Array:
    return np.concatenate(parts) if parts[0].ndim else np.stack(parts)


def _choose(
    foreign: Foreign, found: Mapping[str, Array], labels: tuple[str, ...] | None
) -> _Scores:
    """Choose the first output that is one row of scores a picture, and as long as the labels.

    Raises:
        Unsupported: there is none.
    """
    rows = {
        name: int(np.prod(array.shape[1:]))
        for name, array in found.items()
        if array.ndim > 1
        and array.dtype.kind == "f"
        and max(array.shape[1:]) == np.prod(array.shape[1:])
    }
    if not rows:
        shapes = ", ".join(f"{name!r} of {array.shape}" for name, array in found.items())
        raise Unsupported(
            f"The graph gives {shapes}: no row of scores for a picture.",
            hint="Only classifiers are served as probabilities.",
        )
    fitting = [name for name, count in rows.items() if labels and count == len(labels)]
    name = (fitting or list(rows))[0]
    maker = find_maker(list(foreign.model.graph.node), name)
    return _Scores(name=name, count=rows[name], maker=maker.op_type if maker else "")


def _check_labels(labels: tuple[str, ...], scores: _Scores) -> None:
    if len(labels) != scores.count:
        raise WeightsMismatch(
            f"The graph gives {scores.count} scores for a picture; there are {len(labels)} labels.",
            hint="Give one label per score, in the graph's order.",
            scores=scores.count,
            labels=len(labels),
        )


def _as_probabilities(scores: Array, chosen: _Scores) -> NDArray[np.float32]:
    rows = np.asarray(scores, np.float32).reshape(len(scores), -1)
    operator = ENDS.get(chosen.maker, "Softmax")
    if not operator:
        return rows
    powers = np.exp(rows if operator == "Exp" else rows - rows.max(axis=1, keepdims=True))
    if operator == "Exp":
        return np.asarray(powers, np.float32)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _ways(foreign: Foreign) -> list[tuple[str, ModelProto]]:
    """Give the graphs to try: as it is, opened for any number of pictures, or one by one."""
    if foreign.picture.batch is None:
        return [("free", foreign.model)]
    ways = [("opened", free_batch(foreign.model, foreign.picture.batch))]
    if foreign.picture.batch == 1:
        ways.append((ONE_BY_ONE, foreign.model))
    return ways


def _assemble(
    foreign: Foreign,
    model: ModelProto,
    scores: _Scores,
    preprocessing: Preprocessing,
    properties: Mapping[str, str],
) -> bytes:
    """Write the whole graph down: preprocessing, the foreign nodes, probabilities."""
    inner = with_prefix(model)
    sheet = Sheet()
    value = write_preprocessing(sheet, preprocessing, None)
    if foreign.picture.layout == "NHWC":
        value = sheet.add("Transpose", [value], "wrapped/channels_last", perm=[0, 2, 3, 1])
    if foreign.picture.kind != "float32":
        kind = TYPES[foreign.picture.kind]
        value = sheet.add("Cast", [value], "wrapped/cast", to=kind)
    source, end = PREFIX + foreign.picture.name, PREFIX + scores.name
    is_one_by_one = properties["zoo.batch"] == ONE_BY_ONE
    if is_one_by_one:
        end = _write_scan(sheet, inner.graph, value, (source, end))
    else:
        sheet.add("Identity", [value], source)
        sheet.nodes.extend(inner.graph.node)
    _write_end(sheet, end, scores)
    _replace(inner.graph, sheet, (*preprocessing.crop_px, 3), scores.count)
    helper.set_model_props(inner, dict(sorted(properties.items())))
    if inner.ByteSize() > LARGEST:
        raise Unsupported(
            f"The graph has {inner.ByteSize()} bytes, more than one ONNX file can hold ({LARGEST})."
        )
    written: bytes = inner.SerializeToString(deterministic=True)
    return written


def _write_scan(sheet: Sheet, graph: GraphProto, value: str, ends: tuple[str, str]) -> str:
    """Write a loop over the pictures around nodes that read one; weights stay outside it."""
    source, end = ends
    picture, row = "wrapped/picture", "wrapped/row"
    first = sheet.integers("wrapped/first", [0])
    flat = sheet.integers("wrapped/flat", [-1])
    kind = graph.input[0].type.tensor_type.elem_type
    out = next(one.type.tensor_type.elem_type for one in graph.output if one.name == end)
    body = helper.make_graph(
        [
            helper.make_node("Unsqueeze", [picture, first], [source]),
            *graph.node,
            helper.make_node("Reshape", [end, flat], [row]),
        ],
        "one_picture",
        [helper.make_tensor_value_info(picture, kind, [None] * 3)],
        [helper.make_tensor_value_info(row, out, [None])],
    )
    return sheet.add("Scan", [value], "wrapped/rows", body=body, num_scan_inputs=1)


def _write_end(sheet: Sheet, end: str, scores: _Scores) -> None:
    operator = ENDS.get(scores.maker, "Softmax")
    value = sheet.add("Cast", [end], "wrapped/scores", to=TensorProto.FLOAT)
    if not operator:
        sheet.add("Flatten", [value], PROBABILITIES, axis=1)
        return
    value = sheet.add("Flatten", [value], "wrapped/flat_scores", axis=1)
    options = {"axis": 1} if operator == "Softmax" else {}
    sheet.add(operator, [value], PROBABILITIES, **options)


def _replace(graph: GraphProto, sheet: Sheet, sides: tuple[int, ...], classes: int) -> None:
    """Let the graph have the sheet's nodes, and the ends of the zoo's graphs."""
    nodes: list[NodeProto] = list(sheet.nodes)
    for part in (graph.node, graph.input, graph.output, graph.value_info):
        del part[:]
    graph.node.extend(nodes)
    graph.initializer.extend(sheet.constants.values())
    value = helper.make_tensor_value_info
    graph.input.append(value(IMAGES, TensorProto.UINT8, ["batch", *sides]))
    graph.output.append(value(PROBABILITIES, TensorProto.FLOAT, ["batch", classes]))


def _properties(
    preprocessing: Preprocessing, labels: tuple[str, ...], scores: _Scores, way: str
) -> dict[str, str]:
    return {
        "zoo.labels": json.dumps(labels, ensure_ascii=False),
        "zoo.preprocessing": json.dumps(preprocessing.as_json(), sort_keys=True),
        "zoo.softmax": "its own" if scores.maker in ENDS else "added",
        "zoo.output": scores.name,
        "zoo.batch": way,
    }


def _difference(
    graph: bytes, images: NDArray[np.uint8], wanted: NDArray[np.float32], foreign: Foreign
) -> str:
    """Say in what a wrapped graph differs from the one within; nothing if in nothing."""
    try:
        found = run_graph(graph, {IMAGES: images})[PROBABILITIES]
        single = run_graph(graph, {IMAGES: images[:1]})[PROBABILITIES]
    except NotRunnable as error:
        return str(error)
    return _compare(found, wanted, foreign) or _compare(single, wanted[:1], foreign)


def _compare(given: Array, wanted: NDArray[np.float32], foreign: Foreign) -> str:
    found = np.asarray(given, np.float32)
    tolerance = TOLERANCE if foreign.picture.kind == "float32" else HALF_TOLERANCE
    if found.shape != wanted.shape:
        return f"it gives {found.shape} for {len(wanted)} pictures"
    if not np.isfinite(found).all():
        return "it gives what is no number"
    difference = float(np.abs(found - wanted).max(initial=0))
    return f"a probability differs by {difference:.2g}" if difference > tolerance else ""


def _notes(foreign: Foreign, scores: _Scores, way: str) -> tuple[str, ...]:
    """Say what was decided, a sentence each."""
    outputs = [one.name for one in foreign.model.graph.output]
    softmax = {
        "Softmax": "",
        "Sigmoid": "Its scores are sigmoids, each class by itself, and stay so.",
        "LogSoftmax": "Its scores are logarithms of probabilities, of which the powers are taken.",
    }.get(scores.maker, "A softmax was added behind its scores.")
    batch = {
        "opened": "It was written for a fixed number of pictures and was opened for any.",
        ONE_BY_ONE: "It takes one picture at a time; several are run one after the other.",
    }.get(way, "")
    chosen = f"Of its {len(outputs)} outputs {scores.name!r} was taken." if len(outputs) > 1 else ""
    return tuple(note for note in (chosen, softmax, batch) if note)
