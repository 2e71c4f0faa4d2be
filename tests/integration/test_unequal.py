"""Datasets of unequal classes, and of some with hardly a picture, from advice to the report."""

import json
import shutil

import pytest
from PIL import Image

from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("stocked")


@pytest.fixture
def rare(tmp_path, digits):
    """A folder with ten pictures of 5, 6 and 7, and two of 8: one to learn from."""
    folder = tmp_path / "rare"
    for label, count in (("5", 10), ("6", 10), ("7", 10), ("8", 2)):
        (folder / label).mkdir(parents=True)
        for path in sorted((digits / label).iterdir())[:count]:
            shutil.copy(path, folder / label)
    return folder


def read_file(home, address, path):
    with open_zoo(read_settings(home=home)) as zoo:
        return get_file(zoo, get_revision(zoo, address), path)[1].read_text()


def test_a_rare_class_leaves_cross_validation_and_calibration_to_the_others(zoo_cli, home, rare):
    ran = zoo_cli("finetune", "lenet", rare, "--name", "tuned")
    assert ran.code == 0, ran.err
    assert "too few training pictures to be held out: '8' (1)" in ran.err
    assert "always '5' would have 0.286; balanced accuracy" in ran.out
    told = json.loads(read_file(home, "tuned", "training.json"))
    assert told["plan"]["folds"] == 5
    assert len(told["head"]["candidates"]) == 8
    assert told["head"]["calibration"] is not None
    unequal = told["metrics"]["val"]["unequal"]
    recalls = [one["value"] for one in told["metrics"]["val"]["per_class"].values()]
    assert unequal["label"] == "5"
    assert unequal["balanced_accuracy"] == pytest.approx(sum(recalls) / 4)
    for path in ("README.md", "report.html"):
        assert "The classes are of unequal size: always" in read_file(home, "tuned", path)
    assert "type: balanced_accuracy" in read_file(home, "tuned", "README.md")
    # The same is told of the same pictures by whoever asks.
    measured = zoo_cli("eval", "tuned", "rare", "--json").json
    assert (
        measured["unequal"]
        == unequal
        == zoo_cli("show", "tuned", "--json").json["summary"]["unequal"]
    )
    assert "always '5' would have" in zoo_cli("eval", "tuned", "rare").out
    again = zoo_cli("reproduce", "tuned")
    assert again.code == 0, again.err
    assert "equal to the bit" in again.out


def test_advice_on_a_set_with_a_rare_class_measures_the_others(zoo_cli, rare):
    told = zoo_cli("advise", "lenet", rare, "--json").json
    assert told["advised"]["strategy"] == "probe"
    assert told["unequal"] == {"label": "5", "share": pytest.approx(1 / 3)}
    assert {"balanced_accuracy", "balanced_error", "random_balanced"} <= told["depth"][0].keys()
    # Of the class that could not be measured nothing is known, and so nothing of all of them.
    assert told["predicted"] is None
    assert told["gains"] == []
    assert len(told["learning_curve"]) == 4
    few = "too few pictures to be measured: '8'; all figures are of the other 3 of 4 classes"
    assert few in told["because"]
    shown = zoo_cli("advise", "lenet", "rare")
    assert shown.code == 0, shown.err
    assert "BALANCED ACCURACY" in shown.out
    assert "always '5' has an accuracy of 0.333" in shown.out
    ranked = zoo_cli("advise", "rare")
    assert ranked.code == 0, ranked.err
    assert "BALANCED ACCURACY" in ranked.out
    assert "always '5' would have 0.333" in ranked.out
    assert few in ranked.out


def test_a_training_on_unequal_classes_is_judged_by_each_of_them(zoo_cli, home, rare):
    options = ("--strategy", "partial", "--epochs", "1", "--name", "tuned")
    ran = zoo_cli("finetune", "lenet", rare, *options)
    assert ran.code == 0, ran.err
    assert "of balanced accuracy" in ran.out
    told = json.loads(read_file(home, "tuned:partial", "training.json"))
    assert {"balanced_gain", "balanced_error"} <= told["outcome"]["verdict"].keys()


@pytest.mark.parametrize(
    ("counts", "weighed"),
    [({"train": (6, 6), "val": (4, 1)}, False), ({"train": (8, 2), "val": (2, 2)}, True)],
    ids=["unequal where measured", "unequal where fitted"],
)
def test_an_evaluation_knows_whether_the_fit_weighed_its_classes(
    zoo_cli, digits, tmp_path, counts, weighed
):
    folder, other = tmp_path / "parts", tmp_path / "other"
    for at, label in enumerate("56"):
        paths = sorted((digits / label).iterdir())
        begin = counts["train"][at]
        parts = {
            folder / "train": paths[:begin],
            folder / "val": paths[begin:][: counts["val"][at]],
            other: paths[2 * at :],
        }
        for place, chosen in parts.items():
            (place / label).mkdir(parents=True)
            for path in chosen:
                shutil.copy(path, place / label)
    assert zoo_cli("finetune", "lenet", folder, "--name", "tuned").code == 0
    summary = zoo_cli("show", "tuned", "--json").json["summary"]
    assert summary["balanced"] is weighed
    assert ("unequal" in summary) is not weighed
    # Eight of one class and six of the other: worth telling where they were weighed.
    measured = zoo_cli("eval", "tuned", other, "--split", "train", "--json").json
    assert len(set(map(sum, measured["confusion"]))) == 2
    assert ("unequal" in measured) is weighed


def test_equal_classes_are_told_of_as_ever(zoo_cli, home):
    ran = zoo_cli("finetune", "lenet", "digits", "--name", "tuned")
    assert "always" not in ran.out
    told = read_file(home, "tuned", "training.json")
    assert "balanced_" not in told
    assert "unequal" not in told
    assert "balanced" not in zoo_cli("show", "tuned", "--json").json["summary"]
    assert "BALANCED" not in zoo_cli("advise", "lenet", "digits").out


def test_pages_tell_what_an_accuracy_is_to_be_read_beside(zoo_cli, client, rare):
    assert zoo_cli("finetune", "lenet", rare, "--name", "tuned").code == 0
    job = client.get("/v1/jobs").json["jobs"][0]["id"]
    for page in ("/models/tuned", "/models/tuned/metrics", f"/jobs/{job}"):
        assert "Always saying 5 would have" in client.get(page).text, page
    assert zoo_cli("advise", "lenet", "rare").code == 0
    page = client.get("/new/finetune?model=lenet&dataset=rare").text
    assert "Balanced accuracy" in page
    assert "always &#39;5&#39; has an accuracy of 0.333" in page


def test_where_no_codes_tell_more_than_chance_nothing_is_advised(zoo_cli, client, digits, tmp_path):
    folder = tmp_path / "noise"
    for label in "ab":
        (folder / label).mkdir(parents=True)
    for path in sorted(digits.rglob("*.png"))[:25]:
        # The same pictures in both classes, but for one pixel.
        name = f"{path.parent.name}{path.name}"
        shutil.copy(path, folder / "a" / name)
        with Image.open(path) as picture:
            picture.putpixel((0, 0), 3)
            picture.save(folder / "b" / name)
    told = zoo_cli("advise", "lenet", folder, "--json").json
    assert told["quadrant"]["tap"] is None
    assert told["advised"] is None
    assert told["predicted"] is None
    shown = zoo_cli("advise", "lenet", "noise")
    assert shown.code == 0, shown.err
    assert "none can be advised" in shown.out
    assert "nothing is advised" in shown.out
    assert "nothing is advised" in client.get("/new/finetune?model=lenet&dataset=noise").text
