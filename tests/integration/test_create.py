"""Models that nobody has trained: from an architecture and a scheme to a revision."""

import json

import numpy as np
import pytest

from zoo.domain.config import CARD, CONFIG, WEIGHTS
from zoo.domain.job import JobState
from zoo.errors import DatasetNotFound, Invalid, MalformedPrototxt, PathNotFound, UnsupportedLayers
from zoo.formats.safetensors import read_safetensors
from zoo.operations import fetch, jobs
from zoo.operations.create import CreateOptions, enqueue_create, read_prototxt
from zoo.operations.datasets import add_dataset
from zoo.worker.progress import Progress
from zoo.worker.run import run
from zoo.worker.verify import verify

SQUEEZENET, TINY = "torchvision:squeezenet1_1", "timm:test_resnet"
NET = """
name: "small" input: "data" input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
  num_output: 4 kernel_size: 3 weight_filler { type: "xavier" }
  bias_filler { type: "constant" value: 0.25 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param {
  num_output: 3 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


def options_of(architecture, **options):
    """Name the model m; a prototxt is read, as the command does."""
    called = str(architecture)
    return CreateOptions(name="m", architecture=called, prototxt=read_prototxt(called), **options)


@pytest.fixture
def create(zoo):
    """A function that creates the model m and gives the job's result, or its error."""

    def create_it(architecture, **options):
        made = options_of(architecture, **options)
        job = enqueue_create(zoo, made)
        attempt = jobs.claim(zoo, worker="the test", number=job.id)
        run(zoo, Progress(zoo, attempt))
        job = jobs.get_job(zoo, job.id)
        return job.result if job.state is JobState.SUCCEEDED else job.error["error"]

    return create_it


@pytest.fixture
def dataset(zoo, digits):
    """The address of fifty digits in the zoo."""
    return add_dataset(zoo, digits).address


@pytest.fixture
def prototxt(tmp_path):
    path = tmp_path / "small.prototxt"
    path.write_text(NET)
    return path


def weights_of(zoo):
    return read_safetensors(fetch.get_file(zoo, fetch.get_revision(zoo, "m"), WEIGHTS)[1])


def digest_of(zoo):
    return fetch.get_revision(zoo, "m").find_file(WEIGHTS).digest


def text_of(zoo, path):
    return fetch.get_file(zoo, fetch.get_revision(zoo, "m"), path)[1].read_text()


def test_an_untrained_model_begins_by_he_and_lsuv_and_says_so(zoo, create):
    result = create(SQUEEZENET, classes=3, seed=1)
    assert (result["classes"], result["runs"]) == (3, "classifier")
    assert result["parameters"] > 700_000
    begun = result["initialised"]
    assert (begun["scheme"], begun["seed"], begun["data"]) == ("he+lsuv", 1, None)
    assert "noise" in begun["looked_at"]
    card = " ".join(text_of(zoo, CARD).split())
    assert "drawn by `he+lsuv`, variance 2 / fan-in (He et al. 2015), by the seed 1" in card
    assert "16 pictures of noise" in card
    assert "LSUV mends what their formula does not see" in card
    assert all(check.is_sound for check in verify(zoo, fetch.get_revision(zoo, "m")))


@pytest.mark.parametrize("init", ["he+lsuv", "library"])
def test_the_same_command_gives_the_same_bytes(zoo, create, init):
    create(TINY, init=init, classes=3)
    first = digest_of(zoo)
    create(TINY, init=init, classes=3)
    assert digest_of(zoo) == first


def test_another_seed_gives_other_numbers(zoo, create, prototxt):
    found = set()
    for seed in (0, 1):
        create(prototxt, init="orthogonal", seed=seed)
        found.add(digest_of(zoo))
    assert len(found) == 2


def test_pictures_of_a_dataset_are_looked_at_and_told(zoo, create, dataset, prototxt):
    result = create(prototxt, init="2dpca+lsuv", data=dataset)
    assert result["initialised"]["looked_at"] == f"40 training pictures of {dataset}"
    first = digest_of(zoo)
    assert fetch.get_revision(zoo, "m").dataset == dataset
    config = json.loads(text_of(zoo, CONFIG))
    assert config["zoo"]["lineage"] == {"dataset": dataset}
    assert f"on 40 training pictures of {dataset}" in " ".join(text_of(zoo, CARD).split())
    create(prototxt, init="2dpca+lsuv", data=dataset)
    assert digest_of(zoo) == first


@pytest.mark.parametrize("architecture", ["timm:test_vit", "timm:test_convnext"])
def test_every_kind_of_network_can_be_created(create, architecture):
    result = create(architecture, classes=4)
    assert (result["classes"], result["runs"]) == (4, "classifier")


