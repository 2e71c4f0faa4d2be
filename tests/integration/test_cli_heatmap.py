"""`zoo heatmap`: a picture of where a class is, and what is told of it."""

import numpy as np
import pytest
from PIL import Image

from zoo.images.palette import VIRIDIS


@pytest.fixture(autouse=True)
def _dense(stocked, upload, colour_map, monkeypatch, tmp_path):
    """Publish a dense model that tells how much of each colour a cell has; work in a folder."""
    assert stocked.is_dir()
    assert upload("colours", ("model.onnx", colour_map())).status_code in {200, 201}
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def halves(tmp_path):
    """A picture that is red on its left half and green on its right."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16, 0] = pixels[:, 16:, 1] = 255
    path = tmp_path / "halves.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_heat_map_is_written_and_told(zoo_cli, halves, tmp_path):
    ran = zoo_cli("heatmap", "colours", halves, "--label", "green", "-o", "new/out.png")
    assert (ran.code, ran.err) == (0, "")
    assert "picture  " in ran.out
    assert "8 x 4 cells at scale 1 (32 x 16 pixels)" in ran.out
    assert "whole    red 0.500  green 0.500  blue 0.000" in ran.out
    assert "shown    green 0.500" in ran.out
    assert "x 16..20, y 0..4" in ran.out
    assert ran.out.splitlines()[-1] == "new/out.png"
    with Image.open(tmp_path / "new" / "out.png") as image:
        assert (image.size, image.text["label"]) == ((32, 16), "green")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.png"]


def test_without_a_label_the_best_class_is_shown_beside_the_picture(zoo_cli, halves, tmp_path):
    ran = zoo_cli("heatmap", "colours", halves, "--opacity", "1", "--top", "1")
    assert "shown    red" in ran.out
    assert "whole    red 0.500\n" in ran.out
    with Image.open(tmp_path / "halves-heat.png") as image:
        assert image.getpixel((0, 0)) == tuple(VIRIDIS[255])


def test_the_map_is_written_as_numbers_too(zoo_cli, halves, tmp_path):
    assert zoo_cli("heatmap", "colours", halves, "--npy", "map.npy").code == 0
    cells = np.load(tmp_path / "map.npy")
    assert (cells.dtype, cells.shape) == (np.float32, (3, 4, 8))
    ran = zoo_cli(
        "heatmap", "colours", halves, "--npy", "b.npy", "--scale", "1", "--scale", "2", "-o", "b"
    )
    assert (ran.code, ran.out) == (2, "")
    assert "one --scale" in ran.err
    assert not (tmp_path / "b").exists()


def test_what_is_shown_is_told_as_json(zoo_cli, halves):
    told = zoo_cli(
        *("heatmap", "colours", halves, "--label", "1", "--json", "--tile", "9"),
        *("--scale", "1", "--scale", "2", "--short-side", "8", "--scaling", "own"),
    ).json
    assert told["size_px"] == [8, 16]
    assert [one["map_size"] for one in told["scales"]] == [[2, 4], [4, 8]]
    assert told["shown"]["label"] == "green"
    assert told["geometry"]["height"]["stride_px"] == 4
    assert len(told["cells"]) == 3
    assert told["output"] == "halves-heat.png"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--label", "gren"], "Did you mean 'green'"),
        (["--label", "7"], "no class '7'"),
        (["--scale", "0"], "above 0"),
        (["--scale", "-1"], "above 0"),
        (["--scale", "nan"], "above 0"),
        (["--scale", "1e6"], "ZOO_MAX_PICTURE_PIXELS"),
        (["--scale", "0.1"], "the smallest is 4 wide and 4 high"),
        (["--tile", "5"], "--tile 7"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_told_with_the_next_step(zoo_cli, halves, tmp_path, arguments, told):
    ran = zoo_cli("heatmap", "colours", halves, *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert told in ran.err
    assert not (tmp_path / "halves-heat.png").exists()


@pytest.mark.parametrize("arguments", [["--opacity", "2"], ["--scaling", "jet"], ["--tile", "0"]])
def test_wrong_usage_is_told(zoo_cli, halves, arguments):
    ran = zoo_cli("heatmap", "colours", halves, *arguments)
    assert ran.code == 2
    assert arguments[0] in ran.err


def test_the_picture_itself_is_not_written_over(zoo_cli, halves):
    before = halves.read_bytes()
    for option in ("-o", "--npy"):
        ran = zoo_cli("heatmap", "colours", halves, option, halves)
        assert ran.code == 1
        assert "is the picture itself" in ran.err
    assert halves.read_bytes() == before


def test_what_cannot_be_written_leaves_nothing_behind(zoo_cli, halves, tmp_path):
    (tmp_path / "folder").mkdir()
    assert zoo_cli("heatmap", "colours", halves, "-o", "folder").code == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["halves.png"]
    assert list(tmp_path.glob(".zoo*")) == []


def test_a_classifier_is_told_how_to_become_dense(zoo_cli, halves):
    ran = zoo_cli("heatmap", "lenet-digits", halves)
    assert ran.code == 1
    assert "zoo dense lenet-digits" in ran.err
