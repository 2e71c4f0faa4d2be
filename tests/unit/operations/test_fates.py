"""Layers of a fine-tune: planned while it runs, then told by the digests of their tensors."""

import json

import numpy as np
import pytest

from zoo.domain.config import LAYERS, WEIGHTS
from zoo.domain.job import JobKind
from zoo.domain.layers import Inventory, LayerRow
from zoo.domain.training import RATES, Rates
from zoo.formats.safetensors import write_safetensors
from zoo.operations import jobs
from zoo.operations.fates import find_fates

SHAPES = {
    "conv1.weight": (4, 3, 3, 3),
    "conv1.bias": (4,),
    "conv2.weight": (5, 4, 3, 3),
    "ip1.weight": (6, 20),
    "ip1.bias": (6,),
}
ROWS = [("conv1", 112), ("pool1", 0), ("conv2", 180), ("ip1", 126)]


def files_of(weights):
    rows = tuple(
        LayerRow(
            name=name,
            kind="Conv2d",
            output=None,
            parameters=count,
            macs=0,
            window=None,
            tensors=tuple(one for one in weights if one.startswith(f"{name}.")),
        )
        for name, count in ROWS
    )
    return {
        WEIGHTS: b"".join(write_safetensors(weights)),
        LAYERS: json.dumps(Inventory(inputs=((3, 8, 8),), rows=rows).as_json()),
    }


@pytest.fixture
def weights():
    rng = np.random.default_rng(3)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.fixture
def parent(published, weights):
    return published("net", files=files_of(weights))


@pytest.fixture
def begin(zoo, parent):
    """A function that begins a fine-tune of the parent by a strategy."""

    def start(strategy):
        params = {"model": parent.address, "dataset": "d@1", "strategy": strategy}
        job = jobs.enqueue(zoo, JobKind.FINETUNE, params)
        return jobs.claim(zoo, worker="the test", number=job.id)

    return start


def fates(zoo, attempt):
    found = find_fates(zoo, jobs.get_job(zoo, attempt.job))
    return found and {one.layer: one.fate.value for one in found.layers}


def rates(frozen):
    return str(Rates(epochs=3, head=0.1, body=0.01, layer_decay=0.75, frozen_up_to=frozen))


def test_a_probe_leaves_all_but_the_head(zoo, begin):
    assert fates(zoo, begin("probe")) == {"conv1": "kept", "conv2": "kept", "ip1": "new"}


@pytest.mark.parametrize(
    ("frozen", "first"), [("pool1", "kept"), ("", "trained"), ("conv1", "kept")]
)
def test_what_is_frozen_is_known_once_it_is_told(zoo, begin, frozen, first):
    attempt = begin("partial")
    assert fates(zoo, attempt) is None
    jobs.tell(zoo, attempt, RATES, rates(frozen))
    assert fates(zoo, attempt) == {"conv1": first, "conv2": "trained", "ip1": "new"}


def test_a_layer_that_the_parent_does_not_tell_of_leaves_it_unknown(zoo, begin):
    attempt = begin("partial")
    jobs.tell(zoo, attempt, RATES, rates("elsewhere"))
    assert fates(zoo, attempt) is None


@pytest.mark.parametrize("strategy", ["auto", "lp-ft"])
def test_a_plan_that_is_not_told_yet_is_not_guessed(zoo, begin, strategy):
    assert fates(zoo, begin(strategy)) is None


def test_what_a_result_changed_is_measured(zoo, begin, parent, published, weights):
    attempt = begin("full")
    jobs.tell(zoo, attempt, RATES, rates(""))
    after = weights | {
        "conv2.weight": weights["conv2.weight"] * np.float32(1.01),
        "ip1.weight": np.ones((2, 20), np.float32),
        "ip1.bias": np.ones(2, np.float32),
    }
    child = published("tuned", files=files_of(after), parent=parent.address)
    jobs.succeed(zoo, attempt, {"revision": child.address})
    found = find_fates(zoo, jobs.get_job(zoo, attempt.job))
    assert found.is_measured
    assert [(one.layer, one.fate.value) for one in found.layers] == [
        ("conv1", "kept"),
        ("conv2", "trained"),
        ("ip1", "new"),
    ]
    assert found.list_of("kept") == ["conv1"]


def test_a_result_that_is_gone_is_told_by_nothing(zoo, begin):
    attempt = begin("full")
    jobs.succeed(zoo, attempt, {"revision": "gone@" + "0" * 40})
    assert fates(zoo, attempt) is None


def test_another_job_has_no_layers_to_tell(zoo, parent):
    job = jobs.enqueue(zoo, JobKind.ADVISE, {"model": parent.address})
    assert find_fates(zoo, job) is None
