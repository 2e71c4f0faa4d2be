"""Caffe's blobs to the weights of a network by layer name, and back, with every shape checked.

A weights file and its prototxt disagree on layers: the file holds the training net. What the
network lacks is ignored and told; what the file lacks, or what does not fit, is an error.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.weights import Array, Weights
from zoo.errors import WeightsMismatch
from zoo.formats.caffe.net import BatchNorm, Blobs, Convolution, InnerProduct, Layer, Net, Scale
from zoo.formats.caffe.shapes import Shape, canonical_axis, infer_shapes

Floats = NDArray[np.float32]


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


def parameter_prefix(layer_name: str) -> str:
    """Name a layer in a state dict, where a dot would mean a module inside a module."""
    return layer_name.replace(".", "_")


def to_weights(net: Net, blobs: Blobs) -> tuple[Weights, Matching]:
    """Give every layer its blobs as ``<layer>.weight`` and the like, float32 and contiguous.

    Convolution weights are (out, in/group, kh, kw); InnerProduct weights (out, in), transposed
    ones too; BatchNorm gives ``running_mean`` and ``running_var`` divided by the stored factor.

    Raises:
        WeightsMismatch: blobs are missing or misshapen; every one of them is named.
    """
    slots = expected_slots(net)
    _check_fit(slots, blobs)
    weights: dict[str, Array] = {}
    for layer in net.layers:
        if layer.name in slots:
            arrays = _as_floats(blobs[layer.name], slots[layer.name])
            named = ROWS[type(layer.parameters)].named(layer.parameters, arrays)
            prefix = parameter_prefix(layer.name)
            weights |= {f"{prefix}.{key}": value for key, value in named.items()}
    ignored = tuple(name for name in blobs if name not in slots)
    return weights, Matching(loaded=tuple(slots), ignored=ignored)


def to_blobs(net: Net, weights: Weights) -> Blobs:
    """Give the weights back as Caffe's blobs by layer name; the inverse of ``to_weights``.

    Raises:
        WeightsMismatch: weights are missing or misshapen; every one of them is named.
    """
    slots = expected_slots(net)
    blobs: dict[str, tuple[Array, ...]] = {}
    for layer in net.layers:
        if layer.name in slots:
            start = parameter_prefix(layer.name) + "."
            named = {
                key.removeprefix(start): np.asarray(value, dtype=np.float32)
                for key, value in weights.items()
                if key.startswith(start)
            }
            blobs[layer.name] = ROWS[type(layer.parameters)].listed(layer.parameters, named)
    _check_fit(slots, blobs)
    return blobs


def expected_slots(net: Net) -> Mapping[str, tuple[Slot, ...]]:
    """Tell which blobs each layer with weights expects, in blob order."""
    shapes = infer_shapes(net)
    return {
        layer.name: ROWS[type(layer.parameters)].slots(
            layer, layer.parameters, shapes[layer.name].bottoms[0]
        )
        for layer in net.layers
        if type(layer.parameters) in ROWS
    }


def _check_fit(slots: Mapping[str, tuple[Slot, ...]], blobs: Blobs) -> None:
    missing = [name for name in slots if not blobs.get(name)]
    misfits = [
        misfit
        for name, expected in slots.items()
        if name not in missing
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
    if len(found) != len(expected):
        names = ", ".join(slot.name for slot in expected)
        counts = f"expects {len(expected)} blobs ({names}), the file has {len(found)}"
        return [f"layer {name!r} {counts}"]
    return [
        f"layer {name!r}, blob {index} ({slot.name}): expected {slot.shape}, found {blob.shape}"
        for index, (slot, blob) in enumerate(zip(expected, found, strict=True))
        if not _is_fitting(blob.shape, slot.shape)
    ]


def _is_fitting(found: Shape, expected: Shape) -> bool:
    """Compare shapes as Caffe does for old files, which pad with 1 on the left to four axes."""
    extra = len(found) - len(expected)
    if extra < 0:
        return math.prod(expected) == math.prod(found) == 1
    return found[extra:] == expected and set(found[:extra]) <= {1}


def _as_floats(blobs: tuple[Array, ...], slots: tuple[Slot, ...]) -> list[Floats]:
    """Copy the blobs out of the file's memory map, aligned and in the expected shape."""
    with np.errstate(over="ignore"):  # A double beyond float32 becomes inf, as in Caffe.
        return [
            np.array(blob, dtype=np.float32, order="C").reshape(slot.shape)
            for blob, slot in zip(blobs, slots, strict=True)
        ]


