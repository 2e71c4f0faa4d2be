"""Files made to harm: each is refused before it costs a second, and none is run."""

import io
import os
import pickle
import struct
import zipfile

from fuzz_seeds import WEIGHTS_PROTOTXT
from fuzz_wire import floats, put

LAYER = '\nlayer { name: "l%d" type: "ReLU" bottom: "data" top: "data" }'
MILLION = 10**6


class _Runs:
    """An object whose pickle runs a command when it is loaded."""

    def __reduce__(self):
        return os.system, ("touch /tmp/zoo-fuzz-was-run",)


# What may be read, as long as it costs no more than others.
HARMLESS = {"an ONNX graph in a graph in a graph"}


def _zipped(content, members=()):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
        for name, octets in members:
            archive.writestr(f"archive/data/{name}", octets)
    return file.getvalue()


def _legacy(content):
    head = (
        pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": 1})
    )
    return b"".join(head) + content + pickle.dumps([], 2)


def _doubling():
    """Append a list to itself, twice each time: 2^40 items where somebody counts them."""
    return b"\x80\x02]" + b"".join(b"q%c](h%ch%ce" % (i, i, i) for i in range(40)) + b"."


def _zip_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(256 * 2**20))
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def _many_members():
    return _zipped(b"\x80\x02}.", ((str(index), b"") for index in range(65_000)))


def _headed(header, rest=b""):
    return struct.pack("<Q", len(header)) + header + rest


def _overlapping():
    one = b'"%d":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}'
    header = b"{" + b",".join(one % index for index in range(1000)) + b"}"
    return _headed(header, bytes(4 * MILLION))


def _many_tensors():
    one = b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    return _headed(b"{" + b",".join(one % index for index in range(MILLION)) + b"}")


def _huge_shape():
    shape = b",".join([b"4294967296"] * 4)
    return _headed(b'{"w":{"dtype":"F32","shape":[%s],"data_offsets":[0,4]}}' % shape, bytes(4))


def _many_layers():
    layers = [WEIGHTS_PROTOTXT, *(LAYER % index for index in range(65_000))]
    return "".join(layers).encode()[: 4 * 2**20 - 1]


def _circle():
    """Two layers, each of which reads what the other gives."""
    one = 'layer { name: "%s" type: "ReLU" bottom: "%s" top: "%s" }\n'
    head = 'input: "data" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }\n'
    return (head + one % ("a", "x", "y") + one % ("b", "y", "x")).encode()


def _itself():
    return b'layer { name: "a" type: "ReLU" bottom: "a" top: "a" }'


def _doubling_net():
    """Join a blob with itself forty times: 2^40 channels."""
    text = 'input: "b0" input_shape { dim: 1 dim: 3 dim: 64 dim: 64 }\n'
    one = 'layer { name: "c%d" type: "Concat" bottom: "b%d" bottom: "b%d" top: "b%d" }\n'
    return (text + "".join(one % (i, i, i, i + 1) for i in range(40))).encode()


def _long_number():
    return b'input: "data" input_dim: ' + b"9" * (4 * 2**20 - 100)


def _number(value):
    return put(5, floats(value))


def _one_blob(content):
    return put(100, put(1, "conv") + put(7, content))


