"""A dense predictor gives the same map at once and in tiles, and refuses graphs that lie."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from zoo.errors import Invalid, NotRunnable, PictureTooSmall, TooLarge, Unsupported
from zoo.serving import dense, predictor
from zoo.serving.dense import DensePredictor, open_dense, open_graph
from zoo.serving.predictor import CPU, Predictor, open_predictor
from zoo.serving.tiles import smallest_tile_px

TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def _no_driver(monkeypatch):
    """Be on a machine without a GPU."""
    monkeypatch.setattr(predictor, "NVIDIA_DRIVER", Path("nowhere"))


@pytest.fixture
def steps(dense_nets):
    """Steps like CaffeNet's: strides, paddings, poolings that round up, a wide last window."""
    conv, pool = dense_nets.conv, dense_nets.pool
    return [conv(5, 2, 1), pool(3, 2), conv(3, 1, 2), pool(3, 2, 1, "AveragePool"), conv(3)]


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def change(geometry, **fields):
    """Give a geometry as text whose height tells other figures."""
    data = geometry.as_json()
    data["height"] |= fields
    return json.dumps(data)


def test_a_graph_is_opened_with_its_geometry(dense_nets, steps):
    opened = open_dense(dense_nets.write(steps))
    assert opened.geometry == dense_nets.geometry(steps)
    assert (opened.labels, opened.provider) == (("cat", "dog", "emu"), CPU)


def test_a_graph_is_opened_as_what_it_says_it_is(dense_nets, steps, graph):
    assert isinstance(open_graph(dense_nets.write(steps)), DensePredictor)
    assert type(open_graph(graph())) is Predictor


def test_a_map_has_the_size_that_its_geometry_tells_and_probabilities(dense_nets, steps):
    opened = open_dense(dense_nets.write(steps))
    for size in [(40, 40), (41, 57), (63, 38), (90, 121)]:
        cells = opened.score_map(noise(*size))
        assert cells.shape == (3, *opened.geometry.map_size(size))
        assert cells.sum(axis=0) == pytest.approx(1, abs=TOLERANCE)


def test_a_classifiers_answer_is_the_average_of_the_map(dense_nets, steps):
    opened = open_dense(dense_nets.write(steps))
    pictures = np.stack([noise(50, 64, seed) for seed in range(3)])
    averages = opened.predict(pictures)
    assert averages.shape == (3, 3)
    for picture, average in zip(pictures, averages, strict=True):
        assert average == pytest.approx(opened.score_map(picture).mean(axis=(1, 2)), abs=TOLERANCE)


@st.composite
def step_lists(draw):
    """Draw two to four steps of kernels, strides and pads, the sides each by itself."""

    def two(least, most):
        return draw(st.tuples(st.integers(least, most), st.integers(least, most)))

    steps = []
    for _ in range(draw(st.integers(2, 4))):
        if draw(st.booleans()):
            steps.append(("conv", two(1, 5), two(1, 3), two(0, 3)))
        else:
            # ONNX Runtime and Caffe drop a pooling window that would begin behind the picture.
            kernel, pooling = draw(st.sampled_from([(2, 2), (3, 2), (3, 3)])), "MaxPool"
            pad = draw(st.sampled_from([0, 1])) if kernel == (3, 2) else 0
            pooling = draw(st.sampled_from(["MaxPool", "AveragePool"]))
            steps.append(("pool", *kernel, pad, pooling))
    return steps


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(step_lists(), st.tuples(*[st.integers(0, 60)] * 2), st.integers(0, 20), st.integers(0, 9))
def test_tiles_give_the_map_of_the_whole_picture(dense_nets, drawn, more_px, spare_px, seed):
    steps = [getattr(dense_nets, kind)(*rest) for kind, *rest in drawn]
    opened = open_dense(dense_nets.write(steps, seed=seed))
    sides = opened.geometry.height, opened.geometry.width
    tile = max(map(smallest_tile_px, sides)) + spare_px
    assume(tile < 150)
    height, width = (tile + more for more in more_px)
    assume(opened.geometry.map_size((height, width)) != (0, 0))
    picture = noise(height, width, seed)
    at_once = opened.score_map(picture)
    in_tiles = opened.score_map(picture, tile_px=tile)
    assert np.abs(in_tiles - at_once).max() <= TOLERANCE


def test_every_size_of_picture_and_tile_gives_the_same_map(dense_nets, steps):
    opened = open_dense(dense_nets.write(steps))
    least = smallest_tile_px(opened.geometry.height)
    for tile in (least, least + 1, least + 9):
        for height in range(tile - 3, tile + 14):
            picture = noise(height, 2 * height + 5, seed=height)
            difference = opened.score_map(picture, tile_px=tile) - opened.score_map(picture)
            assert np.abs(difference).max() <= TOLERANCE


def test_no_tile_is_larger_than_asked_and_few_sizes_are_read(dense_nets, steps, monkeypatch):
    opened = open_dense(dense_nets.write(steps))
    read = []
    whole = DensePredictor.read_maps

    def watch(self, images):
        read.append(images.shape[1:3])
        return whole(self, images)

    monkeypatch.setattr(DensePredictor, "read_maps", watch)
    opened.score_map(noise(400, 300), tile_px=100)
    assert max(max(size) for size in read) <= 100
    assert len(read) > 12
    assert len(set(read)) <= 4


def test_cells_at_the_border_see_the_padding_in_tiles_too(dense_nets):
    steps = [dense_nets.conv(5, 2, 4), dense_nets.conv(3, 1, 2)]
    opened = open_dense(dense_nets.write(steps))
    picture = noise(60, 60)
    tile = smallest_tile_px(opened.geometry.height)
    at_once, in_tiles = opened.score_map(picture), opened.score_map(picture, tile_px=tile)
    assert np.abs(in_tiles - at_once)[:, [0, -1]].max() <= TOLERANCE
    # What a tile's own padding gives is something else: the border is where it would be seen.
    inner = opened.score_map(picture[: tile + 4])
    assert np.abs(inner[:, -1] - at_once[:, inner.shape[1] - 1]).max() > 1e-3


