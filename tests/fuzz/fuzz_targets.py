"""Every reader from a file to its end: what the fuzzer runs, on which seeds, with which words."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import fuzz_mutations
import fuzz_seeds

from zoo.formats.caffe.caffemodel import read_blobs, read_mean
from zoo.formats.caffe.matching import expected_slots, to_weights
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.shapes import infer_shapes
from zoo.formats.onnx.reading import read_onnx
from zoo.formats.pytorch.reading import is_pytorch, read_pytorch
from zoo.formats.safetensors import read_safetensors_file, write_safetensors
from zoo.operations.fetch import parse_config


@dataclass(frozen=True)
class Target:
    """One format: its reader, its seeds, words it is made of, and how its structure is changed."""

    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...] = ()
    structural: Callable | None = None
    suffix: str = ""


def read_prototxt(path):

    net = read_net(read_text(path), name="deploy.prototxt")
    infer_shapes(net)
    expected_slots(net)


@cache
def _net():
    return read_net(fuzz_seeds.WEIGHTS_PROTOTXT, name="deploy.prototxt")


def read_caffemodel(path):

    weights, _ = to_weights(_net(), read_blobs(path))
    _use(weights)


def read_mean_image(path):

    read_mean(path).sum()


def read_tensors(path):

    _use(read_safetensors_file(path).weights)


def read_pth(path):

    is_pytorch(path)
    _use(read_pytorch(path, name="model.pth").weights)


def read_graph(path):

    model = read_onnx(path, name="model.onnx")
    for tensor in model.initializers.values():
        if tensor.element is not None:
            tensor.array().tobytes()


def read_config(path):

    parse_config({"config.json": path})


def _use(weights):
    """Touch every number, one tensor at a time, as the importer does."""
    for _ in write_safetensors(weights):
        pass


WORDS = (
    *b"{ } < > [ ] : ; , # ' \" layer layers dim type name bottom top include".split(),
    b"phase: TRAIN",
    b"input_dim: 1",
    b"kernel_size: 0",
    b"num_output: 4294967295",
    b'bottom: "conv"',
    b'top: "data"',
    b"dim: -1",
    b"group: 0",
    b"axis: -9",
    b"1e400",
    b"\\xff",
    b"\xef\xbb\xbf",
)
CAFFE_TAGS = tuple(
    bytes.fromhex(tag) for tag in ["2d", "2a", "3a", "42", "5002", "62", "a206", "12", "0a"]
)
KEYS = (b'"dtype"', b'"shape"', b'"data_offsets"', b'"__metadata__"', b"[", b"{", b"1e9", b"-1")

TARGETS = {
    "prototxt": Target(
        read_prototxt, fuzz_seeds.prototxt, WORDS, fuzz_mutations.change_text, ".prototxt"
    ),
    "caffemodel": Target(
        read_caffemodel,
        fuzz_seeds.caffemodel,
        CAFFE_TAGS,
        fuzz_mutations.change_message,
        ".caffemodel",
    ),
    "mean": Target(
        read_mean_image, fuzz_seeds.mean, CAFFE_TAGS, fuzz_mutations.change_message, ".binaryproto"
    ),
    "safetensors": Target(
        read_tensors,
        fuzz_seeds.safetensors,
        KEYS,
        fuzz_mutations.change_safetensors,
        ".safetensors",
    ),
    "pth": Target(
        read_pth, fuzz_seeds.pth, fuzz_mutations.OPCODES, fuzz_mutations.change_zip, ".pth"
    ),
    "onnx": Target(read_graph, fuzz_seeds.onnx, CAFFE_TAGS, fuzz_mutations.change_message, ".onnx"),
    "hdf5": Target(read_caffemodel, fuzz_seeds.hdf5, (b"TREE", b"SNOD", b"HEAP"), None, ".h5"),
    "config": Target(read_config, fuzz_seeds.config, KEYS, fuzz_mutations.change_json, ".json"),
}
