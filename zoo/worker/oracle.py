"""OpenCV's own reader of Caffe's files, as a second opinion on what a network computes."""

import math

import numpy as np
import torch
from torch.fx import GraphModule

from zoo.errors import Unsupported
from zoo.formats.caffe.matching import to_blobs, to_weights
from zoo.formats.caffe.net import Axpy, Blobs, Net
from zoo.formats.caffe.normalise import normalise
from zoo.formats.caffe.package import Package
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.writing import write_caffemodel, write_prototxt
from zoo.networks.blobs import run_blobs

MISREAD = (Axpy,)  # what OpenCV is known to compute otherwise than Caffe: it adds before it scales
SEED = 0


def compare_with_opencv(network: GraphModule, package: Package, blobs: Blobs) -> float:
    """Run the package in OpenCV and the network in torch on the same noise.

    Returns:
        The largest difference of an output, relative to its largest value.

    Raises:
        Unsupported: OpenCV cannot read or run it, or is known to compute it wrongly.
    """
    if package.prototxt is None:
        raise Unsupported("there is no prototxt that OpenCV could read")
    text = read_text(package.prototxt.path, name=package.prototxt.name)
    net, fitting = normalise(read_net(text, name=package.prototxt.name, blobs=blobs), blobs)
    strange = [layer.name for layer in net.layers if isinstance(layer.parameters, MISREAD)]
    if strange:
        raise Unsupported(f"OpenCV computes the layer {strange[0]!r} otherwise than Caffe does")
    inputs = _draw_inputs(net)
    # A softmax hides differences: what the last layers read is compared as well.
    ends = network.graph.output_node().all_input_nodes
    nodes = [*ends, *(read for end in ends for read in end.all_input_nodes)]
    names = list(dict.fromkeys(str(node.meta["blob"]) for node in nodes if "blob" in node.meta))
    theirs = _run_opencv(net, fitting, inputs, _last_layers(net, names))
    ours = run_blobs(network, *(torch.from_numpy(value) for value in inputs.values()))
    return max(_difference(theirs[name], ours[name].numpy()) for name in names if name in theirs)


def _draw_inputs(net: Net) -> dict[str, np.ndarray]:
    """Draw noise of pixels' size for every input."""
    random = np.random.default_rng(SEED)
    return {
        given.blob: (64 * random.standard_normal((1, *given.shape[1:]))).astype(np.float32)
        for given in net.inputs
    }


def _last_layers(net: Net, blobs: list[str]) -> dict[str, str]:
    """Give the layer that wrote each blob last: OpenCV asks for layers."""
    return {top: layer.name for layer in net.layers for top in layer.tops if top in blobs}


def _run_opencv(
    net: Net, blobs: Blobs, inputs: dict[str, np.ndarray], layers: dict[str, str]
) -> dict[str, np.ndarray]:
    """Let OpenCV read the network and run it, plainly: nothing fused, no fast convolutions."""
    import cv2  # noqa: PLC0415  # an oracle that is not installed everywhere

    weights, _ = to_weights(net, blobs)
    content = b"".join(write_caffemodel(net, to_blobs(net, weights)))
    try:
        read = cv2.dnn.readNetFromCaffe(
            np.frombuffer(write_prototxt(net).encode(), np.uint8), np.frombuffer(content, np.uint8)
        )
        read.enableFusion(False)
        read.enableWinograd(False)
        for blob, value in inputs.items():
            read.setInput(value, blob)
        found = read.forward(list(layers.values()))
    except cv2.error as error:
        raise Unsupported(f"OpenCV cannot run it: {error.err or error}") from error
    return dict(zip(layers, found, strict=True))


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    if expected.size != found.size:
        return math.inf
    largest = float(np.abs(expected).max(initial=0)) or 1.0
    return float(np.abs(found.reshape(expected.shape) - expected).max(initial=0)) / largest
