"""`zoo quantize`: what stays within the gate is published, and what does not is told."""

import json

import pytest

from zoo.domain.config import GRAPH, QUANTIZATION, WEIGHTS
from zoo.domain.dataset import Split
from zoo.domain.job import JobState
from zoo.domain.quantization import SETTINGS, Precision
from zoo.errors import ClassesDiffer, Invalid
from zoo.operations import jobs
from zoo.operations.datasets import get_dataset
from zoo.operations.evaluate import evaluate
from zoo.operations.fetch import get_file, get_model, get_revision
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.quantize import QuantizeOptions, enqueue_quantize
from zoo.operations.surgery import DenseOptions, enqueue_dense
from zoo.settings import read_settings
from zoo.training.metrics import Comparison, fall_interval
from zoo.worker.progress import Progress
from zoo.worker.quantize import draw_pictures
from zoo.worker.run import run
from zoo.worker.verify import verify

pytestmark = pytest.mark.usefixtures("stocked")

MODEL, DATASET = "lenet-digits", "digits"


@pytest.fixture
def zoo(home):
    with open_zoo(read_settings(home=home)) as opened:
        yield opened


def work(zoo, job):
    attempt = jobs.claim(zoo, worker="the test", number=job.id)
    run(zoo, Progress(zoo, attempt))
    return jobs.get_job(zoo, job.id)


def quantize(zoo, model=MODEL, **options):
    return work(zoo, enqueue_quantize(zoo, model, DATASET, QuantizeOptions(**options)))


def read(zoo, revision):
    return json.loads(get_file(zoo, revision, QUANTIZATION)[1].read_bytes())


@pytest.mark.parametrize("precision", list(Precision))
def test_a_graph_of_fewer_bits_is_a_revision_under_a_ref_of_its_own(zoo, precision):
    before = get_revision(zoo, MODEL)
    done = quantize(zoo, precision=precision, gate_points=100)
    assert done.state is JobState.SUCCEEDED, done.error
    made = get_revision(zoo, f"{MODEL}:{precision.value}")
    assert done.result["revision"] == made.address
    assert made.parent == before.address
    assert get_revision(zoo, MODEL) == before  # main stays
    assert made.find_file(WEIGHTS) == before.find_file(WEIGHTS)
    assert made.find_file(GRAPH).size_bytes < 0.6 * before.find_file(GRAPH).size_bytes
    told = read(zoo, made)
    assert told["parent"] == before.address
    assert told["graph_made_of"] == before.find_file(GRAPH).digest
    assert told["size_bytes"]["after"] == made.find_file(GRAPH).size_bytes
    found = evaluate(zoo, made.address, DATASET, Split.VAL).metrics.accuracy
    assert told["accuracy"]["right"] == found.right == done.result["accuracy"]["right"]
    whole = evaluate(zoo, before.address, DATASET, Split.VAL).metrics.accuracy
    assert told["accuracy_before"]["right"] == whole.right
    checks = {check.name: check for check in verify(zoo, made)}
    assert "the same bytes" in checks["weights = onnx"].found
    assert all(check.is_sound for check in checks.values())


@pytest.mark.parametrize("layout", [0, 1])
def test_a_graph_laid_out_otherwise_is_not_held_against_it(zoo, monkeypatch, layout):
    quantize(zoo, gate_points=100)
    made = get_revision(zoo, f"{MODEL}:int8")
    monkeypatch.setattr("zoo.worker.requantized.write_int8", lambda *_: b"another")
    monkeypatch.setattr("zoo.worker.requantized.LAYOUT", read(zoo, made)["layout"] + layout)
    check = {check.name: check for check in verify(zoo, made)}["weights = onnx"]
    assert check.is_sound is (layout > 0)
    assert ("not compared" in check.found) is (layout > 0)


def test_the_same_request_gives_the_same_graph(zoo):
    first, second = (quantize(zoo, gate_points=100, seed=3, pictures=7) for _ in range(2))
    digests = {
        get_revision(zoo, done.result["revision"]).find_file(GRAPH).digest
        for done in (first, second)
    }
    assert first.id != second.id
    assert len(digests) == 1
    told = read(zoo, get_revision(zoo, second.result["revision"]))
    assert told["calibration"]["pictures"] == 7
    assert told["calibration"]["seed"] == 3


def test_ranges_are_measured_on_training_pictures_alone(zoo):
    dataset = get_dataset(zoo, DATASET)
    drawn = draw_pictures(dataset, 9, seed=1)
    assert len(set(drawn)) == 9
    assert {picture.split for picture in drawn} == {Split.TRAIN}
    assert drawn == draw_pictures(dataset, 9, seed=1) != draw_pictures(dataset, 9, seed=2)
    assert len(draw_pictures(dataset, 10**6, seed=1)) == len(dataset.of_split(Split.TRAIN))


def test_nothing_is_published_beyond_the_gate_and_every_try_is_told(zoo, monkeypatch):
    monkeypatch.setattr("zoo.worker.quantized.Try.is_within", lambda *_: False)
    done = quantize(zoo)
    assert done.state is JobState.FAILED
    error = done.error["error"]
    assert error["code"] == "gate_missed"
    assert "nothing was published" in error["message"]
    assert [one["setting"] for one in error["detail"]["tried"]] == [
        setting.as_json() for setting in SETTINGS
    ]
    assert "int8" not in get_model(zoo, MODEL).refs
    told = [event.message for event in done.events]
    assert all(any(str(setting) in message for message in told) for setting in SETTINGS)