def _in_pieces(piece):
    return _one_blob((piece + b"\x28\x01") * (MILLION // len(piece)))


def _nested(depth):
    octets = put(1, "conv")
    for _ in range(depth):
        octets = put(1, octets)
    return put(2, octets)


def _names():
    return b"".join(put(100, put(1, f"layer{index}")) for index in range(500_000))


def _one_name(length):
    return put(100, put(1, b"\xff\xf0\x9f\x98\x80" * (length // 5)) + put(7, _number(1)))


def _tiny_blobs(count):
    layers = (put(100, put(1, f"{index}") + put(7, _number(1))) for index in range(count))
    return b"".join(layers)


def _graph(content):
    return put(1, 8) + put(8, put(2, 17)) + put(7, content)


def _tensor(*dims):
    return b"".join(put(1, dim) for dim in dims) + put(2, 1) + put(8, "w") + put(9, bytes(4))


def _graphs_in_graphs():
    octets = put(1, put(4, "Relu"))
    for _ in range(3000):
        octets = put(1, put(4, "If") + put(5, put(1, "then_branch") + put(6, octets) + put(20, 5)))
    return _graph(octets)


def _outside():
    place = put(1, "location") + put(2, "/etc/passwd")
    return put(1, 4) + put(2, 1) + put(8, "w") + put(13, place) + put(14, 1)


def _long_config():
    return b'{"architecture": ' + b"9" * MILLION + b"}"


# (name, format, what makes its bytes)
BOMBS = (
    ("a pickle with os.system, in a zip", "pth", lambda: _zipped(pickle.dumps(_Runs(), 2))),
    ("a pickle with os.system, legacy", "pth", lambda: _legacy(pickle.dumps(_Runs(), 2))),
    ("a plain pickle with os.system", "pth", lambda: pickle.dumps(_Runs(), 4)),
    ("a pickle that doubles a list", "pth", lambda: _zipped(_doubling())),
    ("a pickle that nests", "pth", lambda: _zipped(b"\x80\x02" + b"]" * MILLION + b"a" * 9 + b".")),
    ("a pickle of endless memo", "pth", lambda: _zipped(b"\x80\x02Nr\xff\xff\xff\x7f0" * 50_000)),
    ("a zip bomb", "pth", _zip_bomb),
    ("a zip of 65,000 members", "pth", _many_members),
    ("safetensors with a header of 2^60", "safetensors", lambda: struct.pack("<Q", 2**60) + b"{}"),
    ("safetensors with a deep header", "safetensors", lambda: _headed(b'{"a":' * 50_000)),
    ("safetensors that overlap", "safetensors", _overlapping),
    ("safetensors of 10^6 tensors", "safetensors", _many_tensors),
    ("safetensors of a huge shape", "safetensors", _huge_shape),
    ("a prototxt of 10^6 layers", "prototxt", lambda: b"layer{}\n" * MILLION),
    ("a prototxt of all the layers it may have", "prototxt", _many_layers),
    ("a prototxt of 4 MB of braces", "prototxt", lambda: b"{" * (4 * 2**20 - 1)),
    ("a prototxt that nests", "prototxt", lambda: b"layer{" * 600_000),
    ("a prototxt with a circle", "prototxt", _circle),
    ("a prototxt that reads its own top", "prototxt", _itself),
    ("a prototxt that doubles its blobs", "prototxt", _doubling_net),
    ("a prototxt of a number with 4 million digits", "prototxt", _long_number),
    (
        "a prototxt of a text with a million quotes",
        "prototxt",
        lambda: b"name: " + b"'a' " * MILLION,
    ),
    ("a caffemodel of 10^6 layers", "caffemodel", lambda: put(100, b"") * MILLION),
    ("a caffemodel of 10^6 old layers", "caffemodel", lambda: put(2, b"") * MILLION),
    ("a caffemodel of 10^6 fields", "caffemodel", lambda: put(5, 1) * MILLION),
    ("a caffemodel of 10^6 blobs", "caffemodel", lambda: put(100, put(7, _number(1)) * MILLION)),
    ("a caffemodel of 10^6 pieces", "caffemodel", lambda: _in_pieces(put(5, floats(1)))),
    (
        "a caffemodel of 10^6 runs",
        "caffemodel",
        lambda: _in_pieces(b"\x2d\0\0\0\0" * 6 + b"\x28\0"),
    ),
    ("a caffemodel of 10^6 axes", "caffemodel", lambda: _one_blob(put(7, put(1, b"\1" * MILLION)))),
    ("a caffemodel of nested old layers", "caffemodel", lambda: _nested(2000)),
    ("a caffemodel of half a million names", "caffemodel", _names),
    ("a caffemodel with a name of 8 MB", "caffemodel", lambda: _one_name(8 * 2**20)),
    ("a caffemodel of 30,000 tiny blobs", "caffemodel", lambda: _tiny_blobs(30_000)),
    ("an ONNX graph of 10^6 nodes", "onnx", lambda: _graph(put(1, put(4, "Relu")) * MILLION)),
    ("an ONNX graph of 10^6 weights", "onnx", lambda: _graph(put(5, _tensor()) * MILLION)),
    ("an ONNX graph of 10^6 attributes", "onnx", lambda: _graph(put(1, put(5, b"") * MILLION))),
    ("an ONNX graph in a graph in a graph", "onnx", _graphs_in_graphs),
    ("an ONNX weight of a huge shape", "onnx", lambda: _graph(put(5, _tensor(2**62, 2**62)))),
    ("an ONNX weight outside", "onnx", lambda: _graph(put(5, _outside()))),
    ("a config that nests", "config", lambda: b"[" * 500_000),
    ("a config with a number of a million digits", "config", _long_config),
)
