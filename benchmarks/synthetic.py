"""Networks of published sizes with drawn weights: CaffeNet 244 MB, VGG-16 553 MB, one of 2.2 GB.

Only sizes matter to what is measured, so one random block is repeated to fill all weights.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from zoo.formats.caffe.matching import expected_slots
from zoo.formats.caffe.net import Net
from zoo.formats.caffe.reading import read_net
from zoo.formats.caffe.writing import write_caffemodel

BLOCK = 2**20  # numbers

Filters = tuple[str, int, int, int, int, int]  # name, outputs, kernel, stride, pad, group
Part = Filters | str | int  # a convolution, a pooling, or the outputs of a fully connected layer

CAFFENET: tuple[Part, ...] = (
    ("conv1", 96, 11, 4, 0, 1),
    "pool",
    ("conv2", 256, 5, 1, 2, 2),
    "pool",
    ("conv3", 384, 3, 1, 1, 1),
    ("conv4", 384, 3, 1, 1, 2),
    ("conv5", 256, 3, 1, 1, 2),
    "pool",
    4096,
    4096,
    1000,
)
ALEXNET: tuple[Part, ...] = (*CAFFENET[:1], "norm", "pool", CAFFENET[2], "norm", *CAFFENET[3:])
VGG: tuple[Part, ...] = (
    *((f"conv1_{index}", 64, 3, 1, 1, 1) for index in (1, 2)),
    "half",
    *((f"conv2_{index}", 128, 3, 1, 1, 1) for index in (1, 2)),
    "half",
    *((f"conv3_{index}", 256, 3, 1, 1, 1) for index in (1, 2, 3)),
    "half",
    *((f"conv4_{index}", 512, 3, 1, 1, 1) for index in (1, 2, 3)),
    "half",
    *((f"conv5_{index}", 512, 3, 1, 1, 1) for index in (1, 2, 3)),
    "half",
    4096,
    4096,
    1000,
)
HUGE: tuple[Part, ...] = (*VGG[:-3], 18_500, 4096, 1000)
NETWORKS = {
    "alexnet": (227, ALEXNET),
    "caffenet": (227, CAFFENET),
    "vgg": (224, VGG),
    "huge": (224, HUGE),
}


def write_package(name: str, folder: Path) -> tuple[Path, Path]:
    """Write deploy.prototxt and weights.caffemodel of a network; return their paths."""
    size_px, parts = NETWORKS[name]
    prototxt, weights = folder / f"{name}.prototxt", folder / f"{name}.caffemodel"
    prototxt.write_text("".join(_lines(name, size_px, parts)))
    net = read_net(prototxt.read_text(), name=prototxt.name)
    with weights.open("wb") as file:
        file.writelines(_pieces(net))
    return prototxt, weights


def _lines(name: str, size_px: int, parts: tuple[Part, ...]) -> Iterator[str]:
    yield f'name: "{name}" input: "data"\n'
    yield f"input_shape {{ dim: 1 dim: 3 dim: {size_px} dim: {size_px} }}\n"
    bottom = "data"
    for index, part in enumerate(parts):
        top, kind, fields = _layer(index, part)
        yield f'layer {{ name: "{top}" type: "{kind}" bottom: "{bottom}" top: "{top}"\n'
        yield f"  {fields} }}\n"
        bottom = top
    yield f'layer {{ name: "prob" type: "Softmax" bottom: "{bottom}" top: "prob" }}\n'


def _layer(index: int, part: Part) -> tuple[str, str, str]:
    if isinstance(part, int):
        return f"fc{index}", "InnerProduct", f"inner_product_param {{ num_output: {part} }}"
    if part == "norm":
        return f"norm{index}", "LRN", "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"
    if isinstance(part, str):
        kernel = 3 if part == "pool" else 2
        return f"pool{index}", "Pooling", f"pooling_param {{ kernel_size: {kernel} stride: 2 }}"
    name, outputs, kernel, stride, pad, group = part
    fields = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad}"
    return name, "Convolution", f"convolution_param {{ {fields} group: {group} }}"


def _pieces(net: Net) -> Iterator[bytes]:
    """Write the weights, holding one layer's at a time."""
    block = np.random.default_rng(0).normal(0, 0.01, BLOCK).astype(np.float32)
    for name, slots in expected_slots(net).items():
        blobs = {name: tuple(np.resize(block, slot.shape) for slot in slots)}
        layers = tuple(layer for layer in net.layers if layer.name == name)
        yield from write_caffemodel(replace(net, layers=layers), blobs)
