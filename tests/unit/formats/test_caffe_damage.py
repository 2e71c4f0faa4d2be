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
from zoo.formats.caffe.writing import write_caffemodel, write_prototxt

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


RICH = """
input: 'x' input_dim: [1, 4, 6, 6]
layer { name: 's' type: 'Slice' bottom: 'x' top: 'a' top: 'b' slice_param { slice_point: 2 } }
layer { name: 'c' type: 'Concat' bottom: 'a' bottom: 'b' top: 'c' concat_param { axis: 1 } }
layer { name: 'e' type: 'Eltwise' bottom: 'c' bottom: 'x' top: 'e' eltwise_param { coeff: [1, 2] } }
layer { name: 'r' type: 'Reshape' bottom: 'e' top: 'r' reshape_param { shape { dim: [0, -1, 6] } } }
layer { name: 'p' type: 'Permute' bottom: 'e' top: 'p' permute_param { order: [0, 2, 3, 1] } }
layer { name: 'i' type: 'Interp' bottom: 'e' top: 'i' interp_param { shrink_factor: 2 } }
layer { name: 'k' type: 'Crop' bottom: 'e' bottom: 'i' top: 'k' crop_param { offset: [1, 2] } }
layer { name: 'm' type: 'Scale' bottom: 'k' top: 'm' scale_param { num_axes: 2 axis: 1 } }
layer { name: 't' type: 'Tile' bottom: 'k' top: 't' tile_param { tiles: 2 axis: 2 } }
layer { name: 'g' type: 'ArgMax' bottom: 'k' top: 'g' argmax_param { top_k: 2 axis: 1 } }
layer { name: 'd' type: 'Deconvolution' bottom: 'k' top: 'd' param { name: 'w' } param { name: 'v' }
  convolution_param { num_output: 4 kernel_size: 2 stride: 2 group: 2 } }
layer { name: 'f' type: 'Deconvolution' bottom: 'k' top: 'f' param { name: 'w' } param { name: 'v' }
  convolution_param { num_output: 4 kernel_size: 2 stride: 2 group: 2 } }
layer { name: 'u' type: 'Reduction' bottom: 'd' top: 'u' reduction_param { axis: 1 } }
layer { name: 'z' type: 'SPP' bottom: 'd' top: 'z' spp_param { pyramid_height: 2 } }
"""


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, len(RICH)), st.sampled_from([*"-0123456789 'abcdekmx", "name", "top: "])
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_change_to_layers_of_many_kinds_gives_slots_or_an_error_of_ours(changes):
    text = RICH
    for at, piece in changes:
        text = text[:at] + piece + text[at + 1 :]
    with contextlib.suppress(ZooError):
        net = read_net(text, name="deploy.prototxt")
        assert read_net(write_prototxt(net), name="again").layers == net.layers
        expected_slots(net)


def test_the_network_that_is_changed_is_one():
    assert len(expected_slots(read_net(RICH, name="deploy.prototxt"))) == 3
