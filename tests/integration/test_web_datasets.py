"""Datasets over REST: an archive in the body."""

import io
import tarfile
import zipfile

import pytest


@pytest.fixture
def zipped(digits):
    """A zip of the digits, with a text file among them."""
    return make_zip(
        {f"set/{path.relative_to(digits)}": path.read_bytes() for path in digits.glob("*/*")}
        | {"set/5/notes.jpg": b"no picture"}
    )


def make_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def post(client, data, name="digits"):
    return client.post(f"/v1/datasets?name={name}", data=data, content_type="application/zip")


def test_a_zip_becomes_a_dataset(client, zipped):
    answer = post(client, zipped)
    assert answer.status_code == 201
    assert answer.json["classes"] == ["5", "6", "7", "8", "9"]
    assert answer.json["counts"]["train"] == dict.fromkeys("56789", 8)
    assert answer.json["counts"]["val"] == dict.fromkeys("56789", 2)
    (skipped,) = answer.json["skipped"]
    assert skipped["path"].endswith("5/notes.jpg")
    assert client.get("/v1/datasets/digits").json == answer.json


def test_a_tar_becomes_the_same_dataset(client, digits, zipped):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(digits, "set")
    assert post(client, buffer.getvalue()).json["id"] == post(client, zipped).json["id"]


def test_datasets_are_listed_without_their_pictures(client, zipped):
    identity = post(client, zipped).json["id"]
    (listed,) = client.get("/v1/datasets").json["datasets"]
    assert (listed["name"], listed["id"], listed["skipped"]) == ("digits", identity, 1)


def test_datasets_come_in_pages(client, zipped):
    for name in ("b", "a", "lab/c"):
        post(client, zipped, name)
    seen, after = [], ""
    while after is not None:
        page = client.get("/v1/datasets", query_string={"limit": 2, "after": after}).json
        seen.append([dataset["name"] for dataset in page["datasets"]])
        after = page["next"]
    assert seen == [["a", "b"], ["lab/c"]]
    assert client.get(f"/v1/datasets?after=b@{'0' * 40}").status_code == 404


def test_a_dataset_is_found_by_its_id(client, zipped):
    identity = post(client, zipped).json["id"]
    assert client.get(f"/v1/datasets/digits@{identity}").json["id"] == identity
    assert client.get(f"/v1/datasets/digits@{'0' * 40}").status_code == 404


@pytest.mark.parametrize(
    ("members", "code", "told"),
    [
        ({"../a/1.png": b"x"}, "unsafe_archive", "../a/1.png"),
        ({"/a/1.png": b"x"}, "unsafe_archive", "/a/1.png"),
        ({"a/1.png": b"x", "b/1.png": b"x"}, "empty_dataset", "a/1.png"),
        ({"1.png": b"x"}, "empty_dataset", "the archive"),
        ({}, "empty_dataset", "the archive"),
    ],
    ids=["climbs", "absolute", "no-pictures", "no-folders", "empty"],
)
def test_an_archive_that_cannot_be_used_is_refused(client, home, members, code, told):
    answer = post(client, make_zip(members))
    assert (answer.status_code, answer.json["error"]["code"]) == (422, code)
    assert told in answer.json["error"]["message"]
    assert str(home) not in answer.text  # Where the server keeps things is nobody's business.
    assert client.get("/v1/datasets").json["datasets"] == []


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\3\4 cut short"], ids=["none", "text", "cut"])
def test_what_is_no_archive_is_refused(client, data):
    answer = post(client, data)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "malformed_archive")


def test_an_archive_cut_short_is_refused(client, zipped):
    answer = post(client, zipped[: len(zipped) // 2])
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "malformed_archive")


def test_one_class_only_is_refused(client, digits):
    members = {f"5/{path.name}": path.read_bytes() for path in (digits / "5").iterdir()}
    answer = post(client, make_zip(members))
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "one_class")


def test_a_class_with_one_picture_is_refused_and_named(client, digits):
    members = {f"5/{path.name}": path.read_bytes() for path in (digits / "5").iterdir()}
    members["lonely/1.png"] = min((digits / "6").iterdir()).read_bytes()
    answer = post(client, make_zip(members))
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "too_few_pictures")
    assert "'lonely'" in answer.json["error"]["message"]


def test_more_than_the_largest_archive_is_refused(make_app, zipped):
    answer = post(make_app(max_archive_bytes=1000).test_client(), zipped)
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "too_large")


def test_nothing_but_blobs_and_catalog_stays_of_an_upload(client, home, zipped):
    before = {path.name for path in home.iterdir()}
    post(client, zipped)
    post(client, b"hello")
    assert {path.name for path in home.iterdir()} - before == {"blobs"}
    assert not list((home / "blobs" / "incoming").iterdir())
