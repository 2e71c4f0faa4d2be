"""Layers in forms that only the numbers of blobs tell, or that only forks have, made standard ones.

Sources: NVIDIA/caffe's BatchNormLayer of 0.15 (DIGITS) and 0.16, and the BNLayer of SegNet's and
PSPNet's forks.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from zoo.domain.weights import Array
from zoo.errors import WeightsMismatch
from zoo.formats.caffe.axes import describe
from zoo.formats.caffe.matching import parameter_prefix
from zoo.formats.caffe.net import BN, BatchNorm, Blobs, Layer, Net, Parameters, Scale

AFFINE = Scale(has_bias=True)
SMALLEST_EPS = 1e-5  # CUDNN_BN_MIN_EPSILON, which NVIDIA's layers do not go below
ONE = np.ones(1, np.float32)

Arrays = tuple[Array, ...]
Parts = tuple[tuple[Parameters, Arrays], ...]  # the layers one becomes, and their blobs


def normalise(net: Net, blobs: Blobs) -> tuple[Net, Blobs]:
    """Give the network and its blobs with every layer in the form that BVLC's Caffe has.

    NVIDIA's BatchNorm of five blobs, and BN, become a BatchNorm and a Scale named
    ``<layer>/scale``, which works in place, so that blobs keep their names and last values. A
    BatchNorm of mean and variance alone gets a factor of 1. The network is the same object where
    nothing had to change.

    Raises:
        WeightsMismatch: such a layer has a number of blobs that no fork gives it.
    """
    layers: list[Layer] = []
    changed: dict[str, Arrays] = {}
    taken = {parameter_prefix(layer.name) for layer in net.layers}
    for layer in net.layers:
        part = PARTED.get(type(layer.parameters))
        parts = part(layer, blobs.get(layer.name, ())) if part else ()
        if not parts:
            layers.append(layer)
            continue
        (parameters, first), *others = parts
        layers.append(_made(layer, parameters))
        changed[layer.name] = first
        for other, arrays in others:
            name = _free_name(f"{layer.name}/scale", taken)
            top = layer.tops[0]
            layers.append(Layer(name=name, bottoms=(top,), tops=(top,), parameters=other))
            changed[name] = arrays
    is_same = tuple(layers) == net.layers
    return net if is_same else replace(net, layers=tuple(layers)), {**blobs, **changed}


def _made(layer: Layer, parameters: Parameters) -> Layer:
    return layer if parameters == layer.parameters else replace(layer, parameters=parameters)


def _part_batch_norm(layer: Layer, blobs: Arrays) -> Parts:
    """Tell NVIDIA's two orders of five blobs apart by which of them is a single number."""
    parameters = layer.parameters
    if not isinstance(parameters, BatchNorm) or layer.shares:
        return ()
    if len(blobs) == len(("mean", "variance")):
        return ((parameters, (*blobs, ONE)),)
    if len(blobs) != len(("mean", "variance", "factor", "scale", "bias")):
        return ()
    flat = [blob.reshape(-1) for blob in blobs]
    is_digits = flat[4].size == 1 != flat[2].size
    scale, bias, mean, variance = flat[:4] if is_digits else (flat[3], flat[4], *flat[:2])
    factor = ONE if is_digits else flat[2]
    plain = replace(parameters, has_affine=False, eps=max(parameters.eps, SMALLEST_EPS))
    return (plain, (mean, variance, factor)), (AFFINE, (scale, bias))


def _part_bn(layer: Layer, blobs: Arrays) -> Parts:
    """Part scale and shift from the statistics, which SegNet folds into them for prediction."""
    parameters = layer.parameters
    if not isinstance(parameters, BN) or not blobs:
        return ()
    flat = tuple(blob.reshape(-1) for blob in blobs)
    if len(flat) == len(("scale", "shift")):
        if parameters.is_folded:
            return ((AFFINE, flat),)
        # Those of the batch, as Caffe computes them; BatchNorm wants blobs all the same.
        batch = BatchNorm(eps=parameters.eps, has_statistics=False)
        nothing = np.zeros_like(flat[0]), np.ones_like(flat[0]), ONE
        return (batch, nothing), (AFFINE, flat)
    if len(flat) == len(("scale", "shift", "mean", "variance")):
        return (BatchNorm(eps=parameters.eps), (*flat[2:], ONE)), (AFFINE, flat[:2])
    raise WeightsMismatch(
        f"{describe(layer)} has {len(flat)} blobs; scale and shift were expected, or scale, shift,"
        " mean and variance.",
        layer=layer.name,
    )


def _free_name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while parameter_prefix(name) in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(parameter_prefix(name))
    return name


PARTED: dict[type, Callable[[Layer, Arrays], Parts]] = {
    BN: _part_bn,
    BatchNorm: _part_batch_norm,
}
