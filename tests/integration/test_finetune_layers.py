"""`zoo finetune --layer`: codes of other layers than the last, in one graph with the head."""

import json

import pytest

from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("stocked")


def training_of(home, model):
    with open_zoo(read_settings(home=home)) as zoo:
        _, path = get_file(zoo, get_revision(zoo, model), "training.json")
        return json.loads(path.read_bytes())


@pytest.mark.parametrize("layer", ["best", "all", "pool1"])
def test_a_probe_at_other_layers_is_a_model_like_any_other(zoo_cli, home, layer, picture):
    ran = zoo_cli("finetune", "lenet", "digits", "--name", "tuned", "--layer", layer)
    assert ran.code == 0, ran.err
    training = training_of(home, "tuned")
    assert training["plan"]["layer"] == layer
    taps = training["codes"]["taps"]
    depth = training["codes"]["depth"]
    if layer == "best":
        assert depth[-1]["layer"] == "codes"
        assert taps[0] in {point["layer"] for point in depth}
    else:
        assert (taps == ["pool1"]) == (layer == "pool1")
        assert depth == []
    told = zoo_cli("eval", "tuned", "digits", "--json").json
    assert told["accuracy"] == training["metrics"]["val"]["accuracy"]
    assert zoo_cli("verify", "tuned").code == 0
    assert zoo_cli("predict", "tuned", picture).code == 0


def test_a_tuned_model_is_tuned_again_and_its_classifier_may_be_an_svm(zoo_cli, home):
    zoo_cli("finetune", "lenet", "digits", "--name", "tuned", "--layer", "all")
    ran = zoo_cli("finetune", "tuned", "digits", "--name", "again", "--classifier", "svm")
    assert ran.code == 0, ran.err
    assert training_of(home, "again")["plan"]["classifier"] == "svm"


@pytest.mark.parametrize(
    "wrong", [["--layer", "pool9"], ["--strategy", "partial", "--freeze", "pool9"]]
)
def test_a_layer_that_is_not_there_is_named_before_anything_is_queued(zoo_cli, wrong):
    before = zoo_cli("jobs", "--json").json
    ran = zoo_cli("finetune", "lenet", "digits", *wrong)
    assert ran.code != 0
    assert "has no layer 'pool9'" in ran.err
    assert "Did you mean 'pool2' or 'pool1'?" in ran.err
    assert zoo_cli("jobs", "--json").json == before
