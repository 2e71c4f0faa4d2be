"""Advice over REST: a job whose result is what `zoo advise` prints."""

import pytest

pytestmark = pytest.mark.usefixtures("stocked")
BODY = {"dataset": "digits", "seed": 2}


def test_advice_is_a_job_whose_result_tells_the_scenario(client, work):
    answer = client.post("/v1/models/lenet:main/advice", json=BODY)
    assert (answer.status_code, answer.json["kind"]) == (202, "advise")
    lenet = client.get("/v1/models/lenet").json["head"]["id"]
    digits = client.get("/v1/datasets/digits").json["id"]
    asked = {"model": f"lenet@{lenet}", "dataset": f"digits@{digits}", "seed": 2}
    assert answer.json["params"] == asked
    again = client.post("/v1/models/lenet/advice", json=BODY)
    assert again.json["id"] == answer.json["id"]
    work()
    done = client.get(f"/v1/jobs/{answer.json['id']}").json
    assert done["state"] == "succeeded", done["error"]
    assert done["result"]["advised"]["strategy"] == "probe"
    assert 0 <= done["result"]["predicted"]["low"] <= done["result"]["predicted"]["high"] <= 1


@pytest.mark.parametrize(
    ("model", "body", "status", "code"),
    [
        ("nothing", BODY, 404, "model_not_found"),
        ("lenet@" + "0" * 40, BODY, 404, "revision_not_found"),
        ("lenet", {"dataset": "nothing"}, 404, "dataset_not_found"),
        ("lenet", {}, 400, "bad_request"),
        ("lenet", {"dataset": "digits", "seed": -1}, 400, "bad_request"),
        ("lenet", {"dataset": "digits", "layer": "fc"}, 400, "bad_request"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(client, model, body, status, code):
    answer = client.post(f"/v1/models/{model}/advice", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert client.get("/v1/jobs").json["jobs"][0]["kind"] != "advise"
