"""A dense network is its original at the native size, and the same in every cell beyond it."""

import numpy as np
import pytest
import torch
from torch import nn

from zoo.domain.surgery import Convolutionalize, Pads
from zoo.formats.caffe.reading import read_net, read_text
from zoo.networks.build import load_weights, weights_of
from zoo.networks.caffe import build_caffe
from zoo.networks.classifier import with_probabilities
from zoo.networks.dense import convolutionalize, measure_geometry
from zoo.networks.surgery import find_head, replace_head


def make_pictures(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


INPUT = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 20 dim: 24 }'


def layer(name, kind, bottom, more="", top=None):
    return (
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top or name}" {more} }}'
    )


def filters(name, bottom, outputs, more):
    return layer(
        name, "Convolution", bottom, f"convolution_param {{ num_output: {outputs} {more} }}"
    )


def fully(name, bottom, outputs):
    return layer(name, "InnerProduct", bottom, f"inner_product_param {{ num_output: {outputs} }}")


POOL = "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"
SMALL = (
    INPUT
    + filters("conv1", "data", 5, "kernel_size: 5 stride: 2 pad: 2")
    + layer("relu1", "ReLU", "conv1", top="conv1")
    + layer("norm1", "LRN", "conv1", "lrn_param { local_size: 3 }")
    + layer("pool1", "Pooling", "norm1", POOL)
    + filters("conv2", "pool1", 6, "kernel_size: 3 pad: 1")
    + fully("fc1", "conv2", 8)
    + layer("relu2", "ReLU", "fc1", top="fc1")
    + layer("drop", "Dropout", "fc1", top="fc1")
    + fully("fc2", "fc1", 4)
    + layer("prob", "Softmax", "fc2")
)
SHAPE = (3, 20, 24)


def test_fully_connected_layers_are_views_of_the_same_numbers(build):
    network = build(SMALL)
    dense = convolutionalize(network, Convolutionalize(shape=SHAPE))
    before, after = network.state_dict(), dense.state_dict()
    assert set(after) == set(before)
    assert after["fc1.weight"].shape == (8, 6, 5, 6)
    assert after["fc2.weight"].shape == (4, 8, 1, 1)
    assert all(after[name].data_ptr() == tensor.data_ptr() for name, tensor in before.items())
    x = make_pictures(2, *SHAPE)
    torch.testing.assert_close(dense(x).flatten(1), network(x), rtol=0, atol=1e-6)


def test_the_network_that_was_operated_on_stays_as_it_was(build):
    network = build(SMALL)
    x = make_pictures(1, *SHAPE)
    before, code = network(x), network.code
    convolutionalize(network, Convolutionalize(shape=SHAPE, border_px=3))
    assert torch.equal(network(x), before)
    assert network.code == code


def test_every_size_gives_the_map_that_the_formula_says(build):
    surgery = Convolutionalize(shape=SHAPE)
    dense = convolutionalize(build(SMALL), surgery)
    geometry = measure_geometry(dense, surgery)
    high, wide = geometry.smallest_px
    for more in range(60):
        with torch.inference_mode():
            found = dense(torch.zeros(1, 3, high + more, wide + 60 - more))
        assert found.shape[2:] == geometry.map_size((high + more, wide + 60 - more))
    with pytest.raises(RuntimeError, match="size"):
        dense(torch.zeros(1, 3, high - 1, wide))


@pytest.mark.parametrize("pads", Pads)
@pytest.mark.parametrize("border_px", [0, 7])
def test_a_cell_depends_on_its_window_alone(build, pads, border_px):
    surgery = Convolutionalize(shape=SHAPE, pads=pads, border_px=border_px)
    dense = convolutionalize(build(SMALL), surgery)
    geometry = measure_geometry(dense, surgery)
    size = (70, 75)
    rows, columns = geometry.map_size(size)
    cell = rows // 2, columns // 2
    (top, bottom), (left, right) = geometry.height.window(cell[0]), geometry.width.window(cell[1])
    x = make_pictures(1, 3, *size)
    inside = torch.zeros(size, dtype=torch.bool)
    inside[max(top, 0) : bottom, max(left, 0) : right] = True
    changed = torch.where(inside, x, x + 1)
    with torch.inference_mode():
        before, outside = dense(x), dense(changed)
        assert before.shape[2:] == (rows, columns)
        assert torch.equal(before[..., *cell], outside[..., *cell])
        for row, column in [(max(top, 0), left + 20), (bottom - 1, right - 1)]:
            x[:, :, row, column] += 100
        assert not torch.equal(before[..., *cell], dense(x)[..., *cell])