def test_a_picture_that_is_too_small_is_told_the_smallest(dense_nets, steps):
    opened = open_dense(dense_nets.write(steps))
    height, width = opened.geometry.smallest_px
    with pytest.raises(PictureTooSmall, match=f"the smallest is {width} wide and {height} high"):
        opened.score_map(noise(height - 1, 100))
    assert opened.score_map(noise(height, width)).shape[1:] == (1, 1)


def test_a_tile_too_small_for_one_cell_is_told_the_smallest(dense_nets, steps):
    opened = open_dense(dense_nets.write(steps))
    smallest = smallest_tile_px(opened.geometry.height)
    with pytest.raises(Invalid) as caught:
        opened.score_map(noise(200, 200), tile_px=smallest - 1)
    assert f"--tile {smallest}" in caught.value.hint
    opened.score_map(noise(200, 200), tile_px=smallest)


def test_tiles_are_refused_where_layers_read_the_whole_picture(dense_nets, steps):
    geometry = dense_nets.geometry(steps, whole_picture=("se1/pool", "se2/pool"))
    opened = open_dense(dense_nets.write(steps, dense=json.dumps(geometry.as_json())))
    with pytest.raises(Unsupported, match="se1/pool, se2/pool") as caught:
        opened.score_map(noise(200, 60), tile_px=100)
    assert "ZOO_TILE_PX" in caught.value.hint
    assert opened.score_map(noise(60, 60), tile_px=100).size


def test_of_many_layers_that_read_the_whole_picture_a_few_are_named(dense_nets, steps):
    layers = [f"se{number}" for number in range(9)]
    geometry = dense_nets.geometry(steps, whole_picture=tuple(layers))
    opened = open_dense(dense_nets.write(steps, dense=json.dumps(geometry.as_json())))
    with pytest.raises(Unsupported, match="by se0, se1, se2 and 6 more") as caught:
        opened.score_map(noise(200, 60), tile_px=100)
    assert caught.value.detail["layers"] == layers


def test_a_map_of_too_many_numbers_is_refused(dense_nets, steps, monkeypatch):
    monkeypatch.setattr(dense, "MOST_NUMBERS", 100)
    opened = open_dense(dense_nets.write(steps))
    with pytest.raises(TooLarge, match=r"3 x \d+ x \d+ numbers"):
        opened.score_map(noise(200, 200))


def test_where_the_crop_gives_no_cell_pictures_are_cropped_larger(dense_nets, steps):
    geometry = dense_nets.geometry(steps)
    opened = open_dense(dense_nets.write(steps, crop=(4, 200)))
    assert opened.preprocessing.crop_px == (geometry.smallest_px[0], 200)


@pytest.mark.parametrize("told", [None, "", "{", "[]", "3", "{}", "[" * 100_000])
def test_a_graph_that_does_not_tell_its_geometry_is_not_runnable(dense_nets, steps, told):
    written = dense_nets.write(steps, dense=told)
    with pytest.raises(NotRunnable, match="does not say how its map lies"):
        open_dense(written)
    if told:
        with pytest.raises(NotRunnable, match="does not say how its map lies"):
            open_graph(written)


def test_a_dense_graph_without_its_geometry_is_no_classifier(dense_nets, steps):
    with pytest.raises(NotRunnable, match="should be") as caught:
        open_graph(dense_nets.write(steps, dense=None))
    assert "zoo.dense" in caught.value.hint


@pytest.mark.parametrize(
    "lie", [{"smallest_px": 2**30}, {"shift_px": -500}, {"stride_px": 0}, {"window_px": "wide"}]
)
def test_a_geometry_that_cannot_be_is_not_runnable(dense_nets, steps, lie):
    told = change(dense_nets.geometry(steps), **lie)
    with pytest.raises(NotRunnable, match="does not say how its map lies"):
        open_dense(dense_nets.write(steps, dense=told))


@pytest.mark.parametrize("lie", [{"stride_px": 4}, {"shift_px": 400}])
@pytest.mark.parametrize("tile_px", [None, 100])
def test_a_map_that_is_not_as_told_is_not_given(dense_nets, steps, lie, tile_px):
    told = change(dense_nets.geometry(steps), **lie)
    opened = open_dense(dense_nets.write(steps, dense=told))
    with pytest.raises(NotRunnable, match=r"of the shape .* not"):
        opened.score_map(noise(120, 120), tile_px=tile_px)


@pytest.mark.parametrize("lie", [{"window_px": 1}, {"start_px": 9, "window_px": 2}])
def test_no_lie_about_windows_breaks_the_reading_of_tiles(dense_nets, steps, lie):
    geometry = dense_nets.geometry(steps)
    opened = open_dense(dense_nets.write(steps, dense=change(geometry, **lie)))
    cells = opened.score_map(noise(120, 120), tile_px=100)
    assert cells.shape[1:] == geometry.map_size((120, 120))


def test_a_classifier_that_says_it_is_dense_is_not_runnable(dense_nets, steps, graph, ours):
    geometry = json.dumps(dense_nets.geometry(steps).as_json())
    with pytest.raises(NotRunnable, match="should be"):
        open_dense(graph(metadata=ours | {"zoo.dense": geometry}))


def test_a_dense_graph_is_not_opened_as_a_classifier(dense_nets, steps):
    with pytest.raises(NotRunnable, match="should be"):
        open_predictor(dense_nets.write(steps))
