"""Caffe's blobs to the weights of a network by layer name, and back, with every shape checked.

A weights file and its prototxt disagree on layers: the file holds the training net. What the
network lacks is ignored and told; what the file lacks, or what does not fit, is an error. Blobs
that layers share are the weights of the one that owns them, and of no other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo.domain.weights import Array, Weights
from zoo.errors import MalformedPrototxt, WeightsMismatch
from zoo.formats.caffe.axes import Shape, describe
from zoo.formats.caffe.net import Blobs, Layer, Net, Shared
from zoo.formats.caffe.shapes import infer_shapes
from zoo.formats.caffe.slots import ROWS, Floats, blob_names, weight_name
from zoo.formats.module_names import as_module_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Which layers took blobs from the file, and which of the file's layers nothing took."""

    loaded: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One blob that a layer expects: what it is called and how it is shaped."""

    name: str
    shape: Shape
    is_shared: bool = False  # another layer's; the file may have it or not


Slots = Mapping[str, tuple[Slot, ...]]


def parameter_prefix(layer_name: str) -> str:
    """Name a layer in a state dict, where a dot would mean a module inside a module."""
    return as_module_name(layer_name.replace(".", "_"))


def to_weights(net: Net, blobs: Blobs) -> tuple[Weights, Matching]:
    """Give every layer its blobs as ``<layer>.weight`` and the like, float32 and contiguous.

    Convolution weights are (out, in/group, kh, kw); InnerProduct weights (out, in), transposed
    ones too; BatchNorm gives ``running_mean`` and ``running_var`` divided by the stored factor.
    What is float32 already and as it should be is not copied: the arrays may be views of the file,
    read-only and not aligned.

    Raises:
        WeightsMismatch: blobs are missing or misshapen; every one of them is named.
        MalformedPrototxt: layers share blobs that cannot be one array.
    """
    slots = expected_slots(net)
    _check_fit(slots, blobs)
    weights: dict[str, Array] = {}
    for layer in net.layers:
        expected = slots.get(layer.name, ())
        arrays = {
            slot.name: _as_floats(blob, slot.shape)
            for slot, blob in _paired(expected, blobs.get(layer.name, ()))
            if not slot.is_shared
        }
        if arrays:
            named = ROWS[type(layer.parameters)].named(layer.parameters, arrays)
            prefix = parameter_prefix(layer.name)
            weights |= {f"{prefix}.{key}": value for key, value in named.items()}
    ignored = tuple(name for name in blobs if name not in slots)
    return weights, Matching(loaded=tuple(slots), ignored=ignored)


def to_blobs(net: Net, weights: Weights) -> Blobs:
    """Give the weights back as Caffe's blobs by layer name; the inverse of ``to_weights``.

    Layers that share blobs get them too, as Caffe writes them.

    Raises:
        WeightsMismatch: weights are missing or misshapen; every one of them is named.
        MalformedPrototxt: layers share blobs that cannot be one array.
    """
    slots = expected_slots(net)
    by_layer: dict[str, dict[str, Floats]] = {}
    for key, value in weights.items():
        prefix, _, name = key.rpartition(".")
        by_layer.setdefault(prefix, {})[name] = np.asarray(value, dtype=np.float32)
    blobs: dict[str, tuple[Array, ...]] = {}
    for layer in net.layers:
        if layer.name in slots:
            named = by_layer.get(parameter_prefix(layer.name), {})
            arrays = dict(ROWS[type(layer.parameters)].listed(layer.parameters, named))
            arrays |= _borrowed(layer, slots, blobs)
            listed = [arrays[slot.name] for slot in slots[layer.name] if slot.name in arrays]
            blobs[layer.name] = tuple(listed)
    _check_fit(slots, blobs)
    return blobs


def shared_weights(net: Net) -> Mapping[str, str]:
    """Tell which weights are another's: ``b.weight`` is ``a.weight``, as state dicts name them.

    Where shapes differ, which PERMISSIVE sharing allows, the numbers are the same in their order.
    """
    layers = {layer.name: layer for layer in net.layers}
    pairs = {}
    for layer in net.layers:
        for shared in layer.shares:
            mine = _state_name(layer, shared.index)
            theirs = _state_name(layers[shared.owner], shared.owner_index)
            if mine and theirs:
                pairs[mine] = theirs
    return pairs


def expected_slots(net: Net) -> Slots:
    """Tell which blobs each layer with weights expects, in blob order.

    Raises:
        MalformedPrototxt: sizes cannot be, or layers share blobs that cannot be one array.
    """
    shapes = infer_shapes(net)
    slots: dict[str, tuple[Slot, ...]] = {}
    for layer in net.layers:
        names = blob_names(layer)
        if names:
            row = ROWS[type(layer.parameters)]
            sizes = row.shapes(layer, layer.parameters, shapes[layer.name].bottoms)
            borrowed = {shared.index for shared in layer.shares}
            slots[layer.name] = tuple(
                Slot(name=name, shape=size, is_shared=index in borrowed)
                for index, (name, size) in enumerate(zip(names, sizes, strict=False))
            )
    for layer in net.layers:
        for shared in layer.shares:
            _check_shared(layer, shared, slots)
    return slots


def _check_shared(layer: Layer, shared: Shared, slots: Slots) -> None:
    mine, theirs = slots.get(layer.name, ()), slots.get(shared.owner, ())
    if shared.index >= len(mine) or shared.owner_index >= len(theirs):
        raise MalformedPrototxt(
            f"{describe(layer)}: its blob {shared.index} is to be blob {shared.owner_index} of"
            f" {shared.owner!r}, and they are not both there.",
            hint="Name no more `param` than a layer has blobs.",
            layer=layer.name,
        )
    expected, found = theirs[shared.owner_index].shape, mine[shared.index].shape
    is_one = math.prod(expected) == math.prod(found) if shared.is_permissive else expected == found
    if not is_one:
        raise MalformedPrototxt(
            f"{describe(layer)}: its blob {shared.index} of shape {found} cannot be blob"
            f" {shared.owner_index} of {shared.owner!r}, of shape {expected}.",
            hint="STRICT sharing needs equal shapes, PERMISSIVE equal counts.",
            layer=layer.name,
        )


def _state_name(layer: Layer, index: int) -> str:
    names = blob_names(layer)
    name = weight_name(layer, names[index]) if index < len(names) else ""
    return f"{parameter_prefix(layer.name)}.{name}" if name else ""


def _borrowed(layer: Layer, slots: Slots, blobs: Blobs) -> dict[str, Floats]:
    """Take from the owners, which stand above, what this layer shares with them."""
    borrowed: dict[str, Floats] = {}
    for shared in layer.shares:
        slot, owned = slots[layer.name][shared.index], blobs.get(shared.owner, ())
        if shared.owner_index < len(owned):
            array = np.asarray(owned[shared.owner_index], dtype=np.float32)
            is_whole = array.size == math.prod(slot.shape)
            borrowed[slot.name] = array.reshape(slot.shape) if is_whole else array
    return borrowed


def _check_fit(slots: Slots, blobs: Blobs) -> None:
    missing = [
        name
        for name, expected in slots.items()
        if not blobs.get(name) and not all(slot.is_shared for slot in expected)
    ]
    misfits = [
        misfit
        for name, expected in slots.items()
        if blobs.get(name)
        for misfit in _misfits(name, expected, blobs[name])
    ]
    reasons = list(misfits)
    if missing:
        reasons.insert(0, "no weights for the layers " + ", ".join(map(repr, missing)))
    if reasons:
        raise WeightsMismatch(
            "The weights do not fit the network: " + "; ".join(reasons) + ".",
            missing=missing,
            misfits=misfits,
        )


def _misfits(name: str, expected: tuple[Slot, ...], found: tuple[Array, ...]) -> list[str]:
    pairs = _paired(expected, found)
    if not pairs:
        names = ", ".join(slot.name for slot in expected)
        counts = f"expects {len(expected)} blobs ({names}), the file has {len(found)}"
        return [f"layer {name!r} {counts}"]
    return [
        f"layer {name!r}, blob {index} ({slot.name}): expected {slot.shape}, found {blob.shape}"
        for index, (slot, blob) in enumerate(pairs)
        if not _is_fitting(blob.shape, slot.shape)
    ]


def _paired(expected: tuple[Slot, ...], found: tuple[Array, ...]) -> list[tuple[Slot, Array]]:
    """Pair blobs with their places: all of them, or only those the layer owns, as in HDF5 files."""
    own = tuple(slot for slot in expected if not slot.is_shared)
    for slots in (expected, own):
        if len(slots) == len(found):
            return list(zip(slots, found, strict=True))
    return []


def _is_fitting(found: Shape, expected: Shape) -> bool:
    """Compare shapes as Caffe does for old files, which pad with 1 on the left to four axes."""
    extra = len(found) - len(expected)
    if extra < 0:
        return math.prod(expected) == math.prod(found) == 1
    return found[extra:] == expected and set(found[:extra]) <= {1}


def _as_floats(blob: Array, shape: Shape) -> Floats:
    """Give the blob as float32 in the expected shape, a view of it wherever that is enough."""
    with np.errstate(over="ignore", invalid="ignore"):  # Too large becomes inf, as in Caffe.
        return np.asarray(blob, dtype=np.float32, order="C").reshape(shape)
