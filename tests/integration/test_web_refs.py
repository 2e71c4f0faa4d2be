"""Tags, aliases and what becomes of models, over REST and at the command line."""

import pytest

from zoo.operations.publish import Publication, publish, put_text


@pytest.fixture
def net(app):
    """The ids of two revisions of lab/net."""
    zoo = app.extensions["zoo"]
    return [
        publish(
            zoo, Publication(model="lab/net", files={"a": put_text(zoo, text)}, message=text)
        ).id
        for text in ("first", "second")
    ]


def test_refs_over_rest(client, net):
    at = "/v1/models/lab/net/refs"
    tagged = client.put(f"{at}/v1", json={"kind": "tag", "revision": net[0][:8]})
    assert (tagged.status_code, tagged.json["id"]) == (200, net[0])
    again = client.put(f"{at}/v1", json={"kind": "tag", "revision": "main"})
    assert again.json["error"]["code"] == "ref_exists"
    for target in net:
        moved = client.put(f"{at}/live/eu", json={"revision": target})
        assert moved.json["id"] == target
    told = client.get(at).json
    assert [(ref["name"], ref["kind"], ref["revision"]) for ref in told["refs"]] == [
        ("live/eu", "alias", net[1]),
        ("main", "branch", net[1]),
        ("v1", "tag", net[0]),
    ]
    assert [(move["ref"], move["old"]) for move in told["moves"]][:2] == [
        ("live/eu", net[0]),
        ("live/eu", None),
    ]
    assert client.patch(f"{at}/live/eu", json={"is_protected": True}).json["is_protected"]
    assert client.delete("/v1/models/lab/net").json["error"]["code"] == "still_needed"
    assert client.delete(f"{at}/live/eu").json["name"] == "live/eu"
    assert client.delete(f"{at}/main").json["error"]["code"] == "bad_name"
    assert client.delete(f"{at}/nothing").status_code == 404


def test_moves_come_in_pages(client, net):
    at = "/v1/models/lab/net/refs"
    for number in range(5):
        client.put(f"{at}/live", json={"revision": net[number % 2]})
    every = client.get(at).json
    assert (len(every["moves"]), every["next"]) == (7, None)
    found, query = [], ""
    while query is not None:
        told = client.get(f"{at}?limit=3{query}").json
        found.append(told["moves"])
        query = f"&before={told['next']}" if told["next"] else None
    assert [len(page) for page in found] == [3, 3, 1]
    assert [move for page in found for move in page] == every["moves"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"revision": 7},
        {"revision": "main", "kind": "branch"},
        {"revision": "main", "more": 1},
        {"revision": "a\x00b"},
    ],
    ids=range(5),
)
def test_a_ref_that_cannot_be_is_refused(client, net, body):
    del net
    assert client.put("/v1/models/lab/net/refs/x", json=body).status_code == 400


@pytest.mark.usefixtures("net")
def test_what_becomes_of_a_model_over_rest(client):
    assert client.patch("/v1/models/lab/net", json={"is_private": True}).json["is_private"]
    assert client.patch("/v1/models/lab/net", json={"name": "lab/new"}).json["name"] == "lab/new"
    assert client.get("/v1/models/lab/net").json["name"] == "lab/new"
    assert client.delete("/v1/models/lab/new").status_code == 200
    assert client.get("/v1/models/lab/net").status_code == 404
    back = client.patch("/v1/models/lab/new", json={"is_deleted": False, "is_private": False})
    assert (back.status_code, back.json["is_private"]) == (200, False)
    assert client.patch("/v1/models/lab/new", json={"is_deleted": True}).status_code == 400


