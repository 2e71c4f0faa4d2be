"""`zoo transfer-study`: from a model and two datasets to tables, and on where it was stopped."""

import json

import pytest
from PIL import Image

from zoo.errors import Conflict, Interrupted, Invalid, MalformedCheckpoint
from zoo.filters.scheme import parse_scheme
from zoo.operations.datasets import add_dataset
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker.transfer_study import TransferOptions, study_transfer

QUICK = ("--epochs", 1, "--stages", 1)
FILES = {"study.json", "study.md", "transfer.png", "runs.json"}
BASES = {"base-A-0.safetensors", "base-B-0.safetensors"}


def options(**given):
    plain = {"epochs": 1, "rate": 0.02, "batch": 32, "seeds": 1, "stages": 1}
    return TransferOptions(init=parse_scheme("he"), **plain | given)


def quiet(*_told):
    """Hear of progress and do nothing."""


@pytest.mark.usefixtures("stocked")
def test_the_folder_has_tables_a_plot_and_figures(zoo_cli, digits, tmp_path):
    folder = tmp_path / "study"
    ran = zoo_cli("transfer-study", "lenet", digits, digits, *QUICK, "-o", folder)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].split() == [
        *("N", "TAKEN", "OVER"),
        *("BNB", "ANB", "BNB+", "ANB+", "RANDOM"),
    ]
    assert {path.name for path in folder.iterdir()} == FILES | BASES
    told = json.loads((folder / "study.json").read_text())
    assert told["tasks"]["B"] == "the other half"
    assert told["chance"] == 1 / 3  # of five classes of like size three are B's
    assert 0 <= told["treatments"]["AnB"][0]["mean"] <= 1
    assert "| 7 | 0.623 |" in (folder / "study.md").read_text()
    with Image.open(folder / "transfer.png") as plot:
        assert plot.format == "PNG"


def test_a_study_that_was_stopped_goes_on_and_comes_to_the_same(zoo_with, tmp_path):
    zoo, model, digits = zoo_with
    address = add_dataset(zoo, digits).address
    pair = (address, address)

    def stop(step, _what, done, _total):
        if step == "train" and done == 4:
            raise Interrupted("Told to.")

    with pytest.raises(Interrupted):
        study_transfer(zoo, model, pair, options(), tmp_path / "study", report=stop)
    kept = json.loads((tmp_path / "study" / "runs.json").read_text())["runs"]
    assert len(kept) == 4
    went_on = study_transfer(zoo, model, pair, options(), tmp_path / "study", report=quiet)
    at_once = study_transfer(zoo, model, pair, options(), tmp_path / "other", report=quiet)
    assert went_on == at_once
    with pytest.raises(Conflict, match="other models"):
        study_transfer(zoo, model, pair, options(epochs=2), tmp_path / "study", report=quiet)
    more = study_transfer(zoo, model, pair, options(seeds=2), tmp_path / "study", report=quiet)
    assert more["bases"]["base B"]["runs"][:1] == at_once["bases"]["base B"]["runs"]
    (tmp_path / "other" / "runs.json").write_text('{"runs": [')
    with pytest.raises(MalformedCheckpoint):
        study_transfer(zoo, model, pair, options(), tmp_path / "other", report=quiet)


def test_two_tasks_need_classes_enough(zoo_with, colour_folder, tmp_path):
    zoo, model, _ = zoo_with
    address = add_dataset(zoo, colour_folder).address
    with pytest.raises(Invalid, match="two tasks takes 4"):
        study_transfer(zoo, model, (address, address), options(), tmp_path / "s", report=quiet)
    assert not (tmp_path / "s").exists()


@pytest.mark.usefixtures("stocked")
def test_a_folder_of_other_things_is_left_alone(zoo_cli, digits, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    ran = zoo_cli("transfer-study", "lenet", digits, digits, *QUICK, "-o", tmp_path)
    assert ran.code != 0
    assert "holds other files" in ran.err
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".safetensors"] == []


@pytest.fixture
def colour_folder(tmp_path):
    """Two classes, two pictures each."""
    for label, colour in (("red", (200, 10, 10)), ("blue", (10, 10, 200))):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(2):
            picture = Image.new("RGB", (28, 28), tuple(one + number for one in colour))
            picture.save(tmp_path / "set" / label / f"{number}.png")
    return tmp_path / "set"


@pytest.fixture
def zoo_with(stocked, digits):
    """A zoo with a model, and a folder of digits."""
    with open_zoo(read_settings(home=stocked)) as zoo:
        yield zoo, "lenet", digits
