"""Every type of layer computes what OpenCV computes, or plain loops where OpenCV lacks it."""

import math

import cv2
import numpy as np

from zoo.export.plain import run_outputs
from zoo.formats.caffe.shapes import infer_shapes
from zoo.formats.caffe.writing import write_caffemodel, write_prototxt


def run_opencv(net, blobs, given):
    """Run OpenCV's Caffe importer: it has another word for rounding, and no blobs of no axes."""
    text = write_prototxt(net).replace("round_mode: FLOOR", "ceil_mode: false")
    blobs = {
        name: tuple(blob.reshape(blob.shape or (1,)) for blob in listed)
        for name, listed in blobs.items()
    }
    weights = b"".join(write_caffemodel(net, blobs))
    oracle = cv2.dnn.readNetFromCaffe(
        np.frombuffer(text.encode(), np.uint8), np.frombuffer(weights, np.uint8)
    )
    oracle.enableFusion(False)
    oracle.enableWinograd(False)
    for name, value in given.items():
        oracle.setInput(value, name)
    (outputs,) = oracle.forwardAndRetrieve(["out0"])
    return outputs[: len(net.layers[-1].tops)]  # It gives the mask of every MAX pooling.


def arg_max(chosen, _blobs, x):
    """ArgMaxLayer::Forward_cpu: pairs of value and place, the largest first."""

    def find(row):
        pairs = sorted(((value, place) for place, value in enumerate(row)), reverse=True)
        return np.array(pairs[: chosen.top_k], np.float32)

    if chosen.axis is not None:
        part = 0 if chosen.has_values else 1
        return np.apply_along_axis(lambda row: find(row)[:, part], chosen.axis, x)
    pairs = np.stack([find(row) for row in x.reshape(len(x), -1)])
    rows = [pairs[..., 1], pairs[..., 0]] if chosen.has_values else [pairs[..., 1]]
    return np.stack(rows, 1).reshape(len(x), len(rows), chosen.top_k, *(1,) * (x.ndim - 3))


def axpy(_chosen, _blobs, a, x, y):
    return a.reshape(*a.shape[:2], 1, 1) * x + y


def batch_norm(chosen, _blobs, x):
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mean) / np.sqrt(variance + chosen.eps)


def bias(chosen, blobs, x, other=None):
    added = blobs["out0"][0] if other is None else other
    axis = chosen.axis % x.ndim
    return x + added.reshape(*added.shape, *(1,) * (x.ndim - axis - added.ndim))


def scale(chosen, blobs, x):
    factor, added = (
        blob.reshape(*blob.shape, *(1,) * (x.ndim - chosen.axis % x.ndim - blob.ndim))
        for blob in blobs["out0"]
    )
    return x * factor + added


def deconvolution(chosen, blobs, x):
    """Put the kernel, times each number, where that number reaches."""
    (weight,) = blobs["out0"]
    extents = [
        step * (size - 1) + 1 for step, size in zip(chosen.dilation, chosen.kernel, strict=True)
    ]
    y = np.zeros((len(x), weight.shape[1], *(np.array(x.shape[2:]) - 1 + extents)))
    for row, column in np.ndindex(*chosen.kernel):
        high, wide = row * chosen.dilation[0], column * chosen.dilation[1]
        part = np.einsum("nihw,io->nohw", x, weight[:, :, row, column])
        y[:, :, high : high + x.shape[2], wide : wide + x.shape[3]] += part
    return y


def embed(_chosen, blobs, x):
    weight, *added = blobs["out0"]
    return weight[x.astype(int)] + (added[0] if added else 0)


def inner_product(_chosen, blobs, x):
    weight, added = blobs["out0"]
    return x.reshape(len(x), -1) @ weight + added


