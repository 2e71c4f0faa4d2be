"""Downloading files of revisions."""

import pytest

DATA = bytes(range(100))


@pytest.fixture
def revision(upload):
    return upload("net", ("a.bin", DATA), ("card.md", b"# net")).json["revision"]


@pytest.fixture
def url(revision):
    return f"/v1/models/net/revisions/{revision['id']}/files/a.bin"


def test_a_file_comes_with_its_sha256_as_etag(client, url, sha256):
    answer = client.get(url)
    assert (answer.status_code, answer.data) == (200, DATA)
    assert answer.headers["ETag"] == f'"{sha256(DATA)}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"] == "attachment; filename=a.bin"


def test_a_file_that_is_known_is_not_sent_again(client, url, sha256):
    answer = client.get(url, headers={"If-None-Match": f'"{sha256(DATA)}"'})
    assert (answer.status_code, answer.data) == (304, b"")


def test_another_etag_gets_the_file(client, url, sha256):
    answer = client.get(url, headers={"If-None-Match": f'"{sha256(b"")}"'})
    assert (answer.status_code, answer.data) == (200, DATA)


@pytest.mark.parametrize(
    ("asked", "told", "part"),
    [
        ("bytes=10-19", "bytes 10-19/100", DATA[10:20]),
        ("bytes=90-", "bytes 90-99/100", DATA[90:]),
        ("bytes=-5", "bytes 95-99/100", DATA[95:]),
    ],
    ids=["middle", "from", "last"],
)
def test_a_range_is_sent_alone(client, url, asked, told, part):
    answer = client.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.data) == (206, part)
    assert answer.headers["Content-Range"] == told


def test_a_range_of_another_version_gets_the_whole_file(client, url, sha256):
    answer = client.get(url, headers={"Range": "bytes=0-9", "If-Range": f'"{sha256(b"")}"'})
    assert (answer.status_code, answer.data) == (200, DATA)


def test_a_range_beyond_the_end_is_refused(client, url):
    answer = client.get(url, headers={"Range": "bytes=100-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */100"
    assert answer.json["error"]["code"] == "requested_range_not_satisfiable"


def test_head_tells_the_size(client, url):
    answer = client.head(url)
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == "100"


def test_a_file_of_an_id_never_changes(client, url):
    told = client.get(url).headers["Cache-Control"]
    # For the caches of those who asked alone: nothing says that everyone may read it.
    assert told == "private, max-age=31536000, immutable"


@pytest.mark.usefixtures("revision")
@pytest.mark.parametrize("middle", ["", "/revisions/main"])
def test_a_file_of_a_ref_may_change(client, middle):
    answer = client.get(f"/v1/models/net{middle}/files/a.bin")
    assert answer.data == DATA
    assert "immutable" not in answer.headers["Cache-Control"]


@pytest.mark.usefixtures("revision")
def test_a_file_of_main_is_that_of_the_newest_revision(client, upload):
    upload("net", ("a.bin", b"newer"))
    assert client.get("/v1/models/net/files/a.bin").data == b"newer"