def _convolution_slots(_layer: Layer, parameters: Convolution, bottom: Shape) -> tuple[Slot, ...]:
    inputs = bottom[1] // parameters.group
    weight = Slot(name="weight", shape=(parameters.num_output, inputs, *parameters.kernel))
    return _with_bias(weight, parameters.num_output, has_bias=parameters.has_bias)


def _inner_product_slots(layer: Layer, parameters: InnerProduct, bottom: Shape) -> tuple[Slot, ...]:
    inputs = math.prod(bottom[canonical_axis(layer, parameters.axis, bottom) :])
    shape = (parameters.num_output, inputs)
    weight = Slot(name="weight", shape=shape[::-1] if parameters.is_transposed else shape)
    return _with_bias(weight, parameters.num_output, has_bias=parameters.has_bias)


def _scale_slots(layer: Layer, parameters: Scale, bottom: Shape) -> tuple[Slot, ...]:
    channels = bottom[canonical_axis(layer, parameters.axis, bottom)]
    weight = Slot(name="weight", shape=(channels,))
    return _with_bias(weight, channels, has_bias=parameters.has_bias)


def _batch_norm_slots(_layer: Layer, _parameters: BatchNorm, bottom: Shape) -> tuple[Slot, ...]:
    channels = bottom[1] if len(bottom) > 1 else 1
    return (
        Slot(name="mean", shape=(channels,)),
        Slot(name="variance", shape=(channels,)),
        Slot(name="factor", shape=(1,)),
    )


def _with_bias(weight: Slot, channels: int, *, has_bias: bool) -> tuple[Slot, ...]:
    bias = Slot(name="bias", shape=(channels,))
    return (weight, bias) if has_bias else (weight,)


def _named(_parameters: object, blobs: list[Floats]) -> dict[str, Floats]:
    return dict(zip(("weight", "bias"), blobs, strict=False))


def _inner_product_named(parameters: InnerProduct, blobs: list[Floats]) -> dict[str, Floats]:
    if parameters.is_transposed:
        blobs = [np.ascontiguousarray(blobs[0].T), *blobs[1:]]
    return _named(parameters, blobs)


def _batch_norm_named(_parameters: BatchNorm, blobs: list[Floats]) -> dict[str, Floats]:
    """Divide the running sums by their factor; a factor of 0 means nothing was summed yet."""
    mean, variance, (factor,) = blobs
    with np.errstate(all="ignore"):  # Numbers that are no statistics stay what they are.
        scale = np.float32(0 if factor == 0 else 1 / np.float64(factor))
        return {"running_mean": mean * scale, "running_var": variance * scale}


def _listed(_parameters: object, named: Mapping[str, Floats]) -> tuple[Array, ...]:
    return tuple(named[key] for key in ("weight", "bias") if key in named)


def _inner_product_listed(
    parameters: InnerProduct, named: Mapping[str, Floats]
) -> tuple[Array, ...]:
    listed = _listed(parameters, named)
    return (listed[0].T, *listed[1:]) if listed and parameters.is_transposed else listed


def _batch_norm_listed(_parameters: BatchNorm, named: Mapping[str, Floats]) -> tuple[Array, ...]:
    statistics = tuple(named[key] for key in ("running_mean", "running_var") if key in named)
    return (*statistics, np.ones(1, np.float32)) if statistics else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a kind of layer expects of the file, and how that is called in a state dict."""

    # Each takes the parameters of the row's key; a mapping cannot say so, hence Any.
    slots: Callable[[Layer, Any, Shape], tuple[Slot, ...]]
    named: Callable[[Any, list[Floats]], dict[str, Floats]] = _named
    listed: Callable[[Any, Mapping[str, Floats]], tuple[Array, ...]] = _listed


ROWS: dict[type, Row] = {
    BatchNorm: Row(slots=_batch_norm_slots, named=_batch_norm_named, listed=_batch_norm_listed),
    Convolution: Row(slots=_convolution_slots),
    InnerProduct: Row(
        slots=_inner_product_slots, named=_inner_product_named, listed=_inner_product_listed
    ),
    Scale: Row(slots=_scale_slots),
}
