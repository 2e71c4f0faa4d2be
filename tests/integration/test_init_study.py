"""`zoo init-study`, from a folder of pictures to its report."""

import json

import numpy as np
import pytest
from PIL import Image

from zoo.errors import Unsupported
from zoo.filters.scheme import parse_scheme
from zoo.operations.datasets import add_dataset
from zoo.worker import init_study
from zoo.worker.init_study import StudyOptions, study_schemes

QUICK = ("--epochs", 2, "--seeds", 2, "--size", 8)


def options(*texts, **given):
    schemes = tuple(map(parse_scheme, texts))
    plain = {"epochs": 1, "seeds": 1, "rate": 0.03, "side_px": 8}
    return StudyOptions(schemes=schemes, **plain | given)


def quiet(*_told):
    """Hear of progress and do nothing."""


def test_the_report_has_figures_tables_and_a_plot(zoo_cli, digits, tmp_path):
    folder = tmp_path / "reports" / "digits"
    ran = zoo_cli(
        "init-study", digits, *QUICK, "--init", "he+lsuv", "--init", "2dpca", "-o", folder
    )
    assert ran.code == 0, ran.err
    assert [line.split()[0] for line in ran.out.splitlines()] == ["SCHEME", "he+lsuv", "2dpca"]
    assert "epochs 8/8" in ran.err
    assert {path.name for path in folder.iterdir()} == {"study.json", "study.md", "accuracy.png"}
    assert list(folder.parent.iterdir()) == [folder]
    told = json.loads((folder / "study.json").read_text())
    assert (told["channels"], told["training_pictures"], told["chance"]) == ("gray", 40, 0.2)
    assert [one["scheme"] for one in told["schemes"]] == ["he+lsuv", "2dpca"]
    assert np.shape(told["schemes"][0]["accuracy"]["runs"]) == (2, 2)
    assert "| he+lsuv |" in (folder / "study.md").read_text()
    with Image.open(folder / "accuracy.png") as plot:
        assert plot.format == "PNG"


def test_the_same_study_gives_the_same_figures(zoo, digits):
    address = add_dataset(zoo, digits).address
    first, again = (
        study_schemes(zoo, address, options("he+lsuv", training_pictures=20), quiet)
        for _ in range(2)
    )
    assert first == again
    assert first["training_pictures"] == 20


def test_pictures_with_colour_are_studied_in_colour(zoo, tmp_path):
    for label, colour in (("red", (200, 10, 10)), ("blue", (10, 10, 200))):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(8):
            image = Image.new("RGB", (9, 7), (*colour[:2], colour[2] + number))
            image.save(tmp_path / "set" / label / f"{number}.png")
    address = add_dataset(zoo, tmp_path / "set").address
    told = study_schemes(zoo, address, options("he+lsuv", epochs=5), quiet)
    assert told["channels"] == "colour"
    assert told["schemes"][0]["accuracy"]["mean"][-1] == 1


def test_more_pictures_than_are_held_are_refused(zoo, digits, monkeypatch):
    monkeypatch.setattr(init_study, "MOST_PIXELS", 1000)
    address = add_dataset(zoo, digits).address
    with pytest.raises(Unsupported, match="50 pictures of 8 x 8 pixels are more than") as raised:
        study_schemes(zoo, address, options("he"), quiet)
    assert "--train-pictures" in raised.value.hint


def test_ctrl_c_leaves_nothing_behind(zoo_cli, digits, tmp_path, monkeypatch):
    def interrupt(*_given, **_named):
        raise KeyboardInterrupt  # what Ctrl-C raises, also where the signal itself is ignored

    monkeypatch.setattr("zoo.training.initstudy.build_small", interrupt)
    (tmp_path / "here").mkdir()
    ran = zoo_cli("init-study", digits, *QUICK, "-o", tmp_path / "here" / "report")
    assert ran.code == 130
    assert not any((tmp_path / "here").iterdir())


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (["--init", "hee"], 1, "near it: he"),
        (["--init", "prototxt"], 1, "comes from no prototxt"),
        (["--init", "bilinear"], 1, "Layer 'fc': bilinear fills square windows"),
        (["--epochs", "0"], 2, "--epochs"),
        (["--lr", "0"], 2, "--lr"),
        (["--size", "4"], 2, "--size"),
    ],
)
def test_wrong_options_are_told(  # noqa: PLR0913, PLR0917  # cells of a table
    zoo_cli, digits, tmp_path, given, code, told
):
    ran = zoo_cli("init-study", digits, *QUICK, "-o", tmp_path / "report", *given)
    assert ran.code == code
    assert told in ran.err
    assert not (tmp_path / "report").exists()


def test_a_dataset_that_is_not_there_and_a_folder_that_is_are_told(zoo_cli, digits, tmp_path):
    assert zoo_cli("init-study", "nothing").code == 3
    (tmp_path / "report").mkdir()
    ran = zoo_cli("init-study", digits, "-o", tmp_path / "report")
    assert ran.code == 1
    assert "exists already" in ran.err


@pytest.mark.data
def test_the_literal_range_stays_at_chance_where_lsuv_learns_real_digits(zoo, shared_data):
    address = add_dataset(zoo, shared_data / "images" / "mnist_png").address
    chosen = options("uniform-fan-in", "he+lsuv", epochs=5, side_px=16, training_pictures=200)
    told = study_schemes(zoo, address, chosen, quiet)
    literal, lsuv = (one["accuracy"]["mean"] for one in told["schemes"])
    assert told["chance"] == 0.1
    assert max(literal) <= 0.15
    assert lsuv[-1] > 0.6
