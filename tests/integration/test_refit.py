"""A probe on a body that is known is fitted without torch, and is the same to the byte."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.domain.job import JobState
from zoo.domain.plan import Classifier
from zoo.operations import jobs
from zoo.operations.datasets import add_dataset
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.serving.predictor import Opening, open_session
from zoo.settings import read_settings
from zoo.worker.progress import Progress
from zoo.worker.run import run

pytestmark = pytest.mark.usefixtures("stocked")
SAME = ("model.onnx", "model.safetensors", "layers.json", "config.json")


@pytest.fixture
def zoo(home):
    with open_zoo(read_settings(home=home)) as opened:
        yield opened


def fit(zoo, name, *, dataset="digits", **options):
    """Fine-tune lenet and give the revision."""
    job = enqueue_finetune(zoo, "lenet", dataset, name=name, **options)
    run(zoo, Progress(zoo, jobs.claim(zoo, worker="the test", number=job.id)))
    done = jobs.get_job(zoo, job.id)
    assert done.state is JobState.SUCCEEDED, done.error
    return get_revision(zoo, done.result["revision"])


def told(zoo, revision, path="training.json"):
    return json.loads(get_file(zoo, revision, path)[1].read_bytes())


def digests(revision):
    return {path: revision.find_file(path).digest for path in SAME}


def forget(home, kind):
    for path in (home / "cache" / kind).rglob("*.*"):
        path.unlink()


@pytest.mark.parametrize("layer", ["codes", "pool1"])
def test_what_is_fitted_to_kept_codes_is_what_torch_gives(zoo, anew, layer):
    first = fit(zoo, "first", layer=layer, classifier=Classifier.SVM)
    second = fit(zoo, "second", layer=layer)
    before = len(anew)
    third = fit(zoo, "third", layer=layer, classifier=Classifier.SVM)
    assert (before, len(anew)) == ((0, 0) if layer == "codes" else (1, 1))
    assert digests(third) == digests(first)
    assert digests(second)["model.onnx"] != digests(third)["model.onnx"]
    forget(zoo.settings.home, "bodies")
    again = fit(zoo, "again", layer=layer)
    assert anew[-1] == "again"
    assert digests(again) == digests(second)
    assert told(zoo, again)["metrics"] == told(zoo, second)["metrics"]
    assert told(zoo, again)["unchanged"] == told(zoo, second)["unchanged"]
    assert again.summary["parameters"] == second.summary["parameters"]
    assert [file.path for file in again.files] == [file.path for file in second.files]


def test_how_each_was_proven_is_told(zoo, anew):
    warm = fit(zoo, "warm")
    assert anew == []
    parity = told(zoo, warm, "parity.json")
    assert (parity["whole"], parity["top1_equal"]) == (8, parity["pictures"])
    card = get_file(zoo, warm, "README.md")[1].read_text()
    report = get_file(zoo, warm, "report.html")[1].read_text()
    assert "for 8 of them by the whole graph again" in card
    assert "8 of them by the whole graph" in report
    cold = get_revision(zoo, "lenet-digits")
    parity = told(zoo, cold, "parity.json")
    assert parity["whole"] == parity["pictures"] > 8
    assert "by the whole graph" not in get_file(zoo, cold, "README.md")[1].read_text()


@pytest.mark.parametrize("kind", ["bodies", "codes"])
def test_what_is_not_kept_is_computed(zoo, anew, home, kind):
    forget(home, kind)
    assert digests(fit(zoo, "fresh")) == digests(get_revision(zoo, "lenet-digits"))
    assert anew == ["fresh"]
    fit(zoo, "kept")
    assert anew == ["fresh"]


@pytest.mark.parametrize("path", ["model.onnx", "model.safetensors", "layers.json"])
@pytest.mark.parametrize("is_gone", [True, False])
def test_files_that_are_gone_or_damaged_are_made_again(zoo, anew, path, is_gone):
    blob = get_file(zoo, get_revision(zoo, "lenet-digits"), path)[1]
    blob.chmod(0o600)
    if is_gone:
        blob.unlink()
    else:
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.write_bytes(data)
    job = enqueue_finetune(zoo, "lenet", "digits", name="other")
    run(zoo, Progress(zoo, jobs.claim(zoo, worker="the test", number=job.id)))
    assert anew == ["other"]


def test_codes_of_another_network_are_found_out(zoo, anew, home):
    for path in (home / "cache" / "codes").rglob("*.npz"):
        with np.load(path) as shard:
            names, codes = shard["digests"], shard["codes"]
        np.savez(path, digests=names, codes=codes[::-1] * 2)
    job = enqueue_finetune(zoo, "lenet", "digits", name="other")
    run(zoo, Progress(zoo, jobs.claim(zoo, worker="the test", number=job.id)))
    done = jobs.get_job(zoo, job.id)
    assert any("computed anew" in event.message for event in done.events)
    assert anew == ["other"]
    assert done.state is JobState.FAILED  # torch's codes are those of the cache too
    assert done.error["error"]["code"] == "parity_broken"


def test_a_damaged_note_of_a_body_is_no_body(zoo, anew, home):
    (note,) = (home / "cache" / "bodies").glob("*.json")
    note.write_text(json.dumps({"version": 1, "body": {"weights": 3}}))
    fit(zoo, "other")
    assert anew == ["other"]


def test_the_same_pictures_under_other_names_get_their_own_labels(zoo, anew, digits, tmp_path):
    shutil.copytree(digits, tmp_path / "renamed")
    (tmp_path / "renamed" / "7").rename(tmp_path / "renamed" / "seven")
    add_dataset(zoo, tmp_path / "renamed")
    named = fit(zoo, "named", dataset="renamed", seed=5)
    opened = open_session(get_file(zoo, named, "model.onnx")[1], Opening(device="cpu"))
    assert anew == []
    assert opened.labels == tuple(told(zoo, named, "config.json")["label_names"])
    assert opened.labels[-1] == "seven"
    assert opened.metadata["zoo.weights"] == named.find_file("model.safetensors").digest
    assert told(zoo, named)["plan"]["seed"] == 5


def test_no_engine_of_training_is_imported():
    code = "import sys; sys.modules |= dict.fromkeys(['torch', 'sklearn', 'scipy']); "
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code + "import zoo.worker.fitting"], cwd=root, check=True)
