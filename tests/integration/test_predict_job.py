"""Predictions of a dataset as a job: cut off and gone on with, kept, summed up, cancelled."""

import csv
import io
import json

import pytest

from zoo.domain.job import JobState
from zoo.operations import failing, jobs, steering
from zoo.operations.answer_lines import Form
from zoo.operations.opening import open_zoo
from zoo.operations.predictions import enqueue_predictions
from zoo.operations.sweep import sweep
from zoo.settings import read_settings
from zoo.worker.finished import job_folder
from zoo.worker.progress import Progress
from zoo.worker.run import run

pytestmark = pytest.mark.usefixtures("stocked")
URL = "/v1/models/lenet-digits/predictions"


class Killed(BaseException):
    """Stands for a SIGKILL: nobody catches it, and nothing is written down."""


class ShortLife(Progress):
    """The voice of a process that is killed after so many pictures, or asked to stop."""

    def __init__(self, zoo, attempt, most, *, is_asked=False):
        super().__init__(zoo, attempt)
        self.most, self.is_asked = most, is_asked

    def count(self, step, message, done, total):
        if done >= self.most:
            if not self.is_asked:
                raise Killed
            self.stop.set()
        super().count(step, message, done, total)


@pytest.fixture
def zoo(home):
    with open_zoo(read_settings(home=home, grace_s=0)) as opened:
        yield opened


def finish(zoo, job):
    attempt = jobs.claim(zoo, worker="the test", number=job.id)
    run(zoo, Progress(zoo, attempt))
    return jobs.get_job(zoo, job.id)


def answers_of(client, number):
    answer = client.get(f"/v1/jobs/{number}/predictions")
    assert answer.status_code == 200
    return answer


def test_a_dataset_is_predicted_and_summed_up(client, work):
    asked = client.post(URL, json={"dataset": "digits", "split": "val", "top": 2})
    assert (asked.status_code, asked.json["kind"]) == (202, "predict")
    (done,) = work()
    assert done.state is JobState.SUCCEEDED
    answer = answers_of(client, done.id)
    rows = [json.loads(line) for line in answer.text.splitlines()]
    right = sum(row["truth"] == row["scores"][0]["label"] for row in rows)
    assert {len(row["scores"]) for row in rows} == {2}
    assert (done.result["pictures"], done.result["predicted"]) == (10, 10) == (len(rows), len(rows))
    assert (done.result["accuracy"]["right"], done.result["accuracy"]["total"]) == (right, 10)
    assert sum(done.result["classes"].values()) == 10
    assert answer.headers["ETag"] == f'"{done.result["digest"]}"'
    assert "predictions.jsonl" in answer.headers["Content-Disposition"]


def test_a_job_and_the_command_write_the_same(client, work, zoo_cli):
    for form in ("csv", "jsonl"):
        client.post(URL, json={"dataset": "digits", "form": form})
        (done,) = work()
        ran = zoo_cli("predict", "lenet-digits", "--dataset", "digits", f"--{form}", "-")
        assert answers_of(client, done.id).text == ran.out


@pytest.mark.parametrize("is_asked", [True, False], ids=["stopped", "killed"])
@pytest.mark.parametrize("form", list(Form))
def test_what_was_cut_off_goes_on_to_the_same_bytes(zoo, is_asked, form):
    undisturbed = finish(zoo, enqueue_predictions(zoo, "lenet-digits", "digits", form=form))
    job = enqueue_predictions(zoo, "lenet-digits", "digits", form=form)
    assert job.id != undisturbed.id
    attempt = jobs.claim(zoo, worker="the test", number=job.id)
    short = ShortLife(zoo, attempt, 17, is_asked=is_asked)
    if is_asked:
        run(zoo, short)
    else:
        with pytest.raises(Killed):
            run(zoo, short)
        failing.lose(zoo, attempt)
        lines = job_folder(zoo.predictions_folder, job) / "1" / "lines"
        lines.write_bytes(lines.read_bytes()[:-9])
    assert jobs.get_job(zoo, job.id).state is JobState.QUEUED
    done = finish(zoo, job)
    assert done.result == undisturbed.result
    said = [event.message for event in jobs.get_job(zoo, job.id).events]
    assert f"going on after {17 if is_asked else 16} pictures" in said
    assert not (job_folder(zoo.predictions_folder, job)).exists()