def without_padding(network):
    """Take the padding out of every layer, which stays as it is else."""
    for module in network.modules():
        if hasattr(module, "padding"):
            module.padding = (0, 0) if isinstance(module.padding, tuple) else 0
    return network


UNEVEN = SMALL.replace("kernel_size: 3 stride: 2", "kernel_size: 3 stride: 2 pad: 1").replace(
    "kernel_size: 3 pad: 1", "kernel_size: 3 pad: 1 dilation: 2"
)


@pytest.mark.parametrize("text", [SMALL, UNEVEN], ids=["padded", "padded and dilated"])
@pytest.mark.parametrize("size", [(60, 66), (71, 83)])
def test_without_pads_each_cell_is_the_network_without_padding_on_its_window(build, text, size):
    surgery = Convolutionalize(shape=SHAPE, pads=Pads.REMOVE)
    dense = convolutionalize(build(text), surgery)
    geometry = measure_geometry(dense, surgery)
    bare = without_padding(convolutionalize(build(text), Convolutionalize(shape=SHAPE)))
    x = make_pictures(1, 3, *size)
    with torch.inference_mode():
        found = dense(x)
    rows, columns = geometry.map_size(size)
    assert found.shape[2:] == (rows, columns)
    assert min(rows, columns) > 1
    assert geometry.height.window(0)[0] >= 0
    assert geometry.height.window(rows - 1)[1] <= size[0] < geometry.height.window(rows)[1]
    for row in range(rows):
        for column in range(columns):
            top, bottom = geometry.height.window(row)
            left, right = geometry.width.window(column)
            with torch.inference_mode():
                crop = bare(x[:, :, top:bottom, left:right])
            assert crop.shape[2:] == (1, 1)
            torch.testing.assert_close(crop[..., 0, 0], found[..., row, column])


def test_without_pads_a_picture_smaller_than_a_window_gives_no_cell(build):
    surgery = Convolutionalize(shape=SHAPE, pads=Pads.REMOVE)
    dense = convolutionalize(build(SMALL), surgery)
    geometry = measure_geometry(dense, surgery)
    high, wide = geometry.smallest_px
    assert dense(torch.zeros(1, 3, high, wide)).shape[2:] == (1, 1)
    for size in [(high - 1, wide), SHAPE[1:]]:
        assert 0 in geometry.map_size(size)
        assert 0 in dense(torch.zeros(1, 3, *size)).shape


def test_nothing_is_cut_off_where_there_is_no_padding(build):
    text = SMALL.replace("pad: 2", "pad: 0").replace("pad: 1", "pad: 0")
    text = text.replace("kernel_size: 3 stride: 2", "kernel_size: 2 stride: 1")
    kept, removed = (
        convolutionalize(build(text), Convolutionalize(shape=SHAPE, pads=pads)) for pads in Pads
    )
    assert kept.code == removed.code


def test_a_border_is_the_same_as_zeros_around_the_picture(build):
    plain, bordered = (
        convolutionalize(build(SMALL), Convolutionalize(shape=SHAPE, border_px=border_px))
        for border_px in (0, 9)
    )
    x = make_pictures(2, 3, 33, 40)
    around = nn.functional.pad(x, (9, 9, 9, 9))
    assert torch.equal(bordered(x), plain(around))


@pytest.mark.parametrize("pads", Pads)
def test_a_dense_network_is_a_classifier_whose_head_can_be_replaced(build, pads):
    dense = convolutionalize(build(SMALL), Convolutionalize(shape=SHAPE, pads=pads))
    assert with_probabilities(dense) is dense
    operated = replace_head(dense, at="fc2", classes=3)
    assert torch.equal(operated(make_pictures(2, 3, 40, 44)), torch.full((2, 3), 1 / 3))


def test_a_head_is_found_in_a_dense_network(build):
    head = find_head(convolutionalize(build(SMALL), Convolutionalize(shape=SHAPE)))
    assert (head.layer, head.kind, head.classes) == ("fc2", "conv1x1", 4)


def test_weights_may_be_loaded_afterwards(build):
    loaded = convolutionalize(build(SMALL), Convolutionalize(shape=SHAPE, border_px=2))
    net = read_net(SMALL, name="net.prototxt")
    unset = convolutionalize(build_caffe(net), Convolutionalize(shape=SHAPE, border_px=2))
    assert all(tensor.is_meta for tensor in unset.parameters())
    load_weights(unset, weights_of(loaded))
    x = make_pictures(1, 3, 31, 37)
    torch.testing.assert_close(unset(x), loaded(x), rtol=1e-5, atol=1e-6)


