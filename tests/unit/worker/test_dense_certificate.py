"""What a certificate says is measured, and a network that is not what it was made of has none."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import Convolutionalize, Pads
from zoo.errors import ParityBroken, PictureTooSmall, WeightsMismatch
from zoo.export.dense import write_dense
from zoo.formats.onnx.plan import onnx_weights
from zoo.formats.onnx.reading import read_onnx
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.dense import convolutionalize
from zoo.worker.dense import certify, check_sizes, list_sizes
from zoo.worker.exported import Dense
from zoo.worker.measuring import Bench, Subject
from zoo.worker.pictures import draw_noise, draw_smooth
from zoo.worker.undone import build_original

SIDE = 21
PICTURES = Preprocessing(crop_px=(SIDE, SIDE), resize_px=SIDE)
LABELS = ("a", "b", "c", "d", "e")
NETWORK = """
name: "n" input: "data" input_shape {{ dim: 1 dim: 3 dim: 21 dim: 21 }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 6 kernel_size: 3 pad: {pad} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param {{ pool: MAX kernel_size: {kernel} stride: 2 }} }}
layer {{ name: "fc1" type: "InnerProduct" bottom: "pool" top: "fc1"
  inner_product_param {{ num_output: 7 }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "fc1" top: "fc1" }}
layer {{ name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2"
  inner_product_param {{ num_output: 5 }} }}
"""


class Silent:
    """Progress that nobody follows."""

    def say(self, step, message):
        assert step
        assert message


@pytest.fixture
def measure(build):
    """A function that makes a small network dense and measures its certificate."""

    def make(pad=0, kernel=3, sizes_px=(), mean_image=None, **options):
        original = build(NETWORK.format(pad=pad, kernel=kernel))
        surgery = Convolutionalize(shape=(3, SIDE, SIDE), **options)
        pictures = PICTURES
        if mean_image is not None:
            pictures = replace(PICTURES, mean_tensor="preprocessing.mean")
        dense = Dense.of(original, surgery, pictures, mean_image)
        return certify(
            subject_of(dense), write(dense), Silent(), sizes_px=sizes_px, means=dense.means
        )

    return make


def subject_of(dense):
    return Subject(
        original=dense.original,
        dense=dense.network,
        surgery=dense.surgery,
        geometry=dense.geometry,
        preprocessing=dense.pictures,
    )


def write(dense):
    return write_dense(dense.network, dense.pictures, LABELS, geometry=dense.geometry)


def test_without_padding_cells_are_the_original_on_crops(measure):
    found = measure()
    assert found.native.is_original
    assert found.native.agreement.rows == found.native.agreement.top1_equal == 6
    assert found.native.agreement.max_rel_difference <= 1e-5
    (crops,) = found.crops
    assert crops.is_exact
    assert (crops.size_px, crops.map_size) == ((27, 27), (4, 4))  # three strides of 2 more
    assert crops.agreement.rows == 2 * 16
    assert crops.agreement.max_rel_difference <= 1e-5
    assert found.windows is None


def test_with_padding_it_is_said_how_much_that_changes(measure):
    (crops,) = measure(pad=1).crops
    assert not crops.is_exact
    assert crops.agreement.max_rel_difference > 1e-3
    (told,) = [one for one in measure(pad=1).as_json()["told"] if "need not be equal" in one]
    assert f"{crops.agreement.max_abs_difference:.2g}" in told
    assert "padding" in told


def test_a_window_that_is_cut_short_at_the_edge_is_no_exact_one(measure):
    """A pooling that rounds up looks beyond a crop, and at the picture in the map."""
    found = measure(kernel=4)  # 19 rows: the last window has three of four
    assert found.geometry.height.window_px == 22
    assert not found.crops[0].is_exact
    assert found.native.agreement.max_rel_difference <= 1e-5


def test_without_its_padding_each_cell_is_the_network_on_its_window(measure):
    found = measure(pad=1, pads=Pads.REMOVE)
    assert not found.native.is_original
    assert found.native.agreement.max_rel_difference <= 1e-5
    assert found.windows.is_exact
    assert found.windows.agreement.rows > 0
    assert found.windows.agreement.max_rel_difference <= 1e-5


@pytest.mark.parametrize("pads", Pads)
def test_a_border_is_part_of_the_picture(measure, pads):
    found = measure(border_px=5, pads=pads)
    assert found.geometry.height.start_px == -5
    assert found.native.agreement.max_rel_difference <= 1e-5
    assert found.crops[0].is_exact
    assert "5 zeros are put around every picture" in " ".join(found.tell_measured())


def test_the_graph_is_compared_at_eight_sizes_and_those_asked_for(measure):
    found = measure(pad=1, sizes_px=((40, 23),))
    assert [crops.size_px for crops in found.crops] == [(40, 23)]
    assert len(found.sizes.sizes_px) == 9
    assert found.sizes.parity.passes == 9
    assert found.sizes.parity.max_rel_difference <= 1e-4
    assert found.sizes.map_sizes == tuple(
        found.geometry.map_size(size) for size in found.sizes.sizes_px
    )


def test_eight_sizes_are_the_smallest_odd_even_square_and_not(measure):
    geometry = measure(pad=1).geometry
    sizes = list_sizes(geometry)
    assert len(set(sizes)) == 8
    assert sizes[0] == geometry.smallest_px
    assert {(height % 2, width % 2) for height, width in sizes} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert {height == width for height, width in sizes} == {True, False}
    assert {height < width for height, width in sizes if height != width} == {True, False}
    assert all(all(geometry.map_size(size)) for size in sizes)


def test_a_mean_image_becomes_numbers_and_its_change_is_told(measure):
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 0.5, (3, SIDE, SIDE)).astype(np.float32)
    found = measure(mean_image=image)
    np.testing.assert_allclose(found.mean.mean, image.mean((1, 2)), rtol=1e-6)
    assert found.mean.agreement.max_abs_difference > 1e-4
    flat = measure(mean_image=np.full((3, SIDE, SIDE), 0.25, np.float32))
    assert flat.mean.mean == (0.25,) * 3
    assert flat.mean.agreement.max_abs_difference <= 1e-6


def test_other_numbers_than_the_originals_have_no_certificate(build):
    original = build(NETWORK.format(pad=0, kernel=3))
    dense = Dense.of(original, Convolutionalize(shape=(3, SIDE, SIDE)), PICTURES, None)
    with torch.no_grad():
        dense.network.get_submodule("fc2").bias = torch.nn.Parameter(torch.arange(5.0))
    with pytest.raises(ParityBroken, match="not proven equal to what it is made of: a probability"):
        certify(subject_of(dense), write(dense), Silent())


def test_what_32_bits_round_away_is_proven_with_64(build):
    """Large numbers that all classes share drop out of a softmax; their rounding does not."""
    original = build(NETWORK.format(pad=1, kernel=3))
    with torch.no_grad():
        original.get_submodule("fc2").weight += 2e4
    dense = Dense.of(original, Convolutionalize(shape=(3, SIDE, SIDE)), PICTURES, None)
    found = Bench.of(subject_of(dense)).native()
    assert found.agreement.max_rel_difference > 1e-5
    assert found.in_double.max_rel_difference <= 1e-8
    assert found.in_double.rows == found.in_double.top1_equal == 6


def test_a_graph_of_other_numbers_has_no_certificate(build):
    surgery = Convolutionalize(shape=(3, SIDE, SIDE))
    dense, other = (
        Dense.of(build(NETWORK.format(pad=0, kernel=3), seed), surgery, PICTURES, None)
        for seed in (0, 1)
    )
    with pytest.raises(ParityBroken, match="'probabilities' differs by"):
        certify(subject_of(dense), write(other), Silent())


def test_a_size_that_gives_no_cell_is_refused_with_the_smallest(measure):
    smallest = measure(pad=1).geometry
    with pytest.raises(PictureTooSmall, match="20 x 10 gives no cell; the smallest is 20 x 20"):
        check_sizes(smallest, [(30, 30), (20, 10)])


def test_a_new_head_proves_little_and_the_certificate_says_so(build):
    original = build(NETWORK.format(pad=0, kernel=3))
    with torch.no_grad():
        for name in ("weight", "bias"):
            original.get_submodule("fc2").get_parameter(name).zero_()
    dense = Dense.of(original, Convolutionalize(shape=(3, SIDE, SIDE)), PICTURES, None)
    found = certify(subject_of(dense), write(dense), Silent())
    assert found.native.is_flat
    assert "the same for all pictures, so this proves little" in " ".join(found.tell_measured())


def test_pictures_to_compare_on_are_the_same_every_time():
    assert np.array_equal(draw_noise(2, (5, 7)), draw_noise(2, (5, 7)))
    smooth = draw_smooth(2, (32, 48))
    assert smooth.shape == (2, 32, 48, 3)
    steps = np.abs(np.diff(smooth.astype(int), axis=1)).max()
    assert steps < 0.25 * int(np.ptp(smooth))


def save_channels_last(path):
    """Write a graph whose fully connected layer reads a map in the order of h, w, c."""
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 3, 3, 3), "fc": (5, 4 * 6 * 6)}
    constants = [
        numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], name="conv"),
        helper.make_node("Transpose", ["y"], ["t"], name="turn", perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["t"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "fc"], ["z"], name="gemm", transB=1),
    ]
    ends = {"x": ["n", 3, 8, 8], "z": ["n", 5]}
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in ends.items()
    )
    graph = helper.make_graph(nodes, "g", [given], [made], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def test_the_original_is_found_again_in_the_dense_networks_weights(tmp_path):
    save_channels_last(tmp_path / "net.onnx")
    files = {"net.onnx": tmp_path / "net.onnx"}
    recipe = Recipe(source=Source(kind="onnx", path="net.onnx"))
    original = build_network(recipe, files)
    load_weights(original, onnx_weights(read_onnx(files["net.onnx"])))
    surgery = Convolutionalize(shape=(3, 8, 8))
    kept = weights_of(convolutionalize(original, surgery))
    assert any(value.shape == (5, 4, 6, 6) for value in kept.values())
    again = build_original(recipe.then(surgery), files, kept)
    for name, value in weights_of(original).items():
        np.testing.assert_array_equal(weights_of(again)[name], value)


def test_weights_of_no_such_original_are_refused(tmp_path):
    save_channels_last(tmp_path / "net.onnx")
    files = {"net.onnx": tmp_path / "net.onnx"}
    recipe = Recipe(source=Source(kind="onnx", path="net.onnx"))
    surgery = Convolutionalize(shape=(3, 8, 8))
    dense = convolutionalize(build_network(recipe, files), surgery)
    state = dense.state_dict()
    given = {name: np.zeros(tensor.shape, np.float32) for name, tensor in state.items()}
    (name,) = [name for name, value in given.items() if value.shape == (5, 4, 6, 6)]
    given[name] = np.zeros((5, 4, 6, 5), np.float32)
    with pytest.raises(WeightsMismatch, match=name):
        build_original(recipe.then(surgery), files, given)
