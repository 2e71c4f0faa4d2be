"""Uploads that go on where they stopped, and revisions that name what was uploaded."""

import hashlib
import io

import pytest

from zoo.domain.revision import File, revision_id
from zoo.operations import uploads

DATA = bytes(range(256)) * 40
DIGEST = hashlib.sha256(DATA).hexdigest()
AT = "/v1/models/lab/net"


@pytest.fixture(autouse=True)
def _in_pieces(monkeypatch):
    """Have small files sent in pieces too."""
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 100)


@pytest.fixture
def send(client):
    def put(data, *, offset=0):
        path = f"{AT}/uploads/{DIGEST}?size_bytes={len(DATA)}&offset={offset}"
        return client.put(path, data=data)

    return put


def standing(client, *digests):
    told = client.post(f"{AT}/uploads", json={"digests": list(digests)})
    return [(one["is_kept"], one["received_bytes"]) for one in told.json["uploads"]]


def publish(client, files, *, revision=None, **more):
    manifest = [
        File(path=path, digest=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        for path, data in files.items()
    ]
    body = {"files": {file.path: file.digest for file in manifest}, **more}
    return client.put(f"{AT}/revisions/{revision or revision_id(manifest)}", json=body)


def test_a_file_comes_in_pieces_and_is_named_by_a_revision(client, send):
    assert standing(client, DIGEST, "0" * 64) == [(False, 0), (False, 0)]
    assert send(DATA[:4000]).json == {"digest": DIGEST, "is_kept": False, "received_bytes": 4000}
    assert standing(client, DIGEST) == [(False, 4000)]
    assert send(DATA[4000:], offset=4000).json["is_kept"]
    assert standing(client, DIGEST) == [(True, 0)]
    made = publish(client, {"model.bin": DATA}, message="pushed", summary={"a": 1}, ref="dev")
    assert (made.status_code, made.json["summary"], made.json["message"]) == (
        200,
        {"a": 1},
        "pushed",
    )
    assert client.get(f"{AT}/revisions/dev/files/model.bin").data == DATA
    assert publish(client, {"model.bin": DATA}, ref="dev").json["id"] == made.json["id"]


def test_bytes_at_the_wrong_place_are_refused_and_the_right_place_is_told(client, send):
    send(DATA[:4000])
    for offset in (0, 3999, 4001):
        answer = send(DATA[offset:], offset=offset)
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "upload_moved")
        assert answer.json["error"]["detail"] == {"received_bytes": 4000}
    assert standing(client, DIGEST) == [(False, 4000)]


def test_more_bytes_than_announced_are_refused(client, send):
    assert send(DATA + b"x").status_code == 422
    assert standing(client, DIGEST)[0][0] is False


def test_bytes_with_another_digest_are_dropped_at_the_end(client, send):
    send(bytes(4000))
    assert send(DATA[4000:], offset=4000).json["error"]["code"] == "digest_mismatch"
    assert standing(client, DIGEST) == [(False, 0)]
    assert send(DATA).json["is_kept"]


@pytest.mark.parametrize(
    ("digest", "query"),
    [
        ("x", "size_bytes=1"),
        (DIGEST.upper(), "size_bytes=1"),
        (DIGEST, ""),
        (DIGEST, "size_bytes=-1"),
        (DIGEST, "size_bytes=1&offset=-1"),
        (DIGEST, f"size_bytes={2**50}"),
    ],
    ids=range(6),
)
def test_an_upload_that_cannot_be_is_refused(client, digest, query):
    assert client.put(f"{AT}/uploads/{digest}?{query}", data=b"x").status_code == 400


def test_a_revision_of_other_bytes_than_its_id_says_is_refused(client, send):
    send(DATA)
    wrong = publish(client, {"a": DATA}, revision="0" * 40)
    assert wrong.json["error"]["code"] == "digest_mismatch"
    unsent = publish(client, {"a": DATA, "b": b"never sent"})
    assert (unsent.status_code, "b" in unsent.json["error"]["message"]) == (403, True)
    assert publish(client, {"../a": DATA}).status_code == 422
    assert client.get(AT).status_code == 404


def test_a_revision_on_top_of_another_than_the_head_is_refused(client, send):
    send(DATA)
    first = publish(client, {"a": DATA}).json["id"]
    second = publish(client, {"b": DATA}, on_top_of=first).json["id"]
    late = publish(client, {"c": DATA}, on_top_of=first)
    assert late.json["error"]["code"] == "ref_moved"
    assert client.get(AT).json["head"]["id"] == second


def test_a_form_and_an_upload_give_the_same_revision(client, send):
    data = {"a": (io.BytesIO(DATA), "a")}
    posted = client.post(f"{AT}/revisions", data=data).json["revision"]["id"]
    send(DATA)
    assert publish(client, {"a": DATA}).json["id"] == posted
