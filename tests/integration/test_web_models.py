"""Which models, revisions and files there are, told over REST."""

import pytest

from zoo.domain.revision import COMMIT


@pytest.fixture
def many(upload):
    """Five models of one file each, uploaded in no order."""
    names = ["b", "owner/a", "a", "d", "c"]
    for name in names:
        assert upload(name, ("README.md", name.encode())).status_code == 201
    return sorted(names)


def test_an_empty_zoo_lists_nothing(client):
    assert client.get("/v1/models").json == {
        "models": [],
        "next": None,
        "total": 0,
        "facets": [],
    }


def test_models_are_listed_by_name(client, many):
    listed = client.get("/v1/models").json
    assert [model["name"] for model in listed["models"]] == many
    assert listed["next"] is None


def test_pages_follow_each_other_to_the_end(client, many):
    seen, after = [], ""
    while after is not None:
        page = client.get("/v1/models", query_string={"after": after, "limit": 2}).json
        seen += [model["name"] for model in page["models"]]
        after = page["next"]
    assert seen == many


@pytest.mark.usefixtures("stocked")
def test_a_model_tells_its_refs_and_its_head(client):
    model = client.get("/v1/models/lenet-digits").json
    head = model["head"]
    assert model["refs"] == {"main": head["id"]}
    assert COMMIT.fullmatch(head["id"])
    assert head["parent"] == "lenet@" + client.get("/v1/models/lenet").json["head"]["id"]
    assert head["dataset"].startswith("digits@")
    assert head["summary"]["accuracy"]["total"] == 10
    assert {file["path"] for file in head["files"]} == {
        "README.md",
        "config.json",
        "deploy.prototxt",
        "layers.json",
        "model.onnx",
        "model.safetensors",
        "parity.json",
        "report.html",
        "training.json",
    }


def test_a_model_may_have_an_owner(client, upload):
    upload("someone/net", ("README.md", b"# net"))
    assert client.get("/v1/models/someone/net").json["name"] == "someone/net"
    assert client.get("/v1/models/someone/net/revisions").json["revisions"][0]["files"]
    assert client.get("/v1/models/someone/net/files/README.md").data == b"# net"


@pytest.mark.usefixtures("stocked")
def test_a_misspelled_model_is_answered_with_the_near_ones(client):
    answer = client.get("/v1/models/lenett")
    assert answer.status_code == 404
    assert "'lenet'" in answer.json["error"]["hint"]
    assert answer.json["error"]["detail"]["near"][0] == "lenet"


def test_revisions_come_in_pages(client, upload):
    ids = [upload("net", ("README.md", text)).json["revision"]["id"] for text in (b"a", b"b", b"c")]
    seen, after = [], ""
    while after is not None:
        page = client.get(f"/v1/models/net/revisions?limit=2&after={after}").json
        seen.append([revision["id"] for revision in page["revisions"]])
        after = page["next"]
    assert seen == [[ids[2], ids[1]], [ids[0]]]
    assert client.get("/v1/models/net/revisions?limit=3").json["next"] is None
    assert client.get("/v1/models/net/revisions?after=nothing").status_code == 404
    assert client.get("/v1/models/net/revisions?limit=0").status_code == 400


def test_revisions_are_listed_the_newest_first(client, upload):
    first = upload("net", ("README.md", b"one"), message="the first").json["revision"]
    second = upload("net", ("README.md", b"two")).json["revision"]
    listed = client.get("/v1/models/net/revisions").json["revisions"]
    assert [revision["id"] for revision in listed] == [second["id"], first["id"]]
    assert listed[0]["previous"] == first["id"]
    assert listed[1]["message"] == "the first"


def test_a_revision_is_found_by_ref_id_and_the_beginning_of_its_id(client, upload):
    revision = upload("net", ("README.md", b"one")).json["revision"]
    for ref in ("main", revision["id"], revision["id"][:8]):
        assert client.get(f"/v1/models/net/revisions/{ref}").json["id"] == revision["id"]


def test_the_same_files_again_are_the_same_revision(client, upload):
    first, again = (upload("net", ("README.md", b"one")).json["revision"] for _ in range(2))
    assert first["id"] == again["id"]
    assert len(client.get("/v1/models/net/revisions").json["revisions"]) == 1


def test_health_is_ok(client):
    assert client.get("/v1/health").json["status"] == "ok"