@pytest.mark.data
def test_alexnet_with_a_border_gives_the_map_and_the_parameters_of_its_paper_s_heirs(shared_data):
    path = shared_data / "prototxt" / "bvlc_alexnet_deploy.prototxt"
    network = build_caffe(read_net(read_text(path), name=path.name))
    surgery = Convolutionalize(shape=(3, 227, 227), border_px=100)
    dense = convolutionalize(network, surgery)
    fc6 = dense.get_submodule("fc6")
    assert fc6.weight.shape == (4096, 256, 6, 6)
    assert sum(parameter.numel() for parameter in fc6.parameters()) == 37_752_832
    assert measure_geometry(dense, surgery).map_size((375, 500)) == (12, 16)


GEOMETRIES = {
    # prototxt: formula, window, start, a size and its cells
    "bvlc_reference_caffenet_deploy": ("floor((N - 199) / 32) + 1", 355, -64, 451, 8),
    "bvlc_googlenet_deploy": ("floor((N - 223) / 32) + 1", 907, -327, 448, 8),
}


@pytest.mark.data
@pytest.mark.parametrize("name", GEOMETRIES)
def test_published_networks_have_their_known_geometry(shared_data, name):
    path = shared_data / "prototxt" / f"{name}.prototxt"
    network = build_caffe(read_net(read_text(path), name=path.name))
    (given,) = network.graph.find_nodes(op="placeholder")
    surgery = Convolutionalize(shape=given.meta["shape"][1:])
    side = measure_geometry(convolutionalize(network, surgery), surgery).height
    formula, window, start, size, cells = GEOMETRIES[name]
    assert (side.formula, side.window_px, side.start_px) == (formula, window, start)
    assert side.cells(size) == cells


def test_vgg_16_s_map_is_a_32nd_of_the_picture_less_six():
    text = INPUT.replace("dim: 20 dim: 24", "dim: 224 dim: 224")
    below = "data"
    for block, (count, width) in enumerate([(2, 2), (2, 2), (3, 2), (3, 2), (3, 2)], 1):
        for number in range(count):
            text += filters(f"conv{block}_{number}", below, width, "kernel_size: 3 pad: 1")
            below = f"conv{block}_{number}"
        pool = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
        text += layer(f"pool{block}", "Pooling", below, pool)
        below = f"pool{block}"
    text += fully("fc6", below, 4) + fully("fc8", "fc6", 2)
    surgery = Convolutionalize(shape=(3, 224, 224))
    dense = convolutionalize(build_caffe(read_net(text, name="vgg")), surgery)
    side = measure_geometry(dense, surgery).height
    assert (side.window_px, side.start_px) == (404, -90)
    assert all(side.cells(size) == -(-size // 32) - 6 for size in range(side.smallest_px, 700))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("lenet_mnist_v1", (1, 28, 28)),
        ("cifar10_full_v1", (3, 32, 32)),
        ("mini_caffenet_synthetic", (3, 227, 227)),
    ],
)
def test_a_dense_network_computes_what_another_program_computed(
    load_package, shared_data, name, shape
):
    dense = convolutionalize(load_package(name), Convolutionalize(shape=shape))
    with np.load(shared_data / "models" / name / "fullconv.npz") as arrays:
        x, expected = arrays["input:data"], arrays["blob:prob"]
    with torch.inference_mode():
        found = dense(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.data
@pytest.mark.parametrize("pads", Pads)
def test_where_nothing_is_padded_each_cell_of_lenet_is_lenet_on_its_crop(load_package, pads):
    network = load_package("lenet_mnist_v1")
    surgery = Convolutionalize(shape=(1, 28, 28), pads=pads)
    dense = convolutionalize(network, surgery)
    geometry = measure_geometry(dense, surgery)
    x = make_pictures(1, 1, 60, 72).abs()  # whole numbers of windows: none hangs over an edge
    with torch.inference_mode():
        found = dense(x)
    rows, columns = geometry.map_size((60, 72))
    assert found.shape[2:] == (rows, columns) == (9, 12)
    for row in range(rows):
        for column in range(columns):
            top, bottom = geometry.height.window(row)
            left, right = geometry.width.window(column)
            with torch.inference_mode():
                crop = network(x[:, :, top:bottom, left:right])
            torch.testing.assert_close(crop, found[..., row, column], rtol=1e-5, atol=1e-6)
