"""Quotas at the doors: one error, 413, which clients of the Hub are told in a header too."""

import json

import pytest


@pytest.fixture
def bounded(client):
    """The model lab/net, whose owner may have 10 bytes."""
    client.post("/api/repos/create", json={"name": "net", "organization": "lab"})
    made = client.put("/v1/quotas", json={"owner": "lab", "most_bytes": 10})
    assert made.json["quota"] == {"most_bytes": 10, "most_models": None, "most_revisions": None}


def check(answer):
    assert answer.status_code == 413
    told = answer.json["error"]
    text = told if isinstance(told, str) else told["message"]
    assert "may have 10 bytes, has 0, and this would add 11" in text


@pytest.mark.usefixtures("bounded")
def test_every_door_refuses_what_is_beyond_the_quota(client, upload, sha256):
    data = b"x" * 11
    digest = sha256(data)
    check(upload("lab/net", ("a.txt", data)))
    check(client.put(f"/v1/models/lab/net/uploads/{digest}?size_bytes=11&offset=0", data=data))
    objects = {"operation": "upload", "objects": [{"oid": digest, "size": 11}]}
    check(client.post("/lab/net.git/info/lfs/objects/batch", json=objects))
    lines = [
        {"key": "header", "value": {"summary": "more"}},
        {"key": "file", "value": {"path": "a", "content": "x" * 11, "encoding": "utf-8"}},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    answer = client.post("/api/models/lab/net/commit/main", data=body)
    check(answer)
    assert "10 bytes" in answer.headers["X-Error-Message"]
    assert client.get("/v1/models/lab/net").json["head"]["files"] == []


@pytest.mark.usefixtures("bounded")
def test_quotas_are_told_and_taken_back(client, zoo_cli):
    told = client.get("/v1/quotas").json["owners"]
    assert [(one["owner"], one["models"], one["revisions"]) for one in told] == [("lab", 1, 1)]
    assert zoo_cli("accounts", "usage", "--json").json == told
    assert (
        "lab: 0 B of 5 B, 1 of any models" in zoo_cli("accounts", "quota", "lab", "--bytes", 5).out
    )
    assert zoo_cli("accounts", "quota", "lab", "--bytes", 5, "--default").code == 2
    default = client.put("/v1/quotas", json={"owner": "lab", "is_default": True}).json["quota"]
    assert set(default.values()) == {None}
    assert client.put("/v1/quotas", json={"owner": "../x"}).status_code == 422
