"""Whatever happens to the bytes of a file, reading it ends, and ends in values or a ZooError."""

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import ZooError
from zoo.formats.caffe.caffemodel import read_blobs, read_mean
from zoo.formats.caffe.matching import expected_slots, to_weights
from zoo.formats.caffe.reading import read_net
from zoo.formats.caffe.shapes import infer_shapes
from zoo.formats.caffe.writing import write_caffemodel

MUTATIONS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=4
)
FIXTURES = [HealthCheck.function_scoped_fixture]


def mutate(octets, mutations):
    """Overwrite, insert, delete or cut at places given as parts of the length."""
    for place, kind, content in mutations:
        at = int(place * len(octets))
        if kind == 0:
            octets = octets[:at] + content + octets[at + len(content) :]
        elif kind == 1:
            octets = octets[:at] + content + octets[at:]
        elif kind == 2:
            octets = octets[:at] + octets[at + len(content) :]
        else:
            octets = octets[:at]
    return octets


@pytest.fixture
def caffemodel(tiny_prototxt):
    net = read_net(tiny_prototxt, name="deploy.prototxt")
    rng = np.random.default_rng(0)
    slots = expected_slots(net)
    blobs = {
        name: tuple(rng.normal(size=slot.shape) for slot in each) for name, each in slots.items()
    }
    return net, b"".join(write_caffemodel(net, blobs))


@settings(max_examples=150, deadline=None, suppress_health_check=FIXTURES)
@given(mutations=MUTATIONS)
def test_a_damaged_caffemodel_gives_weights_or_an_error_of_ours(caffemodel, tmp_path, mutations):
    net, octets = caffemodel
    path = tmp_path / "net.caffemodel"
    path.write_bytes(mutate(octets, mutations))
    with contextlib.suppress(ZooError):
        to_weights(net, read_blobs(path))


@settings(max_examples=100, deadline=None, suppress_health_check=FIXTURES)
@given(mutations=MUTATIONS)
def test_a_damaged_mean_gives_an_image_or_an_error_of_ours(proto, tmp_path, mutations):
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(mutate(proto.blob((1, 3, 2, 2), range(12)), mutations))
    with contextlib.suppress(ZooError):
        assert read_mean(path).ndim == 3


@settings(max_examples=300, deadline=None, suppress_health_check=FIXTURES)
@given(mutations=MUTATIONS)
def test_a_damaged_prototxt_gives_a_network_or_an_error_of_ours(tiny_prototxt, mutations):
    text = mutate(tiny_prototxt.encode(), mutations).decode("utf-8", errors="replace")
    with contextlib.suppress(ZooError):
        infer_shapes(read_net(text, name="deploy.prototxt"))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*"{}[]<>:;,#'\"\n", "layer", "name", "type", " 1 ", " 'x' ", "input_dim"])
    )
)
def test_any_heap_of_tokens_gives_a_network_or_an_error_of_ours(tokens):
    with contextlib.suppress(ZooError):
        read_net("".join(tokens), name="deploy.prototxt")
