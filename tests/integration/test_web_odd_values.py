"""Values that one database takes and another does not are refused alike over both."""

import json

import pytest

from zoo.operations.publish import Publication, publish

NAME, HUB = "lab/net", "/api/models/lab/net"
# Every view is behind one gate; those here asked PostgreSQL for what it was given.
ADDRESSES = [
    ("GET", "/api/models?cursor=a%00"),
    ("GET", "/api/models?author=a%00"),
    ("GET", "/api/models?sort=downloads&cursor=1:%00"),
    ("GET", f"{HUB}/commits/main?cursor=%00"),
    ("DELETE", f"{HUB}/branch/x%00"),
    ("POST", f"{HUB}/tag/x%00"),
    ("DELETE", "/v1/models/lab/net/refs/x%00"),
    ("PATCH", "/v1/models/lab/net/refs/x%00"),
    ("PUT", "/v1/accounts/ada%00/roles"),
    ("PATCH", "/v1/models/lab/net%00"),
]
BODIES = [
    (f"{HUB}/branch/b", {"startingPoint": "\0"}),
    (f"{HUB}/branch/b", {"startingPoint": "\ud800"}),
    (f"{HUB}/tag/main", {"tag": "a\0"}),
    ("/api/repos/create", {"name": "a\0", "organization": "lab"}),
    ("/api/repos/move", {"fromRepo": "lab/a\0", "toRepo": "lab/b"}),
    (f"{HUB}/preupload/main", {"files": [{"path": "a\0", "size": 1}]}),
]


@pytest.fixture
def client(make_app, catalog_url):
    app = make_app(database_url=catalog_url)
    publish(app.extensions["zoo"], Publication(model=NAME, files={}, message="first"))
    return app.test_client()


def test_a_nul_in_an_address_is_refused(client):
    for method, path in ADDRESSES:
        answer = client.open(path, method=method, json={} if method != "GET" else None)
        assert answer.status_code == 400, (method, path, answer.text)


def test_a_nul_or_half_a_letter_in_a_body_is_refused(client):
    for path, body in BODIES:
        assert client.post(path, json=body).status_code == 400, (path, body)


@pytest.mark.parametrize("oid", ["\0", "a", "\ud800", None, "G" * 64, f"{'a' * 64}\n"])
def test_a_file_of_a_commit_is_named_by_its_sha256(client, oid):
    header = {"key": "header", "value": {"summary": "x"}}
    file = {"key": "lfsFile", "value": {"path": "z", "algo": "sha256", "oid": oid}}
    data = f"{json.dumps(header)}\n{json.dumps(file)}"
    assert client.post(f"{HUB}/commit/main", data=data).status_code == 400


def test_a_summary_of_half_letters_is_refused(client):
    body = {"files": {}, "summary": {"architecture": "\ud800"}}
    answer = client.put(f"/v1/models/lab/net/revisions/{'0' * 40}", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30], ids=["2^31", "2^63", "10^30"])
def test_a_number_that_no_row_has_is_no_fault(client, number):
    assert client.get(f"/v1/audit?before={number}").json["entries"]
    assert client.get(f"/audit?before={number}").status_code == 200
    assert client.delete(f"/v1/tokens/{number}").status_code == 404
