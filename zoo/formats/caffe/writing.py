"""Writing a network as Caffe's two files, in the current generation of both formats."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from zoo.domain.weights import Array
from zoo.formats.caffe.net import Blobs, Convolution, Input, Layer, Net, Shared
from zoo.formats.caffe.writing_fields import FIELDS
from zoo.formats.wire import BYTES

# Field numbers of NetParameter, LayerParameter, BlobProto and BlobShape.
NET_NAME, NET_LAYER = 1, 100
LAYER_NAME, LAYER_TYPE, LAYER_BOTTOM, LAYER_TOP, LAYER_BLOBS = 1, 2, 3, 4, 7
BLOB_DATA, BLOB_SHAPE = 5, 7
SHAPE_DIM = 1


def write_prototxt(net: Net) -> str:
    """Write the network as a deploy.prototxt, with only the fields that are not defaults."""
    lines = [f"name: {_quoted(net.name)}"]
    for given in net.inputs:
        lines += _input_lines(given)
    owned = _owned(net)
    for layer in net.layers:
        lines += _layer_lines(layer, owned.get(layer.name, {}))
    return "\n".join(lines) + "\n"


def write_caffemodel(net: Net, blobs: Blobs) -> Iterator[bytes]:
    """Write names, wiring and blobs as a .caffemodel, a few pieces of bytes a layer."""
    yield _field(NET_NAME, net.name.encode())
    for layer in net.layers:
        parts = [
            _field(LAYER_NAME, layer.name.encode()),
            _field(LAYER_TYPE, _kind(layer).encode()),
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


def _layer_lines(layer: Layer, owned: Mapping[int, str]) -> Iterator[str]:
    yield "layer {"
    yield f"  name: {_quoted(layer.name)}"
    yield f"  type: {_quoted(_kind(layer))}"
    yield from (f"  bottom: {_quoted(bottom)}" for bottom in layer.bottoms)
    yield from (f"  top: {_quoted(top)}" for top in layer.tops)
    yield from _param_lines(layer, owned)
    section, fields_of = FIELDS[type(layer.parameters)]
    fields = list(_changed(fields_of(layer.parameters)))
    if fields:
        yield f"  {section} {{"
        yield from (f"    {key}: {value}" for key, value in fields)
        yield "  }"
    yield "}"


def _param_lines(layer: Layer, owned: Mapping[int, str]) -> Iterator[str]:
    """Name the blobs that are shared, by their owner's name and their place in it."""
    lines = {index: f"name: {_quoted(name)}" for index, name in owned.items()}
    for shared in layer.shares:
        mode = " share_mode: PERMISSIVE" if shared.is_permissive else ""
        lines[shared.index] = f"name: {_quoted(_shared_name(shared))}{mode}"
    for index in range(max(lines, default=-1) + 1):
        yield f"  param {{ {lines.get(index, '')} }}"


def _owned(net: Net) -> Mapping[str, dict[int, str]]:
    """Tell which blobs of which layers others share, and what they are called for it."""
    owned: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for layer in net.layers:
        for shared in layer.shares:
            owned[shared.owner][shared.owner_index] = _shared_name(shared)
    return owned


def _shared_name(shared: Shared) -> str:
    return f"{shared.owner}[{shared.owner_index}]"


def _kind(layer: Layer) -> str:
    """Give the type as files name it; for depthwise convolutions forks have one of its own."""
    is_depthwise = isinstance(layer.parameters, Convolution) and layer.parameters.is_depthwise
    return "ConvolutionDepthwise" if is_depthwise else layer.type


def _changed(fields: Iterable[tuple[str, object, object]]) -> Iterator[tuple[str, str]]:
    """Leave out what has its default; bools are spelled as protobuf spells them."""
    for key, value, default in fields:
        if value != default:
            yield key, str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
