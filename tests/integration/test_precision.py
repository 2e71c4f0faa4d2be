"""Codes in bfloat16: the model stays fp32, and its graph answers for the validation pictures."""

import json

import numpy as np
import pytest

from zoo.domain.dataset import Split
from zoo.domain.job import JobState
from zoo.domain.plan import Classifier, CodesPrecision, Strategy
from zoo.domain.training import Overrides
from zoo.operations import jobs
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.operations.reproduce import compare_repetition, enqueue_reproduce
from zoo.serving.predictor import Opening, open_session
from zoo.settings import read_settings
from zoo.training.finetune import labels_of
from zoo.worker import precision
from zoo.worker.progress import Progress
from zoo.worker.proof import read_batches
from zoo.worker.run import run

pytestmark = pytest.mark.usefixtures("stocked")
BF16 = CodesPrecision.BF16
SAME = ("model.onnx", "model.safetensors", "layers.json", "config.json")


@pytest.fixture
def zoo(home):
    with open_zoo(read_settings(home=home)) as opened:
        yield opened


@pytest.fixture
def able(monkeypatch, tmp_path):
    """A processor that multiplies in bfloat16, which then serves for small pictures too."""
    path = tmp_path / "cpuinfo"
    path.write_text("flags : fpu avx512_bf16\n")
    monkeypatch.setattr(precision, "CPU_INFO", path)
    monkeypatch.setattr(precision, "LEAST_PX", 1)


def work(zoo, job):
    run(zoo, Progress(zoo, jobs.claim(zoo, worker="the test", number=job.id)))
    done = jobs.get_job(zoo, job.id)
    assert done.state is JobState.SUCCEEDED, done.error
    return done


def fit(zoo, name, **options):
    """Fine-tune lenet and give the revision."""
    job = enqueue_finetune(zoo, "lenet", "digits", name=name, **options)
    return get_revision(zoo, work(zoo, job).result["revision"])


def told(zoo, revision, path="training.json"):
    return json.loads(get_file(zoo, revision, path)[1].read_bytes())


def digests(revision):
    return {path: revision.find_file(path).digest for path in SAME}


def test_kept_codes_give_the_same_bytes_and_figures(zoo, anew):
    first = fit(zoo, "first", precision=BF16)
    second = fit(zoo, "second", precision=BF16)
    assert anew == ["first"]
    assert digests(first) == digests(second)
    one, other = told(zoo, first), told(zoo, second)
    for key in ("metrics", "codes", "plan", "head", "unchanged", "wrong", "request"):
        assert one[key] == other[key], key
    assert one["codes"]["precision"] == one["request"]["precision"] == "bf16"
    assert 0 < one["codes"]["bf16_change"] < 0.5
    assert any("bfloat16" in reason for reason in one["plan"]["because"])
    assert digests(first)["model.onnx"] != digests(get_revision(zoo, "lenet-digits"))["model.onnx"]


def test_the_figures_are_those_of_the_graph_that_is_served(zoo):
    revision = fit(zoo, "half", precision=BF16)
    dataset = get_dataset(zoo, "digits")
    pictures = dataset.of_split(Split.VAL)
    opened = open_session(get_file(zoo, revision, "model.onnx")[1], Opening(device="cpu"))
    batches = read_batches(zoo, pictures, opened.preprocessing)
    said = np.concatenate([opened.session.run(None, {"images": batch})[0] for _, batch in batches])
    right = int((said.argmax(axis=1) == labels_of(dataset, Split.VAL)).sum())
    training = told(zoo, revision)
    assert training["metrics"]["val"]["accuracy"]["right"] == right
    rows = np.arange(len(pictures))
    loss = -np.log(said[rows, labels_of(dataset, Split.VAL)]).mean()
    assert training["metrics"]["val"]["log_loss"] == pytest.approx(loss, rel=1e-4)


def test_some_pictures_are_compared_with_torch_and_it_is_told(zoo):
    revision = fit(zoo, "half", precision=BF16)
    total = told(zoo, revision)["metrics"]["val"]["accuracy"]["total"]
    assert total > 8
    for name in ("half", fit(zoo, "again", precision=BF16).address):
        found = get_revision(zoo, name)
        parity = told(zoo, found, "parity.json")
        assert (parity["pictures"], parity["whole"], parity["top1_equal"]) == (8, 8, 8)
        assert parity["max_abs_difference"] <= 1e-4
        card = get_file(zoo, found, "README.md")[1].read_text()
        assert f"on 8 validation pictures, evenly from all {total}:" in card
        report = get_file(zoo, found, "report.html")[1].read_text()
        assert f"8 of 8 validation pictures, evenly from the {total}" in report


