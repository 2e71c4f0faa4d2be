"""A dense model's maps of a picture: at several scales, in tiles, drawn; and what is refused."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zoo.domain.config import GRAPH
from zoo.errors import (
    Invalid,
    ModelNotFound,
    NotRunnable,
    PathNotFound,
    PictureTooSmall,
    TooLarge,
    UnreadablePicture,
    Unsupported,
)
from zoo.images.palette import VIRIDIS
from zoo.operations.heat import (
    MOST_SCALES,
    Drawing,
    MapOptions,
    Scaling,
    average_heat,
    draw_heat,
    list_best_cells,
    predict_map,
)
from zoo.operations.opening import open_zoo
from zoo.operations.predict import open_service, predict

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def colours(published, colour_map):
    return published("colours", files={GRAPH: colour_map()})


def make_png(pixels):
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def halves(height, width):
    """Make a picture that is red on its left half and green on its right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = RED
    pixels[:, width // 2 :] = GREEN
    return make_png(pixels)


def noise(height, width):
    return make_png(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def ask(zoo, picture, model="colours", **options):
    return predict_map(zoo, open_service(zoo), model, ("p", picture), MapOptions(**options))


def test_a_map_says_where_a_class_is(zoo, colours):
    found = ask(zoo, halves(8, 16))
    (one,) = found.maps
    assert (one.scale, one.size_px, one.map_size) == (1.0, (8, 16), (2, 4))
    assert one.cells[0].tolist() == [[1, 1, 0, 0]] * 2
    assert one.cells[1].tolist() == [[0, 0, 1, 1]] * 2
    assert (found.picture, found.model, found.provider) == (
        "p",
        colours.address,
        "CPUExecutionProvider",
    )
    assert found.pixels.shape == (8, 16, 3)


@pytest.mark.usefixtures("colours")
def test_the_whole_pictures_scores_are_averages_of_the_map(zoo):
    found = ask(zoo, noise(24, 40))
    averages = found.maps[0].cells.mean(axis=(1, 2))
    assert [score.index for score in found.scores] == np.argsort(-averages).tolist()
    for score in found.scores:
        assert score.probability == pytest.approx(averages[score.index], abs=1e-6)


@pytest.mark.usefixtures("colours")
def test_scales_are_averaged(zoo):
    found = ask(zoo, noise(24, 40), scales=(0.5, 1.0, 2.0))
    assert [one.map_size for one in found.maps] == [(3, 5), (6, 10), (12, 20)]
    means = np.mean([one.cells.mean(axis=(1, 2)) for one in found.maps], axis=0)
    for score in found.scores:
        assert score.probability == pytest.approx(means[score.index], abs=1e-6)
    alone = [average_heat(ask(zoo, noise(24, 40), scales=(scale,)), 0) for scale in (0.5, 1, 2)]
    assert average_heat(found, 0) == pytest.approx(np.mean(alone, axis=0), abs=1e-6)


@pytest.mark.usefixtures("colours")
def test_scales_are_factors_of_the_short_side(zoo):
    found = ask(zoo, halves(30, 60), short_side_px=20, scales=(0.5, 1.2))
    assert found.pixels.shape == (20, 40, 3)
    assert [one.size_px for one in found.maps] == [(10, 20), (24, 48)]


@pytest.mark.usefixtures("colours")
def test_maps_of_all_scales_lie_over_the_same_places(zoo):
    for scale in (0.25, 0.5, 1.0, 3.0):
        heat = average_heat(ask(zoo, halves(64, 128), scales=(scale,)), 0)
        assert heat[:, :40].min() > 0.99
        assert heat[:, -40:].max() < 0.01
        assert heat[:, 63:65].mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.usefixtures("colours")
def test_a_small_picture_can_be_enlarged(zoo):
    with pytest.raises(PictureTooSmall, match="the smallest is 4 wide and 4 high") as caught:
        ask(zoo, halves(3, 6))
    assert "--short-side 4" in caught.value.hint
    assert ask(zoo, halves(3, 6), short_side_px=4).maps[0].map_size == (1, 2)


@pytest.mark.usefixtures("colours")
def test_a_scale_at_which_no_cell_is_left_is_refused(zoo):
    with pytest.raises(PictureTooSmall):
        ask(zoo, halves(8, 8), scales=(1.0, 0.1))


@pytest.mark.usefixtures("colours")
def test_tiles_give_the_same_map(zoo):
    at_once, in_tiles = (ask(zoo, noise(50, 71), tile_px=tile) for tile in (None, 13))
    assert np.abs(at_once.maps[0].cells - in_tiles.maps[0].cells).max() <= 1e-5


def test_a_picture_larger_than_the_settings_tile_is_read_in_tiles(zoo, published, colour_map):
    published("global", files={GRAPH: colour_map(whole_picture=("pool",))})
    small = zoo.settings.model_copy(update={"tile_px": 64})
    with open_zoo(small) as limited:
        assert ask(limited, noise(64, 64), model="global").maps
        with pytest.raises(Unsupported, match="by pool") as caught:
            ask(limited, noise(64, 65), model="global")
        assert "--short-side" in caught.value.hint
        assert "ZOO_TILE_PX" in caught.value.hint
        with pytest.raises(Unsupported, match="by pool"):
            ask(limited, noise(8, 8), model="global", tile_px=64)


def test_where_one_cell_sees_more_than_the_settings_tile_tiles_are_as_large(
    zoo, published, colour_map
):
    published("wide", files={GRAPH: colour_map(cell_px=100)})
    small = zoo.settings.model_copy(update={"tile_px": 64})
    with open_zoo(small) as limited:
        at_once, in_tiles = (ask(each, noise(230, 301), model="wide") for each in (zoo, limited))
    assert np.abs(at_once.maps[0].cells - in_tiles.maps[0].cells).max() <= 1e-5


@pytest.mark.usefixtures("colours")
def test_a_tile_too_small_for_a_cell_is_told_the_smallest(zoo):
    with pytest.raises(Invalid, match="A tile of 6 pixels") as caught:
        ask(zoo, noise(16, 16), tile_px=6)
    assert "--tile 7" in caught.value.hint


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize(
    ("scales", "told"),
    [
        ((0.0,), "the scale 0.0"),
        ((1.0, -2.0), "the scale -2.0"),
        ((float("nan"),), "the scale nan"),
        ((float("inf"),), "the scale inf"),
        ((), "0 scales"),
        ((1.0,) * (MOST_SCALES + 1), f"{MOST_SCALES + 1} scales"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(zoo, scales, told):
    with pytest.raises(Invalid, match=f"cannot be read at {told}"):
        ask(zoo, halves(8, 8), scales=scales)


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize(
    "options",
    [{"scales": (1.0, 1e308)}, {"scales": (5000.0,)}, {"short_side_px": 60_000}],
    ids=str,
)
def test_a_picture_that_would_become_too_large_is_refused(zoo, options):
    with pytest.raises(TooLarge, match="more than 100000000 pixels"):
        ask(zoo, halves(8, 8), **options)


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize("options", [{"short_side_px": 0}, {"tile_px": -1}])
def test_sizes_below_one_pixel_are_refused(zoo, options):
    with pytest.raises(Invalid, match="cannot be"):
        ask(zoo, halves(8, 8), **options)


@pytest.mark.usefixtures("colours")
def test_classes_are_asked_for_by_name_or_index(zoo):
    found = ask(zoo, halves(8, 16), labels=("blue", "1"))
    assert [(score.label, score.index, score.probability) for score in found.asked] == [
        ("blue", 2, 0.0),
        ("green", 1, 0.5),
    ]
    with pytest.raises(Invalid, match="no class 'gren'") as caught:
        ask(zoo, halves(8, 16), labels=("gren",))
    assert "'green'" in caught.value.hint


def test_a_model_without_a_graph_has_no_map(zoo, published):
    published("plain")
    with pytest.raises(NotRunnable, match=r"has no model\.onnx"):
        ask(zoo, halves(8, 8), model="plain")


def test_a_missing_model_or_picture_is_said(zoo, colours, tmp_path):
    with pytest.raises(ModelNotFound):
        ask(zoo, halves(8, 8), model="colour")
    with pytest.raises(PathNotFound):
        ask(zoo, tmp_path / "nowhere.png")
    with pytest.raises(UnreadablePicture):
        ask(zoo, b"no picture")
    assert colours


@pytest.mark.usefixtures("colours")
def test_predicting_with_a_dense_model_gives_the_average_of_the_crops_map(zoo):
    pictures = [("p", halves(9, 30))]
    (answer,) = predict(zoo, open_service(zoo), "colours", pictures)
    # The crop is one cell, half of it red.
    assert {score.label: score.probability for score in answer.scores} == pytest.approx(
        {"red": 0.5, "green": 0.5, "blue": 0}, abs=0.01
    )


@pytest.mark.usefixtures("colours")
def test_the_best_cells_say_which_pixels_they_see(zoo):
    found = ask(zoo, halves(10, 20), scales=(1.0, 2.0))
    best = list_best_cells(found, 1, 100)
    assert len(best) == 2 * 5 + 5 * 10
    assert [cell.probability for cell in best] == sorted(
        (cell.probability for cell in best), reverse=True
    )
    one = next(cell for cell in best if (cell.scale, cell.row, cell.column) == (2.0, 1, 9))
    assert one.box_px == (18, 2, 20, 4)
    assert list_best_cells(found, 1, 3) == best[:3]


@pytest.mark.usefixtures("colours")
def test_a_heat_map_shows_the_class_in_yellow_and_the_rest_in_blue(zoo):
    found = ask(zoo, halves(16, 32), labels=("green",))
    drawn = draw_heat(found, found.asked[0], Drawing(opacity=1))
    image = Image.open(BytesIO(drawn))
    assert (image.size, image.format) == ((32, 16), "PNG")
    assert image.getpixel((0, 8)) == tuple(VIRIDIS[0])
    assert image.getpixel((31, 8)) == tuple(VIRIDIS[255])
    assert (image.text["label"], image.text["range"]) == ("green", "0..1")
    assert image.text["model"] == found.model


@pytest.mark.usefixtures("colours")
def test_a_map_may_be_stretched_to_its_own_range(zoo):
    pixels = np.full((8, 16, 3), 40, np.uint8)
    pixels[:, 8:] = 60
    found = ask(zoo, make_png(pixels))
    fixed, own = (
        Image.open(BytesIO(draw_heat(found, found.scores[0], Drawing(opacity=1, scaling=scaling))))
        for scaling in Scaling
    )
    assert fixed.getpixel((15, 0)) == tuple(VIRIDIS[60])
    assert (own.getpixel((0, 0)), own.getpixel((15, 0))) == (tuple(VIRIDIS[0]), tuple(VIRIDIS[255]))
    assert own.text["range"] == f"{40 / 255:.6g}..{60 / 255:.6g}"


@pytest.mark.usefixtures("colours")
def test_a_legend_is_drawn_below_where_it_is_wished_for(zoo):
    found = ask(zoo, halves(16, 200))
    sizes = [
        Image.open(BytesIO(draw_heat(found, found.scores[0], Drawing(has_legend=wished)))).size
        for wished in (True, False)
    ]
    assert sizes == [(200, 36), (200, 16)]


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_an_opacity_that_cannot_be_is_refused(zoo, opacity):
    found = ask(zoo, halves(8, 8))
    with pytest.raises(Invalid, match="opacity"):
        draw_heat(found, found.scores[0], Drawing(opacity=opacity))
