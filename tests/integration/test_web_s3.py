"""Downloads where blobs are in S3: large ones are given by the store itself, without the token."""

import io

import pytest
import urllib3

from zoo.client import transfer
from zoo.errors import ServerUnreachable
from zoo.operations.fetch import LINKED_BYTES
from zoo.operations.publish import Publication, publish

LARGE = bytes(LINKED_BYTES) + b"the end"
SMALL = b"# net"


@pytest.fixture
def app(make_app, s3_settings):
    return make_app(**s3_settings)


@pytest.fixture
def revision(app):
    zoo = app.extensions["zoo"]
    files = {path: zoo.blobs.put([data]) for path, data in (("a.bin", LARGE), ("card.md", SMALL))}
    return publish(zoo, Publication(model="lab/net", files=files, message="made"))


@pytest.fixture
def urls(revision):
    """The addresses of the large file."""
    return {
        "v1": f"/v1/models/lab/net/revisions/{revision.id}/files/a.bin",
        "main": "/v1/models/lab/net/files/a.bin",
        "hub": "/lab/net/resolve/main/a.bin",
    }


def follow(answer, **headers):
    with urllib3.PoolManager() as pool:
        return pool.request("GET", answer.headers["Location"], headers=headers)


@pytest.mark.parametrize("door", ["v1", "main", "hub"])
def test_a_large_file_is_given_by_the_store(client, urls, door, s3_server):
    answer = client.get(urls[door])
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{s3_server}/zoo-")
    assert answer.headers["Cache-Control"] == "no-store"
    assert follow(answer).data == LARGE
    part = follow(answer, Range=f"bytes={LINKED_BYTES}-")
    assert (part.status, part.data) == (206, b"the end")


def test_clients_of_the_hub_are_told_what_they_will_get(client, urls, revision, sha256):
    for ask in (client.get, client.head):
        told = ask(urls["hub"]).headers
        assert told["X-Repo-Commit"] == revision.id
        assert told["X-Linked-Size"] == str(len(LARGE))
        assert told["X-Linked-Etag"] == f'"{sha256(LARGE)}"'


@pytest.mark.parametrize("door", ["v1", "main", "hub"])
def test_what_is_known_of_a_file_is_answered_here(client, urls, door, sha256):
    answer = client.head(urls[door])
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(LARGE))
    assert answer.headers["ETag"] == f'"{sha256(LARGE)}"'
    known = client.get(urls[door], headers={"If-None-Match": f'"{sha256(LARGE)}"'})
    assert (known.status_code, known.data) == (304, b"")


@pytest.mark.parametrize("mode", ["navigate", "no-cors", "cors"])
def test_small_files_and_what_a_browser_asks_for_are_given_here(client, urls, mode):
    assert client.get("/lab/net/resolve/main/card.md").data == SMALL
    saved = client.get(urls["v1"], headers={"Sec-Fetch-Mode": mode})
    assert (saved.status_code, saved.data) == (200, LARGE)
    assert saved.headers["Content-Disposition"] == "attachment; filename=a.bin"


def test_settings_can_have_every_file_given_here(make_app, s3_settings, urls):
    client = make_app(store_redirects=False, **s3_settings).test_client()
    assert client.get(urls["v1"]).data == LARGE


def test_bytes_that_are_gone_are_not_led_to(app, client, urls, sha256):
    app.extensions["zoo"].blobs.delete(sha256(LARGE))
    for ask in (client.get, client.head):
        assert ask(urls["v1"]).status_code == 500
    assert client.get(urls["v1"]).json["error"]["code"] == "blob_not_found"


def test_a_download_that_was_led_elsewhere_is_counted_once(app, client, urls):
    client.get(urls["v1"])
    client.head(urls["v1"])
    client.get(urls["v1"], headers={"Range": "bytes=10-"})
    counts = app.extensions["zoo_counts"]
    assert sum(counts._kept.values()) == 1


@pytest.mark.usefixtures("revision")
def test_lfs_leads_there_too(client, sha256):
    objects = [{"oid": sha256(LARGE), "size": len(LARGE)}]
    batch = client.post(
        "/lab/net.git/info/lfs/objects/batch", json={"operation": "download", "objects": objects}
    ).json
    href = batch["objects"][0]["actions"]["download"]["href"]
    assert follow(client.get(href)).data == LARGE


def test_an_upload_is_gone_on_with_and_kept_in_the_bucket(app, client, sha256):
    at = f"/v1/models/lab/new/uploads/{sha256(LARGE * 9)}?size_bytes={9 * len(LARGE)}"
    first = client.put(f"{at}&offset=0", data=LARGE * 4)
    assert first.json["received_bytes"] == 4 * len(LARGE)
    last = client.put(f"{at}&offset={4 * len(LARGE)}", data=LARGE * 5)
    assert last.json["is_kept"]
    kept = app.extensions["zoo"].blobs.read(sha256(LARGE * 9))
    assert b"".join(kept) == LARGE * 9


def test_a_private_model_leads_nobody_who_may_not_read_it(make_app, s3_settings, urls):
    client = make_app(access="tokens", **s3_settings).test_client()
    for door in urls.values():
        answer = client.get(door)
        assert answer.status_code == 401
        assert "Location" not in answer.headers


def test_a_store_that_is_down_is_told(make_app, s3_settings, urls, monkeypatch):
    from zoo.storage import s3  # noqa: PLC0415  # after the app, as a server does

    monkeypatch.setattr(s3, "TRIES", 0)
    down = s3_settings | {"store_endpoint": "http://127.0.0.1:9"}
    answer = make_app(**down).test_client().get(urls["v1"])
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "store_unavailable")


class Recorded:
    """An HTTP server's side of one zoo that leads elsewhere."""

    def __init__(self, monkeypatch, answers):
        self.asked = []
        monkeypatch.setattr(urllib3.PoolManager, "request", self.request)
        self.answers = answers

    def request(self, _method, url, **options):
        self.asked.append((url, options["headers"]))
        return urllib3.HTTPResponse(
            io.BytesIO(b"bytes"), preload_content=False, **self.answers[len(self.asked) - 1]
        )


def test_our_own_client_follows_without_its_token(monkeypatch):
    found = {"status": 302, "headers": {"Location": "http://store/blob?signed"}}
    recorded = Recorded(monkeypatch, [found, {"status": 206}])
    with transfer.Remote("http://zoo", "secret") as remote:
        assert b"".join(remote.fetch("/file", offset=3)) == b"bytes"
    (_, first), (url, second) = recorded.asked
    assert url == "http://store/blob?signed"
    assert second == {"Accept-Encoding": "identity", "Range": "bytes=3-"}
    assert first == second | {"Authorization": "Bearer secret"}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([{"status": 302, "headers": {"Location": "file:///etc/passwd"}}], "leads to 'file:"),
        ([{"status": 302}], "leads to None"),
        (
            [{"status": 302, "headers": {"Location": "http://store/"}}, {"status": 403}],
            "leads to answers 403",
        ),
    ],
)
def test_our_own_client_says_where_it_was_led_to_nothing(monkeypatch, answers, said):
    Recorded(monkeypatch, answers)
    with transfer.Remote("http://zoo") as remote, pytest.raises(ServerUnreachable, match=said):
        list(remote.fetch("/file"))