@pytest.mark.usefixtures("able")
def test_what_is_chosen_does_not_depend_on_what_is_kept(zoo, anew, home):
    exact = fit(zoo, "exact", precision=CodesPrecision.FP32)
    assert digests(exact) == digests(get_revision(zoo, "lenet-digits"))
    first, second = fit(zoo, "first"), fit(zoo, "second")
    assert anew == ["exact", "first"]
    for path in (home / "cache").rglob("*.*"):
        if path.parent.parent.name == "codes" or path.parent.name == "bodies":
            path.unlink()
    third = fit(zoo, "third")
    assert digests(first) == digests(second) == digests(third) != digests(exact)
    assert told(zoo, third)["codes"] == told(zoo, first)["codes"]
    assert digests(fit(zoo, "last", precision=CodesPrecision.FP32)) == digests(exact)


@pytest.mark.usefixtures("able")
def test_codes_that_bfloat16_would_move_far_are_taken_in_fp32(zoo, anew, monkeypatch):
    monkeypatch.setattr(precision, "BOUND", 0.0)
    first, second = fit(zoo, "first"), fit(zoo, "second")
    assert anew == ["first"]
    assert digests(first) == digests(second) == digests(get_revision(zoo, "lenet-digits"))
    for revision in (first, second):
        training = told(zoo, revision)
        assert training["codes"]["precision"] == "fp32"
        assert "codes in fp32: bfloat16 moves them by" in training["plan"]["because"][-1]
        assert training["parity"]["pictures"] == training["metrics"]["val"]["accuracy"]["total"]


@pytest.mark.usefixtures("able")
def test_a_body_is_of_no_use_where_the_choice_is_another(zoo, anew, monkeypatch):
    fit(zoo, "half")
    monkeypatch.setattr(precision, "BOUND", 0.0)
    assert told(zoo, fit(zoo, "other"))["codes"]["precision"] == "fp32"
    assert anew == ["half", "other"]


@pytest.mark.usefixtures("able")
def test_a_repetition_computes_as_the_first_did(zoo):
    fit(zoo, "half", precision=BF16)
    for model, kept in (("half", "bf16"), ("lenet-digits", "fp32")):
        work(zoo, enqueue_reproduce(zoo, model, name=f"{model}-again"))
        assert compare_repetition(zoo, model, f"{model}-again").is_same
        assert told(zoo, get_revision(zoo, f"{model}-again"))["codes"]["precision"] == kept


@pytest.mark.parametrize("strategy", [Strategy.PARTIAL, Strategy.LP_FT])
def test_a_training_begins_at_such_a_probe(zoo, strategy):
    options = {"strategy": strategy, "precision": BF16, "overrides": Overrides(epochs=1)}
    fit(zoo, "tuned", **options)
    probe, trained = (get_revision(zoo, f"tuned:{ref}") for ref in ("probe", strategy.value))
    assert told(zoo, probe)["parity"]["pictures"] == 8
    training = told(zoo, trained)
    assert training["parity"]["pictures"] == training["metrics"]["val"]["accuracy"]["total"]
    assert training["codes"]["precision"] == "bf16"


@pytest.mark.parametrize(
    "options", [{"layer": "all"}, {"layer": "best"}, {"classifier": Classifier.SVM}]
)
def test_other_heads_are_fitted_and_proven_so_too(zoo, options):
    revision = fit(zoo, "other", precision=BF16, **options)
    assert told(zoo, revision)["parity"]["pictures"] == 8


def test_it_is_an_option_of_the_command_and_of_rest(zoo_cli, client):
    ran = zoo_cli("finetune", "lenet", "digits", "--name", "half", "--precision", "bf16", "--json")
    assert ran.code == 0, ran.err
    body = {"kind": "finetune", "model": "lenet", "dataset": "digits", "name": "queued"}
    queued = client.post("/v1/jobs", json=body | {"precision": "bf16"})
    assert queued.status_code == 202
    assert queued.json["params"]["precision"] == "bf16"
    assert client.post("/v1/jobs", json=body | {"precision": "int2"}).status_code == 400
