"""Advice over REST: a job whose result is what `zoo advise` prints."""

from dataclasses import replace

import pytest

from zoo.domain.access import Role
from zoo.domain.revision import Blob
from zoo.operations.accounts import find_caller, grant_role
from zoo.operations.advise import ALL_MODELS, enqueue_advise
from zoo.operations.fetch import get_revision
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("stocked")
BODY = {"model": "lenet:main", "dataset": "digits", "seed": 2}


def test_advice_is_a_job_whose_result_tells_the_scenario(client, work):
    answer = client.post("/v1/advice", json=BODY)
    assert (answer.status_code, answer.json["kind"]) == (202, "advise")
    lenet = client.get("/v1/models/lenet").json["head"]["id"]
    digits = client.get("/v1/datasets/digits").json["id"]
    asked = {"model": f"lenet@{lenet}", "dataset": f"digits@{digits}", "seed": 2}
    assert answer.json["params"] == asked
    again = client.post("/v1/advice", json=BODY)
    assert again.json["id"] == answer.json["id"]
    work()
    done = client.get(f"/v1/jobs/{answer.json['id']}").json
    assert done["state"] == "succeeded", done["error"]
    assert done["result"]["advised"]["strategy"] == "probe"
    assert 0 <= done["result"]["predicted"]["low"] <= done["result"]["predicted"]["high"] <= 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (BODY | {"model": "nothing"}, 404, "model_not_found"),
        (BODY | {"model": "lenet@" + "0" * 40}, 404, "revision_not_found"),
        ({"dataset": "nothing"}, 404, "dataset_not_found"),
        ({"model": "lenet"}, 400, "bad_request"),
        (BODY | {"seed": -1}, 400, "bad_request"),
        (BODY | {"layer": "fc"}, 400, "bad_request"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(client, body, status, code):
    answer = client.post("/v1/advice", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert client.get("/v1/jobs").json["jobs"][0]["kind"] != "advise"


def test_a_ranking_leaves_out_what_its_account_may_not_see(client, work, stocked):
    with open_zoo(read_settings(home=stocked)) as zoo:
        lenet = get_revision(zoo, "lenet")
        files = {
            one.path: Blob(digest=one.digest, size_bytes=one.size_bytes) for one in lenet.files
        }
        hidden = Publication(model="ada/hidden", files=files, message="x", is_private=True)
        publish(zoo, hidden)
        grant_role(zoo, "bob", "bob", Role.WRITE)
        with zoo.catalog.reading() as db:
            bob = find_caller(db, "bob")
        asked = enqueue_advise(replace(zoo, caller=bob), ALL_MODELS, "digits")
    work()
    result = client.get(f"/v1/jobs/{asked.id}").json["result"]
    told = {one["model"].partition("@")[0] for one in (*result["models"], *result["skipped"])}
    assert "lenet" in told
    assert "ada/hidden" not in told
