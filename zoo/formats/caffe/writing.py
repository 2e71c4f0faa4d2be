"""Writing a network as Caffe's two files, in the current generation of both formats."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from zoo.domain.weights import Array
from zoo.formats.caffe.net import (
    LRN,
    BatchNorm,
    Blobs,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Input,
    Layer,
    Net,
    Pooling,
    ReLU,
    Scale,
    Softmax,
)
from zoo.formats.wire import BYTES

# Field numbers of NetParameter, LayerParameter, BlobProto and BlobShape.
NET_NAME, NET_LAYER = 1, 100
LAYER_NAME, LAYER_TYPE, LAYER_BOTTOM, LAYER_TOP, LAYER_BLOBS = 1, 2, 3, 4, 7
BLOB_DATA, BLOB_SHAPE = 5, 7
SHAPE_DIM = 1

Fields = Iterator[tuple[str, object, object]]  # name, value, default


def write_prototxt(net: Net) -> str:
    """Write the network as a deploy.prototxt, with only the fields that are not defaults."""
    lines = [f"name: {_quoted(net.name)}"]
    for given in net.inputs:
        lines += _input_lines(given)
    for layer in net.layers:
        lines += _layer_lines(layer)
    return "\n".join(lines) + "\n"


def write_caffemodel(net: Net, blobs: Blobs) -> Iterator[bytes]:
    """Write names, wiring and blobs as a .caffemodel, a few pieces of bytes a layer."""
    yield _field(NET_NAME, net.name.encode())
    for layer in net.layers:
        parts = [
            _field(LAYER_NAME, layer.name.encode()),
            _field(LAYER_TYPE, layer.type.encode()),
            *(_field(LAYER_BOTTOM, bottom.encode()) for bottom in layer.bottoms),
            *(_field(LAYER_TOP, top.encode()) for top in layer.tops),
        ]
        for blob in blobs.get(layer.name, ()):
            parts += _blob_parts(blob)
        yield _head(NET_LAYER, sum(map(len, parts)))
        yield from parts


def write_mean(image: Array) -> bytes:
    """Write a mean image, c x h x w, as a mean.binaryproto: one BlobProto with legacy sizes."""
    sizes = (1, *image.shape)
    legacy = (_varint(number << 3) + _varint(size) for number, size in enumerate(sizes, 1))
    numbers = np.ascontiguousarray(image, dtype="<f4").tobytes()
    return b"".join(legacy) + _field(BLOB_DATA, numbers)


def _blob_parts(blob: Array) -> tuple[bytes, bytes, bytes, bytes]:
    """Write a blob as its head, the head of its numbers, the numbers, and its shape."""
    numbers = np.ascontiguousarray(blob, dtype="<f4").tobytes()
    dims = b"".join(_varint(size) for size in blob.shape)
    shape = _field(BLOB_SHAPE, _field(SHAPE_DIM, dims))
    data_head = _head(BLOB_DATA, len(numbers))
    length = len(data_head) + len(numbers) + len(shape)
    return _head(LAYER_BLOBS, length), data_head, numbers, shape


def _field(number: int, content: bytes) -> bytes:
    return _head(number, len(content)) + content


def _head(number: int, length: int) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(length)


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:  # noqa: PLR2004  # seven bits an octet
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _input_lines(given: Input) -> Iterator[str]:
    dims = " ".join(f"dim: {size}" for size in given.shape)
    yield "layer {"
    yield f"  name: {_quoted(given.blob)}"
    yield '  type: "Input"'
    yield f"  top: {_quoted(given.blob)}"
    yield f"  input_param {{ shape {{ {dims} }} }}"
    yield "}"


def _layer_lines(layer: Layer) -> Iterator[str]:
    yield "layer {"
    yield f"  name: {_quoted(layer.name)}"
    yield f"  type: {_quoted(layer.type)}"
    yield from (f"  bottom: {_quoted(bottom)}" for bottom in layer.bottoms)
    yield from (f"  top: {_quoted(top)}" for top in layer.tops)
    section, fields_of = FIELDS[type(layer.parameters)]
    fields = list(_changed(fields_of(layer.parameters)))
    if fields:
        yield f"  {section} {{"
        yield from (f"    {key}: {value}" for key, value in fields)
        yield "  }"
    yield "}"


def _changed(fields: Iterable[tuple[str, object, object]]) -> Iterator[tuple[str, object]]:
    """Leave out what has its default; bools are spelled as protobuf spells them."""
    for key, value, default in fields:
        if value != default:
            yield key, str(value).lower() if isinstance(value, bool) else value


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _pair(both: str, one: str, value: tuple[int, int], default: int | None) -> Fields:
    if value[0] == value[1]:
        yield both, value[0], default
    else:
        yield f"{one}_h", value[0], None
        yield f"{one}_w", value[1], None


def _convolution(chosen: Convolution) -> Fields:
    yield "num_output", chosen.num_output, None
    yield "bias_term", chosen.has_bias, True
    yield from _pair("pad", "pad", chosen.pad, 0)
    yield from _pair("kernel_size", "kernel", chosen.kernel, None)
    yield "group", chosen.group, 1
    yield from _pair("stride", "stride", chosen.stride, 1)
    if chosen.dilation != (1, 1):  # It has no _h and _w forms.
        yield from (("dilation", size, None) for size in chosen.dilation)


def _pooling(chosen: Pooling) -> Fields:
    yield "pool", chosen.method, None
    yield "global_pooling", chosen.is_global, False
    if not chosen.is_global:
        yield from _pair("kernel_size", "kernel", chosen.kernel, None)
        yield from _pair("stride", "stride", chosen.stride, 1)
        yield from _pair("pad", "pad", chosen.pad, 0)
    yield "round_mode", "CEIL" if chosen.has_ceil else "FLOOR", "CEIL"


def _inner_product(chosen: InnerProduct) -> Fields:
    yield "num_output", chosen.num_output, None
    yield "bias_term", chosen.has_bias, True
    yield "axis", chosen.axis, 1
    yield "transpose", chosen.is_transposed, False


def _relu(chosen: ReLU) -> Fields:
    yield "negative_slope", chosen.negative_slope, 0.0


def _lrn(chosen: LRN) -> Fields:
    yield "local_size", chosen.local_size, 5
    yield "alpha", chosen.alpha, 1.0
    yield "beta", chosen.beta, 0.75
    region = "WITHIN_CHANNEL" if chosen.is_within_channel else "ACROSS_CHANNELS"
    yield "norm_region", region, "ACROSS_CHANNELS"
    yield "k", chosen.k, 1.0


def _dropout(chosen: Dropout) -> Fields:
    yield "dropout_ratio", chosen.ratio, 0.5


def _axis(chosen: Softmax | Concat) -> Fields:
    yield "axis", chosen.axis, 1


def _flatten(chosen: Flatten) -> Fields:
    yield "axis", chosen.axis, 1
    yield "end_axis", chosen.end_axis, -1


def _batch_norm(chosen: BatchNorm) -> Fields:
    yield "moving_average_fraction", chosen.moving_average_fraction, 0.999
    yield "eps", chosen.eps, 1e-5


def _scale(chosen: Scale) -> Fields:
    yield "axis", chosen.axis, 1
    yield "bias_term", chosen.has_bias, False


# The values take the parameters of their key; a mapping cannot say so, hence Any.
FIELDS: dict[type, tuple[str, Callable[[Any], Fields]]] = {
    BatchNorm: ("batch_norm_param", _batch_norm),
    Concat: ("concat_param", _axis),
    Convolution: ("convolution_param", _convolution),
    Dropout: ("dropout_param", _dropout),
    Flatten: ("flatten_param", _flatten),
    InnerProduct: ("inner_product_param", _inner_product),
    LRN: ("lrn_param", _lrn),
    Pooling: ("pooling_param", _pooling),
    ReLU: ("relu_param", _relu),
    Scale: ("scale_param", _scale),
    Softmax: ("softmax_param", _axis),
}
