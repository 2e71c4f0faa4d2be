"""Datasets come out as archives, over REST and at the terminal, and go in again as the same."""

import pytest

pytestmark = pytest.mark.usefixtures("stocked")
ADDRESS = "/v1/datasets/digits/archive"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_downloaded_archive_added_again_is_the_same_dataset(client, kind):
    answer = client.get(ADDRESS, query_string={"format": kind})
    assert answer.status_code == 200
    assert answer.mimetype == {"zip": "application/zip", "tar": "application/x-tar"}[kind]
    assert f".{kind}" in answer.headers["Content-Disposition"]
    added = client.post("/v1/datasets", query_string={"name": "again"}, data=answer.data)
    assert added.status_code == 201
    assert added.json["id"] == client.get("/v1/datasets/digits").json["id"]


def test_head_tells_the_length_and_the_tag(client):
    whole, head = client.get(ADDRESS), client.head(ADDRESS)
    assert int(head.headers["Content-Length"]) == len(whole.data)
    assert head.data == b""
    assert head.headers["ETag"] == whole.headers["ETag"]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-", 0, None), ("bytes=100-199", 100, 200), ("bytes=-22", -22, None)],
)
def test_a_range_is_a_part_of_the_whole(client, asked, start, stop):
    whole = client.get(ADDRESS).data
    part = client.get(ADDRESS, headers={"Range": asked})
    assert part.status_code == 206
    assert part.data == whole[start:stop]
    assert part.headers["Content-Range"].endswith(f"/{len(whole)}")
    assert int(part.headers["Content-Length"]) == len(part.data)


@pytest.mark.parametrize("asked", ["bytes=0-1,5-9", "pages=1-2", "nonsense"])
def test_ranges_that_are_not_served_get_the_whole(client, asked):
    answer = client.get(ADDRESS, headers={"Range": asked})
    assert (answer.status_code, answer.data) == (200, client.get(ADDRESS).data)


def test_a_range_beyond_the_end_is_refused(client):
    answer = client.get(ADDRESS, headers={"Range": "bytes=99999999999-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"].startswith("bytes */")


def test_a_range_of_other_bytes_than_these_is_the_whole(client):
    headers = {"Range": "bytes=5-9", "If-Range": '"other"'}
    assert client.get(ADDRESS, headers=headers).status_code == 200
    headers["If-Range"] = client.head(ADDRESS).headers["ETag"]
    assert client.get(ADDRESS, headers=headers).status_code == 206


def test_what_the_client_has_is_not_sent_again(client):
    tag = client.head(ADDRESS).headers["ETag"]
    answer = client.get(ADDRESS, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data) == (304, b"")
    other = client.get(ADDRESS, query_string={"format": "tar"}, headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_other_formats_and_datasets_that_are_not_there_are_refused(client):
    assert client.get(ADDRESS, query_string={"format": "rar"}).status_code == 400
    assert client.get("/v1/datasets/none/archive").status_code == 404
    assert client.get("/v1/datasets/digits@0/archive").status_code == 404


def test_an_export_is_the_download_and_replaces_nothing(zoo_cli, client, tmp_path):
    path = tmp_path / "new" / "digits.tar"
    ran = zoo_cli("datasets", "export", "digits", "-o", path)
    assert (ran.code, ran.out.strip()) == (0, str(path))
    assert path.read_bytes() == client.get(ADDRESS, query_string={"format": "tar"}).data
    again = zoo_cli("datasets", "export", "digits", "-o", path)
    assert again.code == 1
    assert "exists already" in again.err
    assert [one.name for one in path.parent.iterdir()] == ["digits.tar"]


def test_an_export_is_named_after_its_dataset(zoo_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert zoo_cli("datasets", "export", "digits").code == 0
    (written,) = tmp_path.glob("digits-*.zip")
    assert written.read_bytes().startswith(b"PK")
    assert zoo_cli("datasets", "export", "none").code == 3
