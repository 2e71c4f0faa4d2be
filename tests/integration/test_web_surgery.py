"""Surgeries over REST: queued as jobs, refused with the reason."""

import pytest

pytestmark = pytest.mark.usefixtures("stocked")


def ask(client, path, body):
    return client.post(f"/v1/models/{path}", json=body)


def test_a_model_is_made_dense_by_a_job(client, work):
    answer = ask(client, "lenet/dense", {"pads": "remove", "border_px": 2, "check": [[45, 40]]})
    assert answer.status_code == 202
    assert answer.json["kind"] == "surgery"
    assert answer.json["params"]["surgery"] == {
        "kind": "convolutionalize",
        "shape": [1, 28, 28],
        "pads": "remove",
        "border_px": 2,
    }
    (done,) = work()
    assert done.state == "succeeded"
    revision = client.get("/v1/models/lenet-dense").json["head"]
    assert revision["summary"]["runs"] == "dense"
    assert "dense.json" in {file["path"] for file in revision["files"]}


def test_the_same_request_gives_the_same_job(client):
    first, again = (ask(client, "lenet/dense", {}) for _ in range(2))
    assert first.json["id"] == again.json["id"]


@pytest.mark.parametrize(
    ("surgery", "name"),
    [
        ({"kind": "cut", "at": "ip1"}, "lenet-ip1"),
        ({"kind": "replace_head", "classes": 2}, "lenet-2-classes"),
        ({"kind": "replace_head", "classes": 2, "at": "ip2"}, "lenet-2-classes"),
        ({"kind": "fold_batch_norm"}, "lenet-folded"),
    ],
)
def test_other_surgeries_are_queued(client, surgery, name):
    answer = ask(client, "lenet:main/surgeries", {"surgery": surgery})
    assert answer.status_code == 202
    assert answer.json["params"]["name"] == name


def test_labels_and_name_are_taken(client, work):
    body = {
        "surgery": {"kind": "replace_head", "classes": 2},
        "labels": ["ant", "bee"],
        "name": "owner/insects",
    }
    assert ask(client, "lenet/surgeries", body).status_code == 202
    work()
    assert client.get("/v1/models/owner/insects").json["head"]["summary"]["classes"] == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("nothing/dense", {}, 404, "model_not_found"),
        ("lenet/dense", {"pads": "some"}, 400, "bad_request"),
        ("lenet/dense", {"border_px": -1}, 400, "bad_request"),
        ("lenet/dense", {"border": 1}, 400, "bad_request"),
        ("lenet/dense", {"check": [[1, 2, 3]]}, 400, "bad_request"),
        ("lenet/dense", {"check": [[0, 2]]}, 400, "bad_request"),
        ("lenet/dense", {"check": [[5000, 5000]]}, 422, "invalid"),
        ("lenet/dense", {"name": "a/b/c"}, 422, "bad_name"),
        ("lenet/surgeries", {}, 400, "bad_request"),
        ("lenet/surgeries", {"surgery": {"kind": "dissect"}}, 400, "bad_request"),
        ("lenet/surgeries", {"surgery": {"kind": "cut"}}, 400, "bad_request"),
        ("lenet/surgeries", {"surgery": {"kind": "cut", "at": ""}}, 400, "bad_request"),
        (
            "lenet/surgeries",
            {"surgery": {"kind": "replace_head", "classes": 2}, "labels": ["a"]},
            422,
            "invalid",
        ),
        (
            "lenet/surgeries",
            {"surgery": {"kind": "cut", "at": "ip1"}, "labels": ["a"]},
            422,
            "invalid",
        ),
    ],
)
def test_what_cannot_be_is_refused(client, path, body, status, code):
    answer = ask(client, path, body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert answer.json["error"]["hint"]


def test_a_layer_that_is_not_there_is_refused_with_near_names(client):
    before = client.get("/v1/jobs").json
    for surgery in (
        {"kind": "cut", "at": "ip3"},
        {"kind": "replace_head", "classes": 2, "at": "ip3"},
        {"kind": "replace_head", "classes": 2, "also": ["ip3"]},
    ):
        answer = ask(client, "lenet/surgeries", {"surgery": surgery})
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "layer_not_found")
        assert "ip2" in answer.json["error"]["hint"]
    assert client.get("/v1/jobs").json == before
