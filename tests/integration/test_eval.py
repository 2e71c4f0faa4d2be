"""`zoo eval`: a model on a dataset, as it is served."""

import json
import shutil

import pytest
from PIL import Image

FILES = {"eval.json", "eval.md", "confusion.png", "wrong.png", "gradcam.png"}

pytestmark = pytest.mark.usefixtures("stocked")


def test_an_evaluation_says_what_the_fine_tune_said(zoo_cli):
    shown = zoo_cli("show", "lenet-digits", "--json").json
    found = zoo_cli("eval", "lenet-digits", "digits", "--json").json
    assert found["accuracy"] == shown["summary"]["accuracy"]
    assert found["split"] == "val"
    assert sum(map(sum, found["confusion"])) == found["accuracy"]["total"]
    assert {one["total"] for one in found["per_class"].values()} == {2}
    assert len(found["wrong"]) == found["accuracy"]["total"] - found["accuracy"]["right"]
    assert 0 <= found["calibration_error"] <= 1


def test_a_model_is_compared_with_itself_and_is_not_better(zoo_cli):
    ran = zoo_cli("eval", "lenet-digits", "digits", "--against", "lenet-digits")
    assert "cannot be told apart" in ran.out
    assert "p = 1" in ran.out


def test_a_folder_has_figures_and_sheets(zoo_cli, digits, tmp_path):
    # Digits under wrong names are all the model can get wrong for sure.
    swapped = tmp_path / "swapped"
    for label in range(5, 10):
        shutil.copytree(digits / str(label), swapped / str(14 - label))
    folder = tmp_path / "reports" / "swapped"
    ran = zoo_cli("eval", "lenet-digits", swapped, "--split", "train", "-o", folder)
    assert ran.code == 0, ran.err
    assert {path.name for path in folder.iterdir()} == FILES
    assert list(folder.parent.iterdir()) == [folder]
    told = json.loads((folder / "eval.json").read_text())
    sure = [one["probability"] for one in told["wrong"]]
    assert len(sure) > 10
    assert sure == sorted(sure, reverse=True)
    assert "| 5 | " in (folder / "eval.md").read_text()
    for name in ("wrong.png", "gradcam.png", "confusion.png"):
        with Image.open(folder / name) as sheet:
            assert sheet.format == "PNG"
    again = zoo_cli("eval", "lenet-digits", "digits", "-o", folder)
    assert "exists already" in again.err


def test_a_class_that_the_model_does_not_know_is_an_error(zoo_cli):
    ran = zoo_cli("eval", "lenet", "digits")
    assert ran.code != 0
    assert "does not know '5', '6', '7', '8', '9'" in ran.err
    assert "zoo finetune" in ran.err


def test_a_split_without_pictures_is_an_error(zoo_cli):
    ran = zoo_cli("eval", "lenet-digits", "digits", "--split", "test")
    assert ran.code != 0
    assert "no pictures of the split 'test'" in ran.err
    assert "train" in ran.err


def test_a_model_that_knows_more_classes_can_be_measured(zoo_cli, digits, tmp_path):
    part = tmp_path / "part"
    for label in ("5", "6"):
        shutil.copytree(digits / label, part / label)
    found = zoo_cli("eval", "lenet-digits", part, "--json").json
    assert list(found["per_class"]) == ["5", "6"]
    assert [len(row) for row in found["confusion"]] == [3, 3]
    assert found["top5"] is None