def test_a_prototxt_begins_by_the_fillers_it_states(zoo, create, prototxt):
    result = create(prototxt, init="prototxt", labels=("a", "b", "c"))
    weights = weights_of(zoo)
    assert (result["classes"], result["source"]) == (3, "caffe")
    assert set(weights["conv.bias"].tolist()) == {0.25}
    assert not weights["ip.bias"].any()
    assert np.abs(weights["conv.weight"]).max() <= np.sqrt(3 / 9)
    assert weights["ip.weight"].std() == pytest.approx(0.01, rel=0.2)
    assert text_of(zoo, "deploy.prototxt") == NET
    assert json.loads(text_of(zoo, CONFIG))["label_names"] == ["a", "b", "c"]
    assert all(check.is_sound for check in verify(zoo, fetch.get_revision(zoo, "m")))


def test_a_prototxt_begins_by_any_scheme(zoo, create, prototxt, dataset):
    result = create(prototxt, init="pca+lsuv", data=dataset)
    assert result["initialised"]["looked_at"].startswith("40 training pictures")
    assert result["initialised"]["notes"] == []
    assert not weights_of(zoo)["conv.bias"].any()


def test_an_architecture_nobody_knows_is_told_with_near_names(create):
    assert "resnet18" in json.dumps(create("torchvision:resnet81"))


def test_a_scheme_without_filters_for_a_layer_is_told_with_the_layer(create, prototxt):
    error = create(prototxt, init="bilinear")
    assert error["code"] == "invalid"
    assert "Layer 'ip': bilinear fills square windows, not a weight of 3 x 144" in error["message"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"architecture": "resnet18"}, "names no architecture"),
        ({"architecture": "keras:resnet18"}, "names no architecture"),
        ({"architecture": "timm:"}, "names no architecture"),
        ({"init": "hee"}, "near it: he"),
        ({"init": "2dpca+lsuv"}, "2dpca finds the filters in pictures, and no dataset"),
        ({"init": "he", "data": "x"}, "'he' looks at no pictures"),
        ({"init": "prototxt"}, "has no prototxt that could state fillers"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_queued(zoo, options, told):
    with pytest.raises(Invalid, match=told):
        enqueue_create(zoo, CreateOptions(**{"name": "m", "architecture": SQUEEZENET} | options))
    assert jobs.list_jobs(zoo) == []


def test_a_dataset_that_is_not_there_is_told(zoo):
    with pytest.raises(DatasetNotFound):
        enqueue_create(zoo, CreateOptions(name="m", architecture=SQUEEZENET, data="nothing"))


@pytest.mark.parametrize(
    ("text", "options", "error", "told"),
    [
        (NET, {"init": "library"}, Invalid, "drawn by no library"),
        (NET, {"classes": 4}, Invalid, "states itself how many outputs"),
        (
            NET.replace('weight_filler { type: "xavier" }', ""),
            {"init": "prototxt"},
            Invalid,
            "states no weight_filler for conv",
        ),
        (NET + "layer {", {}, MalformedPrototxt, "line 10"),
        (NET.replace("Softmax", "Magic"), {}, UnsupportedLayers, r"prob \(Magic\)"),
        (None, {}, PathNotFound, "There is no file"),
    ],
)
def test_a_prototxt_that_cannot_be_built_is_told(  # noqa: PLR0913, PLR0917  # cells of a table
    zoo, tmp_path, text, options, error, told
):
    path = tmp_path / "net.prototxt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=told):
        enqueue_create(zoo, options_of(path, **options))


def test_a_network_of_several_inputs_begins_on_noise_and_takes_no_pictures(
    create, tmp_path, dataset
):
    path = tmp_path / "two.prototxt"
    path.write_text(
        'input: "a" input_shape { dim: 1 dim: 4 } input: "b" input_shape { dim: 1 dim: 4 }'
        'layer { name: "ip" type: "InnerProduct" bottom: "a" top: "ip"'
        " inner_product_param { num_output: 4 } }"
        'layer { name: "sum" type: "Eltwise" bottom: "ip" bottom: "b" top: "sum" }'
    )
    assert create(path)["runs"] == "network"
    assert "reads no picture" in create(path, data=dataset)["message"]


def test_the_command_tells_how_the_filters_began(zoo_cli, prototxt, digits):
    ran = zoo_cli("create", "m", "--arch", prototxt, "--init", "pca+lsuv", "--data", digits)
    assert ran.code == 0, ran.err
    assert "imported m  3 classes" in ran.out
    assert "Filters begin by pca+lsuv, seed 0, looking at 40 training pictures of" in ran.err


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--init", "pcb"], 1, "near it: pca"),
        (["--init", "gaussian:std=x"], 1, "std=x; it should be a number"),
        (["--data", "./nowhere"], 3, "nowhere"),
        (["--data", "nothing"], 3, "nothing"),
    ],
)
def test_wrong_options_are_told_by_the_command(zoo_cli, options, code, told):
    ran = zoo_cli("create", "m", "--arch", SQUEEZENET, *options)
    assert ran.code == code
    assert told in ran.err