def test_refs_at_the_command_line(zoo_cli, net):
    assert zoo_cli("refs", "tag", "lab/net", "v1", "--to", net[0]).out.strip().endswith(net[0])
    assert zoo_cli("refs", "alias", "lab/net", "production").out.strip().endswith(net[1])
    stale = zoo_cli("refs", "alias", "lab/net", "production", "--expected", net[0])
    assert (stale.code, net[1] in stale.err) == (1, True)
    assert "protected" in zoo_cli("refs", "protect", "lab/net", "production").out
    rows = zoo_cli("refs", "list", "lab/net").out.splitlines()
    assert [line.split()[:2] for line in rows[1:]] == [
        ["main", "branch"],
        ["production", "alias"],
        ["v1", "tag"],
    ]
    told = zoo_cli("refs", "list", "lab/net", "--moves", "--json").json
    assert {move["ref"] for move in told["moves"]} == {"main", "production", "v1"}
    assert "WHEN" in zoo_cli("refs", "list", "lab/net", "--moves").out
    assert net[1] in zoo_cli("refs", "delete", "lab/net", "production").out


@pytest.mark.usefixtures("net")
def test_models_come_and_go_at_the_command_line(zoo_cli, home):
    assert zoo_cli("rename", "lab/net", "lab/new").out == "lab/new\n"
    assert "private" in zoo_cli("hide", "lab/new").out
    assert "public" in zoo_cli("hide", "lab/new", "--public").out
    assert "zoo restore lab/new" in zoo_cli("delete", "lab/new").err
    assert zoo_cli("show", "lab/new").code == 3
    assert zoo_cli("restore", "lab/new").out == "lab/new\n"
    assert zoo_cli("verify", "--all").code == 0
    (path, *_) = (home / "blobs").glob("[0-9a-f][0-9a-f]/*")
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    found = zoo_cli("verify", "--all", "--quarantine")
    assert (found.code, path.name in found.out, "of lab/new@" in found.out) == (6, True, True)
    assert not path.exists()
    assert '"reason": "it is missing"' in zoo_cli("verify", "--all", "--json").out
    backup = home / "backup"
    assert zoo_cli("repair", backup).code == 3
    backup.write_bytes(b"something else")
    assert zoo_cli("repair", backup).code == 6
    backup.write_bytes(good)
    assert str(backup) in zoo_cli("repair", backup).out
    assert zoo_cli("verify", "--all").code == 0
    for wrong in (["verify"], ["verify", "lab/new", "--all"]):
        assert zoo_cli(*wrong).code == 2


def test_a_sweep_at_the_command_line(zoo_cli, app, monkeypatch):
    put_text(app.extensions["zoo"], "orphan")
    assert "0 blobs" in zoo_cli("sweep", "--dry-run").out
    monkeypatch.setenv("ZOO_GRACE_S", "0")
    assert "1 blobs, 6 B, would be removed" in zoo_cli("sweep", "--dry-run").out
    assert zoo_cli("sweep", "--json").json["size_bytes"] == 6
    assert "0 blobs" in zoo_cli("sweep").out


def test_tokens_and_accounts_at_the_command_line(zoo_cli):
    made = zoo_cli("tokens", "create", "ada", "--role", "read", "--days", "2", "--label", "laptop")
    assert made.out.startswith("zoo_")
    assert "not shown again" in made.err
    assert zoo_cli("tokens", "create", "local").code == 1
    assert zoo_cli("tokens", "create", "ada", "--json").json["account"] == "ada"
    assert (
        "write lab" in zoo_cli("accounts", "grant", "ada", "--owner", "lab", "--role", "write").out
    )
    assert "lab" not in zoo_cli("accounts", "withdraw", "ada", "--owner", "lab").out
    assert zoo_cli("accounts", "withdraw", "bob", "--owner", "lab").code == 3
    assert "admin ada" in zoo_cli("accounts").out
    assert zoo_cli("accounts", "--json").json[0]["roles"] == {"ada": "admin"}
    assert "revoked" in zoo_cli("tokens", "revoke", "1").out
    rows = zoo_cli("tokens").out.splitlines()[1:]
    assert ["revoked" in row for row in rows] == [False, True]
    assert made.out.strip() not in zoo_cli("tokens", "--json").out
    log = zoo_cli("audit", "--of", "ada", "--json").json
    assert [entry["action"] for entry in log][:2] == ["token.revoke", "role.withdraw"]
    assert "token.revoke" in zoo_cli("audit").out
