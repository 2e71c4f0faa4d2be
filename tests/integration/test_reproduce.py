"""`zoo reproduce`: the same fine-tune gives the same bits, and what differs is told."""

import json

import pytest
import yaml

from zoo.errors import NotRunnable
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish, put_json
from zoo.operations.reproduce import compare_repetition, enqueue_reproduce
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("stocked")


@pytest.mark.parametrize("strategy", ["probe", "partial"])
def test_a_fine_tune_comes_out_the_same_to_the_bit(zoo_cli, strategy):
    options = ("--strategy", "partial", "--epochs", "1", "--seed", "3", "--name", "tuned")
    assert zoo_cli("finetune", "lenet", "digits", *options).code == 0
    ran = zoo_cli("reproduce", f"tuned:{strategy}", "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert told["is_same"]
    assert told["equal"] == told["tensors"] > 0
    assert told["largest_difference"] == 0
    assert told["versions"] == {}
    assert told["second"].startswith("tuned-again@")
    assert told["rights"][0] == told["rights"][1]


def test_the_report_and_the_card_tell_the_same_figures(home):
    with open_zoo(read_settings(home=home)) as zoo:
        revision = get_revision(zoo, "lenet-digits")
        texts = {
            path: get_file(zoo, revision, path)[1].read_text(encoding="utf-8")
            for path in ("training.json", "report.html", "README.md")
        }
    training = json.loads(texts["training.json"])
    accuracy = training["metrics"]["val"]["accuracy"]
    assert f"{accuracy['right']} of {accuracy['total']}" in texts["report.html"]
    wrong = accuracy["total"] - accuracy["right"]
    assert len(training["wrong"]) == wrong
    assert ("data:image/jpeg;base64," in texts["report.html"]) == bool(wrong)
    front = yaml.safe_load(texts["README.md"].split("---")[1])
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"][0] == {
        "type": "accuracy",
        "value": accuracy["value"],
        "name": f"accuracy ({accuracy['low']:.3f} to {accuracy['high']:.3f} at 95 %)",
    }
    assert training["digests"]["result"] == revision.find_file("model.safetensors").digest
    assert training["request"]["strategy"] == "probe"


def republish(zoo, name, change, of="lenet-digits"):
    """Publish a fine-tuned model under another name, its training.json changed."""
    revision = get_revision(zoo, of)
    told = json.loads(get_file(zoo, revision, "training.json")[1].read_bytes())
    change(told)
    files = {file.path: file for file in revision.files} | {"training.json": put_json(zoo, told)}
    return publish(zoo, Publication(model=name, files=files, message="changed"))


def test_what_differs_is_told(home):
    def change(told):
        told["metrics"]["val"]["accuracy"]["right"] -= 1
        told["versions"]["torch"] = "1.0"

    with open_zoo(read_settings(home=home)) as zoo:
        first = republish(zoo, "other", change)
        found = compare_repetition(zoo, first.address, "lenet-digits")
    assert found.equal == found.tensors
    assert found.is_same  # every bit is, whatever is claimed
    assert found.rights[0] == found.rights[1] - 1
    assert found.versions["torch"][0] == "1.0"


def test_a_plan_that_is_another_by_now_is_told_and_no_versions_are_blamed(zoo_cli, home):
    def change(told):
        told["request"]["classifier"] = "logistic"
        told["plan"] |= {"classifier": "logistic", "folds": 0, "c_grid": [0.1]}
        told["head"] = {"c": 0.1, "candidates": []}
        told["metrics"]["val"]["accuracy"]["right"] = 0

    # Other weights than those that will come of it, as of another plan.
    options = ("--classifier", "svm", "--name", "svm")
    assert zoo_cli("finetune", "lenet", "digits", *options).code == 0
    with open_zoo(read_settings(home=home)) as zoo:
        republish(zoo, "older", change, of="svm")
    ran = zoo_cli("reproduce", "older")
    assert ran.code == 6
    assert "  folds: 0, now 5\n" in ran.out
    assert "the planning changed between versions" in ran.out
    assert "as it is planned otherwise by now (" in ran.err
    assert "folds 0, now 5" in ran.err
    assert "Compare versions" not in ran.err


def test_models_that_do_not_tell_how_they_were_asked_for_are_refused(zoo_cli, home):
    with open_zoo(read_settings(home=home)) as zoo:
        old = republish(zoo, "old", lambda told: told.pop("request"))
        with pytest.raises(NotRunnable, match="does not tell"):
            enqueue_reproduce(zoo, old.address)
    ran = zoo_cli("reproduce", "lenet")
    assert ran.code != 0
    assert "came of no fine-tune" in ran.err
