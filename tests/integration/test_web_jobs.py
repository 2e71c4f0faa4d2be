"""Jobs over REST, their bodies run in this process."""

import pytest

pytestmark = pytest.mark.usefixtures("stocked")
BODY = {"model": "lenet", "dataset": "digits", "seed": 7, "name": "mine"}


@pytest.fixture
def job(client):
    answer = client.post("/v1/jobs", json=BODY)
    assert answer.status_code == 202
    return answer.json


def test_a_job_waits_and_names_what_it_works_on_for_good(client, job):
    lenet = client.get("/v1/models/lenet").json["head"]["id"]
    digits = client.get("/v1/datasets/digits").json["id"]
    assert (job["state"], job["kind"], job["attempt"]) == ("queued", "finetune", 0)
    assert job["params"] == {
        "model": f"lenet@{lenet}",
        "dataset": f"digits@{digits}",
        "name": "mine",
        "seed": 7,
        "layer": "codes",
        "classifier": "logistic",
        "strategy": "probe",
        "training": {},
    }


def test_a_fine_tune_is_checked_without_being_queued(client):
    before = client.get("/v1/jobs").json
    answer = client.post("/v1/jobs/checks", json=BODY)
    assert answer.status_code == 200
    lenet = client.get("/v1/models/lenet").json["head"]["id"]
    assert answer.json["model"] == f"lenet@{lenet}"
    assert answer.json["name"] == "mine"
    wrong = BODY | {"strategy": "lp-ft", "freeze": "ip2"}
    for path in ("/v1/jobs/checks", "/v1/jobs"):
        answer = client.post(path, json=wrong)
        assert answer.status_code == 422
        assert answer.json["error"]["detail"] == {"option": "freeze", "layer": "ip2"}
    assert client.get("/v1/jobs").json == before


def test_a_job_takes_codes_where_it_is_told(client, work):
    answer = client.post("/v1/jobs", json=BODY | {"layer": "best", "classifier": "svm"})
    assert answer.json["params"]["layer"] == "best"
    work()
    assert client.get(f"/v1/jobs/{answer.json['id']}").json["state"] == "succeeded"
    assert client.post("/v1/jobs", json=BODY | {"classifier": "forest"}).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [{"layer": "pool9"}, {"strategy": "partial", "freeze": "pool9"}],
)
def test_a_layer_that_is_not_there_queues_nothing(client, wrong):
    before = client.get("/v1/jobs").json
    answer = client.post("/v1/jobs", json=BODY | wrong)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "layer_not_found")
    assert answer.json["error"]["detail"]["near"] == ["pool2", "pool1"]
    assert client.get("/v1/jobs").json == before


def test_a_job_ends_in_a_model_that_predicts(client, work, job, picture):
    work()
    done = client.get(f"/v1/jobs/{job['id']}").json
    assert done["state"] == "succeeded"
    assert done["result"]["accuracy"]["total"] == 10
    head = client.get("/v1/models/mine").json["head"]
    assert done["result"]["revision"] == f"mine@{head['id']}"
    assert head["job"] == job["id"]
    answer = client.post("/v1/models/mine/predict", data=picture.read_bytes())
    assert answer.json["predictions"][0]["scores"][0]["label"] == "7"


def test_parity_is_told_for_every_validation_picture(client, work, job):
    work()
    parity = client.get("/v1/models/mine/files/parity.json")
    assert parity.json["pictures"] == parity.json["top1_equal"] == 10
    assert parity.json["max_abs_difference"] <= 1e-4
    assert job["id"]


def test_the_same_job_is_not_queued_twice(client, job):
    assert client.post("/v1/jobs", json=BODY).json["id"] == job["id"]
    assert client.post("/v1/jobs", json=BODY | {"seed": 8}).json["id"] != job["id"]


def test_a_finished_job_can_be_asked_for_again(client, work, job):
    work()
    again = client.post("/v1/jobs", json=BODY).json
    assert again["id"] != job["id"]
    work()
    results = [client.get(f"/v1/jobs/{one['id']}").json["result"] for one in (job, again)]
    assert results[0]["accuracy"] == results[1]["accuracy"]


def test_events_already_seen_are_left_out(client, work, job):
    work()
    url = f"/v1/jobs/{job['id']}"
    events = client.get(url).json["events"]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert {"plan", "fit", "export"} <= {event["step"] for event in events}
    assert client.get(f"{url}?after=3").json["events"] == events[3:]
    assert client.get(f"{url}?after={len(events)}").json["events"] == []


def test_jobs_are_listed_the_newest_first(client, job):
    other = client.post("/v1/jobs", json=BODY | {"seed": 8}).json
    listed = client.get("/v1/jobs").json["jobs"]
    assert [one["id"] for one in listed[:2]] == [other["id"], job["id"]]
    assert len(client.get("/v1/jobs?limit=1").json["jobs"]) == 1


def test_a_cancelled_job_is_not_run(client, work, job):
    url = f"/v1/jobs/{job['id']}"
    assert client.post(f"{url}/cancel").json["state"] == "cancelled"
    assert work() == []
    assert client.get(url).json["state"] == "cancelled"
    assert client.get("/v1/models/mine").status_code == 404


def test_a_finished_job_stays_as_it_is_when_cancelled(client, work, job):
    work()
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json["state"] == "succeeded"


def test_a_job_that_fails_tells_why(app, client, work, job):
    zoo = app.extensions["zoo"]
    weights = next(
        file
        for file in client.get("/v1/models/lenet").json["head"]["files"]
        if file["path"] == "model.safetensors"
    )
    zoo.blobs.delete(weights["digest"])
    work()
    failed = client.get(f"/v1/jobs/{job['id']}").json
    assert failed["state"] == "failed"
    assert failed["error"]["error"]["code"] == "blob_not_found"
    assert weights["digest"] in failed["error"]["error"]["message"]
    assert client.get("/v1/models/mine").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "nothing"}, 404, "model_not_found"),
        ({"model": "lenet:nothing"}, 404, "revision_not_found"),
        ({"dataset": "nothing"}, 404, "dataset_not_found"),
        ({"name": "-"}, 422, "bad_name"),
        ({"seed": -1}, 400, "bad_request"),
        ({"kind": "dance"}, 400, "bad_request"),
        ({"colour": "red"}, 400, "bad_request"),
        ({"model": None}, 400, "bad_request"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_job_that_cannot_be_is_refused_at_once(client, change, status, code):
    before = client.get("/v1/jobs").json["jobs"]
    answer = client.post("/v1/jobs", json=BODY | change)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert client.get("/v1/jobs").json["jobs"] == before


def test_a_model_without_weights_cannot_be_fine_tuned(client, upload):
    upload("plain", ("README.md", b"# plain"))
    answer = client.post("/v1/jobs", json=BODY | {"model": "plain"})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_runnable")
