"""The queue over REST: order, dependencies, pauses, reruns; jobs are run in this process."""

import pytest

pytestmark = pytest.mark.usefixtures("stocked")
BODY = {"model": "lenet", "dataset": "digits", "name": "mine"}


@pytest.fixture
def job(client):
    return client.post("/v1/jobs", json=BODY).json


def test_a_job_is_queued_on_terms(client, job):
    terms = {"priority": -3, "after": [job["id"]], "threads": 1, "memory_bytes": 2**30}
    later = client.post("/v1/jobs", json=BODY | {"seed": 2} | terms).json
    assert {name: later[name] for name in terms} == terms
    assert later["state"] == "waiting"


@pytest.mark.parametrize(
    ("terms", "status", "code"),
    [
        ({"after": [99]}, 404, "job_not_found"),
        ({"after": [0]}, 400, "bad_request"),
        ({"after": list(range(1, 200))}, 400, "bad_request"),
        ({"priority": 101}, 400, "bad_request"),
        ({"threads": 0}, 400, "bad_request"),
        ({"memory_bytes": -1}, 400, "bad_request"),
    ],
)
def test_terms_that_cannot_be_are_refused(client, terms, status, code):
    answer = client.post("/v1/jobs", json=BODY | terms)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)


def test_a_chain_is_asked_for_at_once_and_runs_to_its_end(client, work, job):
    tuned = f"job:{job['id']}"
    fewer = client.post(f"/v1/models/{tuned}/quantize", json={"dataset": "digits", "gate": 100})
    assert (fewer.status_code, fewer.json["after"]) == (202, [job["id"]])
    alias = client.post(
        f"/v1/models/job:{fewer.json['id']}/aliases", json={"alias": "production"}
    ).json
    assert [done.state for done in work()] == ["succeeded"] * 3
    done = client.get(f"/v1/jobs/{alias['id']}").json
    assert done["result"]["alias"] == "production"
    refs = {ref["name"]: ref["revision"] for ref in client.get("/v1/models/mine/refs").json["refs"]}
    assert refs["production"] == refs["int8"] != refs["main"]


def test_what_comes_after_a_failure_names_it(app, client, work, job):
    alias = client.post(f"/v1/models/job:{job['id']}/aliases", json={"alias": "best"}).json
    files = client.get("/v1/models/lenet").json["head"]["files"]
    (weights,) = [file for file in files if file["path"] == "model.safetensors"]
    app.extensions["zoo"].blobs.delete(weights["digest"])
    work()
    failed = client.get(f"/v1/jobs/{alias['id']}").json
    assert failed["state"] == "failed"
    assert failed["error"]["error"]["code"] == "earlier_job_failed"
    assert f"Job {job['id']}, " in failed["error"]["error"]["message"]


def test_a_job_is_ordered_put_aside_resumed_and_cancelled(client, work, job):
    url = f"/v1/jobs/{job['id']}"
    assert client.patch(url, json={"priority": 7}).json["priority"] == 7
    assert client.patch(url, json={"priority": 700}).status_code == 400
    assert client.post(f"{url}/pause").json["state"] == "paused"
    assert work() == []
    assert client.post(f"{url}/resume").json["state"] == "queued"
    assert [done.state for done in work()] == ["succeeded"]
    attempt = client.get(url).json["attempts"][0]
    assert (attempt["number"], attempt["worker"], attempt["outcome"]) == (
        1,
        "the test",
        "succeeded",
    )


def test_a_job_is_run_again_with_changes(client, work, job):
    work()
    url = f"/v1/jobs/{job['id']}/rerun"
    again = client.post(url, json={"changes": {"seed": 9, "strategy": "zero-shot"}})
    assert again.status_code == 202
    assert again.json["rerun_of"] == job["id"]
    assert (again.json["params"]["seed"], again.json["params"]["strategy"]) == (9, "zero-shot")
    assert again.json["params"]["model"] == job["params"]["model"]
    longer = client.post(url, json={"changes": {"strategy": "full", "epochs": 2, "lr": 0.5}}).json
    assert longer["params"]["training"] == {"epochs": 2, "lr": 0.5}
    for changes, status in (({"colour": "red"}, 422), ({"epochs": 0}, 422), ({"epochs": []}, 400)):
        assert client.post(url, json={"changes": changes}).status_code == status
    assert client.post(url, json={}).json["params"] == job["params"]


def test_devices_are_gpus_where_there_are_any(client):
    body = BODY | {"strategy": "full", "devices": 2}
    assert client.post("/v1/jobs", json=body).json["gpus"] == 2


def test_other_terms_for_what_is_queued_already_are_refused_with_its_number(client):
    body = {"model": "lenet", "dataset": "digits", "name": "twice"}
    job = client.post("/v1/jobs", json=body | {"threads": 1}).json
    for terms in ({"threads": 2}, {"priority": -3}, {"after": [job["id"]]}):
        answer = client.post("/v1/jobs", json=body | terms)
        assert answer.status_code == 409
        told = answer.json["error"]
        assert f"Job {job['id']} " in told["message"]
        assert next(iter(terms)) in told["message"]
        assert f" {job['id']}" in told["hint"]
    client.patch(f"/v1/jobs/{job['id']}", json={"priority": -4})
    assert client.post("/v1/jobs", json=body | {"priority": 0}).status_code == 409
    again = client.post("/v1/jobs", json=body)
    assert (again.status_code, again.json["id"], again.json["threads"]) == (202, job["id"], 1)


def test_jobs_are_listed_by_what_they_work_on(client):
    body = {"model": "lenet", "dataset": "digits"}
    first, other = (
        client.post("/v1/jobs", json=body | {"name": name}).json for name in ("one", "other")
    )
    wish = {"kind": "finetune", "model": first["params"]["model"], "dataset": "nothing"}
    assert client.get("/v1/jobs", query_string=wish).json["jobs"] == []
    wish["dataset"] = first["params"]["dataset"]
    found = client.get("/v1/jobs", query_string=wish).json["jobs"]
    assert [one["id"] for one in found[:2]] == [other["id"], first["id"]]
    older = client.get("/v1/jobs", query_string=wish | {"before": other["id"]}).json["jobs"]
    assert older == found[1:]
    assert client.get("/v1/jobs?kind=nothing").status_code == 400