def interp(chosen, _blobs, x, like=None):
    """caffe_cpu_interp2: the corners of both maps meet."""
    begin, end = -chosen.pad_begin, -chosen.pad_end
    x = x[:, :, begin : x.shape[2] - end, begin : x.shape[3] - end].astype(np.float64)
    sides = [(side - 1) // chosen.shrink + 1 for side in x.shape[2:]]
    sides = [side + (side - 1) * (chosen.zoom - 1) for side in sides]
    if like is not None:
        sides = like.shape[2:]
    y = np.empty((*x.shape[:2], *sides))
    for row, column in np.ndindex(*sides):
        places = []
        for place, side, size in zip((row, column), sides, x.shape[2:], strict=True):
            at = place * (size - 1) / (side - 1) if side > 1 else 0.0
            places.append((int(at), min(int(at) + 1, size - 1), at - int(at)))
        (top, bottom, down), (left, right, over) = places
        upper = x[:, :, top, left] * (1 - over) + x[:, :, top, right] * over
        lower = x[:, :, bottom, left] * (1 - over) + x[:, :, bottom, right] * over
        y[:, :, row, column] = upper * (1 - down) + lower * down
    return y


def lrn(chosen, _blobs, x):
    y, half = np.empty_like(x), chosen.local_size // 2
    for channel in range(x.shape[1]):
        near = x[:, max(0, channel - half) : channel + half + 1]
        total = chosen.k + chosen.alpha / chosen.local_size * (near**2).sum(1)
        y[:, channel] = x[:, channel] * total**-chosen.beta
    return y


def log(chosen, _blobs, x):
    base = math.e if chosen.base == -1 else chosen.base
    return np.log(chosen.shift + chosen.scale * x) / np.log(base)


def mvn(chosen, _blobs, x):
    centred = x - x.mean((2, 3), keepdims=True)
    return centred / (x.std((2, 3), keepdims=True) + chosen.eps)


def permute(_chosen, _blobs, x):
    return x.transpose(0, 3, 1, 2)


def stochastic(chosen, _blobs, x):
    """StoPoolForwardTest, with windows that reach over the edge cut there."""
    kernel = x.shape[2:] if chosen.is_global else chosen.kernel
    sides = [
        -(-(size - k) // s) + 1
        for size, k, s in zip(x.shape[2:], kernel, chosen.stride, strict=True)
    ]
    y = np.empty((*x.shape[:2], *sides))
    for row, column in np.ndindex(*sides):
        top, left = row * chosen.stride[0], column * chosen.stride[1]
        part = x[:, :, top : top + kernel[0], left : left + kernel[1]].astype(np.float64)
        total, squares = part.sum((2, 3)), (part**2).sum((2, 3))
        y[:, :, row, column] = np.where(total > 0, squares / total, 0)
    return y


def reduction(chosen, _blobs, x):
    rows = x.reshape(*x.shape[: chosen.axis % x.ndim], -1).astype(np.float64)
    reduced = {
        "SUM": rows.sum(-1),
        "ASUM": abs(rows).sum(-1),
        "SUMSQ": (rows**2).sum(-1),
        "MEAN": rows.mean(-1),
    }
    return reduced[chosen.operation] * chosen.coefficient


def spp(chosen, _blobs, x):
    """SPPLayer::GetPoolingParam, and each bin by itself."""
    rows = []
    for bins in (2**level for level in range(chosen.pyramid_height)):
        sides = [math.ceil(size / bins) for size in x.shape[2:]]
        pads = [
            (side * bins - size + 1) // 2 for side, size in zip(sides, x.shape[2:], strict=True)
        ]
        level = np.empty((*x.shape[:2], bins, bins))
        for places in np.ndindex(bins, bins):
            starts = [
                place * side - pad for place, side, pad in zip(places, sides, pads, strict=True)
            ]
            ends = [
                min(start + side, size + pad)
                for start, side, size, pad in zip(starts, sides, x.shape[2:], pads, strict=True)
            ]
            high, wide = (
                slice(max(start, 0), end) for start, end in zip(starts, ends, strict=True)
            )
            part = x[:, :, high, wide]
            area = math.prod(end - start for start, end in zip(starts, ends, strict=True))
            total = part.max((2, 3)) if chosen.method == "MAX" else part.sum((2, 3)) / area
            level[:, :, *places] = total
        rows.append(level)
    return rows[0] if len(rows) == 1 else np.hstack([level.reshape(len(x), -1) for level in rows])


def slice_in_three(_chosen, _blobs, x):
    return x[:, :2], x[:, 2:4], x[:, 4:]


def tile(chosen, _blobs, x):
    return np.concatenate([x] * chosen.tiles, chosen.axis)


def upsample(chosen, _blobs, x):
    return x.repeat(chosen.scale[0], 2).repeat(chosen.scale[1], 3)


def unpool(_chosen, _blobs, x):
    """Of each two by two the largest stays, the rest is 0."""
    y = np.zeros_like(x)
    for index in np.ndindex(*x.shape[:2]):
        for row, column in np.ndindex(*(-(-size // 2) for size in x.shape[2:])):
            part = x[index][2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            down, over = np.unravel_index(part.argmax(), part.shape)
            y[index][2 * row + down, 2 * column + over] = part.max()
    return y


def parameter(_chosen, blobs, x):
    return x * blobs["own"][0].reshape(-1, 1, 1)


# OpenCV has no such layer, or computes something else: its Axpy is a * y + x, its LRN has no k, its
# MVN adds eps to the variance, its Swish has no beta, its Deconvolution forgets dilation.
BY_HAND = {
    "ArgMax": arg_max,
    "ArgMax of rows": arg_max,
    "ArgMax with values": arg_max,
    "ArgMax along an axis": arg_max,
    "ArgMax along an axis, values": arg_max,
    "Axpy": axpy,
    "Axpy of maps": axpy,
    "BatchNorm by the batch": batch_norm,
    "Bias": bias,
    "Bias of two": bias,
    "Bias to the end": bias,
    "Clip": lambda _chosen, _blobs, x: x.clip(-0.5, 0.75),
    "Deconvolution dilated": deconvolution,
    "Dropout scaled": lambda _chosen, _blobs, x: x * 0.7,
    "Embed": embed,
    "Embed without a bias": embed,
    "InnerProduct turned": inner_product,
    "Interp of both, cut": interp,
    "Interp to another's size": interp,
    "Interp with a shrink": interp,
    "LRN": lrn,
    "Log": log,
    "Log of e": log,
    "MVN": mvn,
    "Parameter": parameter,
    "Permute of some": permute,
    "Pooling STOCHASTIC": stochastic,
    "Pooling STOCHASTIC whole": stochastic,
    "Reduction ASUM": reduction,
    "Reduction MEAN": reduction,
    "Reduction SUM": reduction,
    "Reduction SUMSQ": reduction,
    "Reduction of all": reduction,
    "Reshape with an axis more": lambda _chosen, _blobs, x: x[..., None],
    "SPP": spp,
    "SPP AVE": spp,
    "SPP of one level": spp,
    "Scale along columns": scale,
    "Slice": slice_in_three,
    "Swish": lambda _chosen, _blobs, x: x / (1 + np.exp(-1.5 * x)),
    "Threshold": lambda _chosen, _blobs, x: x > 0.25,
    "Tile": tile,
    "Tile along columns": tile,
    "Upsample": upsample,
    "Upsample by a mask": unpool,
    "Upsample by a mask to a size": unpool,
}


def test_every_type_of_layer_computes_what_another_program_computes(one_layer):
    found = list(run_outputs(one_layer.network, one_layer.given).values())
    if one_layer.name in BY_HAND:
        chosen = one_layer.net.layers[-1].parameters
        expected = BY_HAND[one_layer.name](chosen, one_layer.blobs, *one_layer.given.values())
        expected = list(expected) if isinstance(expected, tuple) else [expected]
    else:
        expected = run_opencv(one_layer.net, one_layer.blobs, one_layer.given)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


def test_every_type_of_layer_writes_the_shapes_that_were_inferred(one_layer):
    shapes = infer_shapes(one_layer.net, batch=2)
    found = [value.shape for value in run_outputs(one_layer.network, one_layer.given).values()]
    assert found == list(shapes["out0"].tops)
