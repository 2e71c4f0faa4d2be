"""Queueing a fine-tune: whatever can be checked beforehand is."""

import json

import pytest

from zoo.domain.config import CONFIG, WEIGHTS, ModelConfig
from zoo.domain.job import JobKind
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.errors import BadName, DatasetNotFound, ModelNotFound, NotRunnable, RevisionNotFound
from zoo.operations import jobs
from zoo.operations.datasets import add_dataset
from zoo.operations.finetune import enqueue_finetune

CONFIGURED = ModelConfig(
    architecture="net",
    label_names=("cat", "dog"),
    pictures=Preprocessing(),
    recipe=Recipe(source=Source(kind="caffe", path="deploy.prototxt")),
    lineage={},
)
FILES = {CONFIG: json.dumps(CONFIGURED.as_json()), WEIGHTS: "weights"}


@pytest.fixture
def net(published):
    return published("caffe/net", files=FILES)


@pytest.fixture
def dataset(zoo, insects):
    return add_dataset(zoo, insects(ant=3, bee=3), name="ada/insects")


def test_what_is_to_be_done_is_told_by_address(zoo, net, dataset):
    job = enqueue_finetune(zoo, "caffe/net", "ada/insects", seed=7)
    assert job.kind is JobKind.FINETUNE
    assert job.params == {
        "model": net.address,
        "dataset": dataset.address,
        "name": "caffe/net-insects",
        "seed": 7,
        "layer": "codes",
        "classifier": "logistic",
        "strategy": "probe",
        "training": {},
    }
    other = enqueue_finetune(zoo, "caffe/net", "ada/insects", seed=7, layer="best")
    assert other.id != job.id


@pytest.mark.usefixtures("net", "dataset")
def test_the_same_fine_tune_that_is_not_finished_is_taken_up_again(zoo):
    first = enqueue_finetune(zoo, "caffe/net", "ada/insects")
    assert enqueue_finetune(zoo, "caffe/net:main", "ada/insects").id == first.id
    assert enqueue_finetune(zoo, "caffe/net", "ada/insects", seed=1).id != first.id


@pytest.mark.usefixtures("net", "dataset")
def test_the_new_model_may_be_given_a_name(zoo):
    assert enqueue_finetune(zoo, "caffe/net", "ada/insects", name="a").params["name"] == "a"


@pytest.mark.parametrize(
    ("model", "dataset_name", "name", "error"),
    [
        ("nothing", "ada/insects", None, ModelNotFound),
        ("caffe/net:v9", "ada/insects", None, RevisionNotFound),
        ("caffe/net", "nothing", None, DatasetNotFound),
        ("caffe/net", "ada/insects", "a b", BadName),
    ],
)
@pytest.mark.usefixtures("net", "dataset")
def test_what_cannot_be_done_is_not_queued(zoo, model, dataset_name, name, error):
    with pytest.raises(error):
        enqueue_finetune(zoo, model, dataset_name, name=name)
    assert jobs.list_jobs(zoo) == []


@pytest.mark.usefixtures("dataset")
@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
def test_a_revision_without_a_network_cannot_be_fine_tuned(zoo, published, missing):
    published(files={path: text for path, text in FILES.items() if path != missing})
    with pytest.raises(NotRunnable, match=missing):
        enqueue_finetune(zoo, "net", "ada/insects")
    assert jobs.list_jobs(zoo) == []