def test_whether_a_fine_tune_weighed_its_classes_goes_along(zoo):
    quantize(zoo, gate_points=100)
    assert "balanced" not in get_revision(zoo, f"{MODEL}:int8").summary
    before = get_revision(zoo, MODEL)
    files = {file.path: file for file in before.files}
    summary = before.summary | {"balanced": True}
    publish(zoo, Publication(model="weighed", files=files, message="", summary=summary))
    quantize(zoo, "weighed", gate_points=100)
    assert get_revision(zoo, "weighed:int8").summary["balanced"] is True
    done = work(zoo, enqueue_dense(zoo, "weighed", DenseOptions()))
    assert get_revision(zoo, done.result["revision"]).summary["balanced"] is True


def test_a_tampered_graph_is_found(zoo):
    quantize(zoo, gate_points=100)
    made = get_revision(zoo, f"{MODEL}:int8")
    graph = get_file(zoo, made, GRAPH)[1].read_bytes()
    files = {file.path: file for file in made.files}
    files[GRAPH] = zoo.blobs.put([graph.replace(b"\x05", b"\x06", 40)])
    other = publish(zoo, Publication(model="tampered", files=files, message="changed"))
    checks = {check.name: check for check in verify(zoo, other)}
    assert not checks["weights = onnx"].is_sound


def test_a_name_makes_a_model_of_its_own(zoo):
    quantize(zoo, gate_points=100, name="small")
    made = get_revision(zoo, "small")
    assert get_model(zoo, "small").refs == {"main": made.id, "int8": made.id}
    assert "int8" not in get_model(zoo, MODEL).refs


def test_what_cannot_be_done_is_refused_before_a_job_is_queued(zoo):
    quantize(zoo, gate_points=100)
    with pytest.raises(Invalid, match="fewer bits already"):
        enqueue_quantize(zoo, f"{MODEL}:int8", DATASET)
    with pytest.raises(ClassesDiffer):
        enqueue_quantize(zoo, "lenet", DATASET)
    with pytest.raises(Invalid, match="gate"):
        enqueue_quantize(zoo, MODEL, DATASET, QuantizeOptions(gate_points=float("nan")))
    with pytest.raises(Invalid, match="pictures"):
        enqueue_quantize(zoo, MODEL, DATASET, QuantizeOptions(pictures=0))


def test_over_rest_it_is_a_job_like_the_others(client, work):
    path = f"/v1/models/{MODEL}/quantize"
    asked = {"dataset": DATASET, "gate": 100, "pictures": 5}
    job = client.post(path, json=asked)
    assert job.status_code == 202
    assert client.post(path, json=asked).json["id"] == job.json["id"]
    (done,) = work()
    assert done.state is JobState.SUCCEEDED
    refs = client.get(f"/v1/models/{MODEL}").json["refs"]
    assert done.result["revision"] == f"{MODEL}@{refs['int8']}"
    assert client.post(path, json=asked | {"gate": -1}).status_code == 400
    assert client.post(path, json=asked | {"precision": "int4"}).status_code == 400
    assert client.post(path, json=asked | {"dataset": "nothing"}).status_code == 404


@pytest.mark.parametrize("is_within", [True, False])
def test_a_fine_tune_may_end_with_8_bits_and_succeeds_without_them(zoo, monkeypatch, is_within):
    monkeypatch.setattr("zoo.worker.quantized.Try.is_within", lambda *_: is_within)
    done = work(zoo, enqueue_finetune(zoo, "lenet", DATASET, name="tuned", int8=True))
    assert done.state is JobState.SUCCEEDED, done.error
    made = get_model(zoo, "tuned")
    assert done.result["revision"] == f"tuned@{made.refs['main']}"
    told = done.result["int8"]
    if is_within:
        assert told["revision"] == f"tuned@{made.refs['int8']}"
        assert get_revision(zoo, "tuned:int8").parent == done.result["revision"]
    else:
        assert told["error"]["code"] == "gate_missed"
        assert "int8" not in made.refs


def test_at_the_terminal_it_says_what_came_of_it_and_what_did_not(zoo_cli):
    ran = zoo_cli("quantize", MODEL, DATASET, "--gate", "100")
    assert ran.code == 0, ran.err
    assert f"{MODEL}:int8  accuracy" in ran.out
    assert "CPU ms a picture on 1 thread, " in ran.out
    told = zoo_cli("quantize", MODEL, DATASET, "--gate", "100", "--to", "fp16", "--json").json
    assert told["precision"] == "fp16"
    queued = zoo_cli("quantize", MODEL, DATASET, "--seed", "1", "--detach", "--json").json
    assert zoo_cli("jobs", "show", str(queued["job"]), "--json").json["kind"] == "quantize"
    assert zoo_cli("quantize", MODEL, "nothing").code == 3
    assert zoo_cli("quantize", f"{MODEL}:int8", DATASET).code == 1


def test_the_interval_of_a_loss_holds_the_loss_and_narrows_with_pictures():
    low, high = fall_interval(Comparison(both=90, only_first=6, only_second=1, neither=3, p=1))
    assert low < 0.05 < high
    # Agresti and Min 2005, their formula worked out by hand: (6 - 1) / 102 +- 1.96 * se.
    assert (low, high) == pytest.approx((-0.00434, 0.10238), abs=2e-4)
    more = fall_interval(Comparison(both=9000, only_first=600, only_second=100, neither=300, p=1))
    assert more[1] - more[0] < (high - low) / 5
