"""Small networks with weights, and the real ones where they are at hand."""

import numpy as np
import pytest

from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.matching import to_weights
from zoo.formats.caffe.reading import read_net, read_text
from zoo.networks.build import load_weights
from zoo.networks.caffe import build_caffe


def make_weights(network, seed=0):
    """Draw weights of He's spread, biases around 0 and variances above it."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            weights[name] = rng.uniform(0.5, 2, tensor.shape)
        elif not name.endswith("num_batches_tracked"):
            spread = np.sqrt(2 / max(1, np.prod(tensor.shape[1:])))
            weights[name] = rng.normal(0, spread, tensor.shape)
    return weights


@pytest.fixture
def build():
    """Build the network of a prototxt's text, with drawn weights."""

    def build_with_weights(text, seed=0):
        network = build_caffe(read_net(text, name="net.prototxt"))
        load_weights(network, make_weights(network, seed))
        return network

    return build_with_weights


@pytest.fixture
def load_package(shared_data):
    """Build the network of a real package, with its weights."""

    def load(name):
        folder = shared_data / "models" / name
        net = read_net(read_text(folder / "deploy.prototxt"), name="deploy.prototxt")
        network = build_caffe(net)
        (path,) = folder.glob("weights.caffemodel*")
        weights, _ = to_weights(net, read_blobs(path))
        load_weights(network, weights)
        return network

    return load
