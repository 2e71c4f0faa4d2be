"""What is counted of downloads, and what is not; nothing is lost at a graceful end."""

import pytest

from zoo.catalog.garbage import purge_model
from zoo.errors import CatalogUnavailable
from zoo.operations import statistics
from zoo.web.counting import COUNTS

DATA = bytes(range(100))


@pytest.fixture
def counted(client, app):
    """A function that gives what is counted of a model, all of it written down."""

    def ask(name="net"):
        app.extensions[COUNTS].close()
        return client.get(f"/v1/models/{name}/statistics").json

    return ask


@pytest.fixture
def net(upload):
    return upload("net", ("a.bin", DATA), ("b.txt", b"b")).json["revision"]["id"]


def test_whole_files_count_by_revision_file_and_day(client, net, counted):
    for _ in range(2):
        client.get("/v1/models/net/files/a.bin")
    client.get(f"/net/resolve/{net}/b.txt", headers={"X-HF-Download-Counter": "1"})
    told = counted()
    assert (told["downloads"], told["recent_downloads"]) == (3, 3)
    assert told["by_revision"] == {net: 3}
    assert told["by_file"] == {"a.bin": 2, "b.txt": 1}
    assert list(told["by_day"].values()) == [3]


@pytest.mark.usefixtures("net")
@pytest.mark.parametrize(
    ("asked", "count"), [("bytes=0-9", 1), ("bytes=0-", 1), ("bytes=10-19", 0), ("bytes=200-", 0)]
)
def test_a_range_counts_when_it_begins_the_file(client, counted, asked, count):
    client.get("/v1/models/net/files/a.bin", headers={"Range": asked})
    assert counted()["downloads"] == count


@pytest.mark.usefixtures("net")
def test_what_gives_no_file_does_not_count(client, counted, sha256):
    client.head("/net/resolve/main/a.bin")
    client.head("/v1/models/net/files/a.bin")
    client.get("/v1/models/net/files/a.bin", headers={"If-None-Match": f'"{sha256(DATA)}"'})
    client.get("/v1/models/net/files/none.bin")
    assert counted()["downloads"] == 0


@pytest.mark.usefixtures("net")
def test_counts_that_cannot_be_written_are_kept_for_the_next_time(
    client, counted, app, monkeypatch
):
    def fail(*_):
        raise CatalogUnavailable

    with monkeypatch.context() as patch:
        patch.setattr("zoo.web.counting.record_downloads", fail)
        client.get("/v1/models/net/files/a.bin")
        app.extensions[COUNTS].write()
    client.get("/v1/models/net/files/a.bin")
    assert counted()["downloads"] == 2


@pytest.mark.usefixtures("net")
def test_a_renamed_model_keeps_its_counts_and_a_purged_one_takes_them_along(client, counted, app):
    client.get("/v1/models/net/files/a.bin")
    client.patch("/v1/models/net", json={"name": "other"})
    assert counted("other")["downloads"] == 1
    client.delete("/v1/models/other")
    assert client.get("/v1/models/other/statistics").status_code == 404
    zoo = app.extensions["zoo"]
    assert statistics.get_totals(zoo).downloads == 1
    with zoo.catalog.writing() as db:
        purge_model(db, "other", before=zoo.clock())
    assert statistics.get_totals(zoo).downloads == 0


def test_the_hub_is_told_downloads_and_lists_by_them(client, upload, counted):
    for name in ("a", "b", "c"):
        upload(name, ("x.txt", name.encode()))
    for name in ("b", "b", "c"):
        client.get(f"/{name}/resolve/main/x.txt")
    counted("a")
    assert client.get("/api/models/b").json["downloads"] == 2
    first = client.get("/api/models?sort=downloads&limit=2")
    assert [(one["id"], one["downloads"]) for one in first.json] == [("b", 2), ("c", 1)]
    following = first.headers["Link"].partition("<")[2].partition(">")[0]
    assert [one["id"] for one in client.get(following).json] == ["a"]
    assert client.get("/api/models?sort=downloads&cursor=x").status_code == 400


@pytest.mark.usefixtures("net")
def test_totals_are_told_to_those_who_look_after_the_zoo(client, zoo_cli):
    told = client.get("/v1/statistics").json
    assert (told["models"], told["revisions"], told["blobs"]) == (1, 1, 2)
    assert told["size_bytes"] == len(DATA) + 1
    assert zoo_cli("stats", "--json").json == told
    assert "revision" not in zoo_cli("stats", "net").out
    assert zoo_cli("stats", "none").code == 3