def test_an_attempt_that_does_not_know_of_its_end_writes_no_lines_of_its_successor(zoo):
    job = enqueue_predictions(zoo, "lenet-digits", "digits")
    first = jobs.claim(zoo, worker="the first", number=job.id)
    with pytest.raises(Killed):
        run(zoo, ShortLife(zoo, first, 9))
    failing.lose(zoo, first)
    stale = job_folder(zoo.predictions_folder, job) / "1" / "lines"
    second = jobs.claim(zoo, worker="the second", number=job.id)
    with pytest.raises(Killed):
        run(zoo, ShortLife(zoo, second, 20))
    with stale.open("a") as lines:
        lines.write("what a stale process writes\n")
    failing.lose(zoo, second)
    done = finish(zoo, job)
    assert (done.state, done.result["pictures"]) == (JobState.SUCCEEDED, 50)


def test_a_cancelled_job_leaves_nothing(zoo):
    job = enqueue_predictions(zoo, "lenet-digits", "digits")
    attempt = jobs.claim(zoo, worker="the test", number=job.id)
    with pytest.raises(Killed):
        run(zoo, ShortLife(zoo, attempt, 9))
    steering.cancel(zoo, job.id)
    assert (job_folder(zoo.predictions_folder, job)).exists()
    finish(zoo, enqueue_predictions(zoo, "lenet-digits", "digits", top=1))
    assert list(zoo.predictions_folder.glob("*")) == []


def test_a_sweep_leaves_the_answers(zoo, client):
    done = finish(zoo, enqueue_predictions(zoo, "lenet-digits", "digits"))
    sweep(zoo)
    assert len(answers_of(client, done.id).text.splitlines()) == 50


def test_the_command_runs_the_job_and_writes_its_answers(zoo_cli, tmp_path):
    ask = ("predict", "lenet-digits", "--dataset", "digits", "--split", "val", "--job")
    ran = zoo_cli(*ask, "--csv", tmp_path / "out.csv")
    assert ran.code == 0
    assert "10 predicted, 0 unreadable" in ran.out
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 10
    assert rows[0]["truth"] in "56789"
    told = zoo_cli(*ask, "--json").json
    assert zoo_cli("jobs", "predictions", told["job"], "-o", tmp_path / "more").code == 0
    lines = (tmp_path / "more").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["picture"] for line in lines] == [row["picture"] for row in rows]
    again = zoo_cli("jobs", "predictions", told["job"], "-o", tmp_path / "more")
    assert (again.code, "exists already" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("model", "change", "status", "code"),
    [
        ("nothing", {}, 404, "model_not_found"),
        ("lenet-digits", {"dataset": "nothing"}, 404, "dataset_not_found"),
        ("lenet-digits", {"split": "test"}, 422, "empty_dataset"),
        ("lenet-digits", {"split": "most"}, 400, "bad_request"),
        ("lenet-digits", {"top": 0}, 400, "bad_request"),
        ("lenet-digits", {"form": "xml"}, 400, "bad_request"),
        ("lenet-digits", {"colour": "red"}, 400, "bad_request"),
    ],
)
def test_what_cannot_be_is_refused_at_once(client, model, change, status, code):
    answer = client.post(f"/v1/models/{model}/predictions", json={"dataset": "digits"} | change)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert client.get("/v1/jobs?limit=1").json["jobs"][0]["kind"] != "predict"


def test_a_model_without_a_graph_is_refused_at_once(client, upload):
    upload("plain", ("README.md", b"# plain"))
    answer = client.post("/v1/models/plain/predictions", json={"dataset": "digits"})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_runnable")


def test_there_are_no_answers_before_the_end_nor_of_other_jobs(client):
    job = client.post(URL, json={"dataset": "digits"}).json["id"]
    answer = client.get(f"/v1/jobs/{job}/predictions")
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "conflict")
    first = client.get("/v1/jobs/1/predictions")
    assert (first.status_code, first.json["error"]["code"]) == (404, "file_not_found")
    assert client.get("/v1/jobs/99/predictions").status_code == 404


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.png", "--job"], "give --dataset too"),
        (["--dataset", "digits", "--job", "--strict"], "not for --job"),
        (["--dataset", "digits", "--job", "--threshold", "0.5"], "not for --job"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told(zoo_cli, arguments, told):
    ran = zoo_cli("predict", "lenet-digits", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_answers_are_text_that_tables_read(client, work):
    client.post(URL, json={"dataset": "digits", "form": "csv", "top": 100})
    (done,) = work()
    rows = list(csv.DictReader(io.StringIO(answers_of(client, done.id).text)))
    assert sum(float(rows[0][f"probability_{place}"]) for place in range(1, 6)) == pytest.approx(
        1, abs=1e-4
    )
