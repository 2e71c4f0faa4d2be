"""What a store in S3 promises beyond what every store does."""

import hashlib
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import obstore
import pytest
import urllib3

from zoo.errors import BadSetting, BlobNotFound, DigestMismatch, StoreUnavailable
from zoo.storage import s3
from zoo.storage.blobs import chunks_of

DATA = b"edge detector"
DIGEST = hashlib.sha256(DATA).hexdigest()
KEY = f"blobs/{DIGEST[:2]}/{DIGEST}"


def keys(blobs):
    """List what is in the bucket."""
    return sorted(one["path"] for some in obstore.list(blobs._store) for one in some)


@pytest.fixture
def other(open_s3):
    """The same store, as another machine has it."""
    return open_s3("other")


def test_what_one_machine_put_another_reads(s3_blobs, other):
    s3_blobs.put([DATA])
    assert other.has(DIGEST)
    with other.open(DIGEST) as file:
        file.seek(5)
        assert file.read() == DATA[5:]
    assert list(other.list_blobs()) == list(s3_blobs.list_blobs())


def test_many_are_brought_at_once_and_then_read_without_the_bucket(s3_blobs, other, monkeypatch):
    digests = put_many(s3_blobs, 40)
    other.bring([*digests, digests[0]])
    with monkeypatch.context() as cut:
        cut.setattr(obstore, "get", None)
        assert [other.local_path(one).read_bytes() for one in digests[:2]] == [
            b"0000000000",
            b"0000000001",
        ]
    with pytest.raises(BlobNotFound):
        other.bring([*digests, "0" * 64])


def test_a_large_blob_is_sent_in_parts(s3_blobs, other, monkeypatch):
    monkeypatch.setattr(s3, "AT_ONCE", 2**20)
    monkeypatch.setattr(s3, "PART", 5 * 2**20)
    data = np.random.default_rng(0).bytes(11 * 2**20 + 7)
    blob = s3_blobs.put(data[start : start + 2**20] for start in range(0, len(data), 2**20))
    assert obstore.head(s3_blobs._store, s3._key(blob.digest))["e_tag"].endswith('-3"')
    assert other.local_path(blob.digest).read_bytes() == data
    assert s3_blobs.put([data]) == blob


@pytest.mark.parametrize("size", [0, len(DATA)])
def test_bytes_that_are_damaged_in_the_bucket_are_refused_and_not_copied(s3_blobs, other, size):
    s3_blobs.put([DATA])
    obstore.put(s3_blobs._store, KEY, bytes(size))
    for _ in range(2):
        with pytest.raises(DigestMismatch, match="damaged in s3://"):
            other.open(DIGEST)
    assert b"".join(other.read(DIGEST)) == bytes(size)
    assert [path for path in other.copies.blobs.root.rglob("*") if path.is_file()] == []


def test_bytes_that_were_cut_short_in_the_bucket_are_mended_by_putting_them_again(s3_blobs, other):
    s3_blobs.put([DATA])
    obstore.put(s3_blobs._store, KEY, DATA[:3])
    s3_blobs.put([DATA])
    assert other.local_path(DIGEST).read_bytes() == DATA


def test_what_was_set_aside_is_in_the_bucket_still(s3_blobs):
    s3_blobs.put([DATA])
    s3_blobs.quarantine(DIGEST)
    assert keys(s3_blobs) == [f"quarantine/{DIGEST}"]
    with pytest.raises(BlobNotFound):
        s3_blobs.open(DIGEST)


def test_nothing_is_left_of_what_was_forgotten(s3_blobs):
    s3_blobs.put([DATA])
    s3_blobs.put([DATA])
    assert keys(s3_blobs) == [f"again/{DIGEST}", KEY]
    s3_blobs.delete(DIGEST)
    assert keys(s3_blobs) == []
    assert [path for path in s3_blobs.copies.blobs.root.rglob("*") if path.is_file()] == []


def test_a_service_that_fails_keeps_nothing_here_or_there(s3_blobs, monkeypatch):
    monkeypatch.setattr(s3, "AT_ONCE", 0)

    def fail(*_arguments, **_options):
        raise s3.BaseError("Generic S3 error: the line is cut\n\nDebug source: ...")

    with monkeypatch.context() as cut:
        cut.setattr(obstore, "put", fail)
        with pytest.raises(StoreUnavailable, match=r"the line is cut$"):
            s3_blobs.put([DATA])
    with pytest.raises(BlobNotFound):
        s3_blobs.open(DIGEST)
    assert keys(s3_blobs) == []
    s3_blobs.put([DATA])
    assert s3_blobs.has(DIGEST)


def age(monkeypatch, hours):
    """Have all objects be older."""
    real = s3._age_s
    monkeypatch.setattr(s3, "_age_s", lambda moment: real(moment - timedelta(hours=hours)))


def test_putting_again_makes_old_bytes_young(s3_blobs, monkeypatch):
    s3_blobs.put([DATA])
    written = obstore.head(s3_blobs._store, KEY)["last_modified"]
    # Times in a bucket are whole seconds, and this test has none to spare.
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    real = s3_blobs._find
    monkeypatch.setattr(
        s3_blobs,
        "_find",
        lambda key: (
            found | {"last_modified": hour_ago} if (found := real(key)) and key == KEY else found
        ),
    )
    assert s3_blobs.is_older(DIGEST, 1800)
    s3_blobs.put([DATA])
    assert obstore.head(s3_blobs._store, KEY)["last_modified"] == written
    assert not s3_blobs.is_older(DIGEST, 1800)
    assert not s3_blobs.delete(DIGEST, older_than_s=1800)


def test_who_puts_waits_for_who_deletes_and_then_puts_anew(s3_blobs, other, monkeypatch):
    s3_blobs.put([DATA])
    age(monkeypatch, 1)
    decided, noted = threading.Event(), threading.Event()
    real_older, real_write = s3_blobs.is_older, other._write

    def decide(digest, age_s):
        is_old = real_older(digest, age_s)
        decided.set()
        assert noted.wait(60)
        return is_old

    def note(key, data):
        real_write(key, data)
        noted.set()

    monkeypatch.setattr(s3_blobs, "is_older", decide)
    monkeypatch.setattr(other, "_write", note)
    deleting = threading.Thread(target=s3_blobs.delete, args=[DIGEST])
    deleting.start()
    assert decided.wait(60)
    other.put([DATA])
    deleting.join()
    assert other.has(DIGEST)
    assert b"".join(s3_blobs.read(DIGEST)) == DATA


def test_nobody_waits_for_one_who_died_while_deleting(s3_blobs, monkeypatch):
    s3_blobs.put([DATA])
    s3_blobs._write(s3._doomed(DIGEST), b"")
    age(monkeypatch, 1)
    s3_blobs.put([DATA])
    assert s3._doomed(DIGEST) not in keys(s3_blobs)


def test_a_link_gives_the_bytes_to_who_has_no_keys(s3_blobs):
    s3_blobs.put([DATA])
    link = s3_blobs.find_link(DIGEST, seconds=60)
    assert "secret" not in link
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", link, headers={"Range": "bytes=5-"})
    assert (answer.status, answer.data) == (206, DATA[5:])


def test_a_link_is_to_where_clients_reach_the_service(open_s3):
    blobs = open_s3(store_public_endpoint="https://files.example.org")
    assert blobs.find_link(DIGEST, seconds=60).startswith("https://files.example.org/zoo-")


def put_many(blobs, count):
    """Put blobs of ten bytes and give their digests."""
    return [blobs.put([f"{number:010}".encode()]).digest for number in range(count)]


def copied(blobs):
    return {path.name for path in blobs.copies.blobs.root.glob("??/*")}


def test_copies_take_no_more_than_their_bound_and_those_longest_unused_go(open_s3):
    blobs = open_s3(store_cache_bytes=35)
    digests = put_many(blobs, 5)
    assert copied(blobs) == set(digests[2:])
    with blobs.open(digests[0]) as file:
        assert file.read() == b"0000000000"
    assert copied(blobs) == {digests[0], *digests[3:]}


def test_copies_that_a_process_was_given_stay_and_go_when_it_has_ended(open_s3):
    writer = open_s3(store_cache_bytes=0)
    digests = put_many(writer, 3)
    assert copied(writer) == set()
    reader = open_s3(store_cache_bytes=0)
    paths = [reader.local_path(digest) for digest in digests]
    put_many(writer, 1)
    assert all(path.is_file() for path in paths)
    del reader  # Its process ends: nothing else holds its lock.
    put_many(writer, 1)
    assert copied(writer) == set()


def test_a_process_that_lasts_gives_up_what_it_was_given_long_ago(open_s3):
    blobs = open_s3(store_cache_bytes=0)
    first, second, third = put_many(blobs, 3)
    blobs.copies._held._seconds = 0  # Every file is of a period of its own.
    blobs.local_path(first)
    blobs.local_path(second)
    assert copied(blobs) == {first, second}
    blobs.local_path(third)
    put_many(blobs, 1)
    assert first not in copied(blobs)
    assert third in copied(blobs)


def test_a_copy_that_goes_is_read_to_its_end_by_who_has_it_open(open_s3):
    blobs = open_s3(store_cache_bytes=0)
    digest, _ = put_many(blobs, 2)
    with blobs.open(digest) as file:
        blobs.copies.blobs.delete(digest)
        assert b"".join(chunks_of(file)) == b"0000000000"


def test_a_bucket_that_is_not_there_is_told(open_s3):
    blobs = open_s3(store="s3://no-such-bucket")
    for ask in (blobs.check, lambda: blobs.put([DATA]), lambda: list(blobs.list_blobs())):
        with pytest.raises(BadSetting, match="There is no bucket for ZOO_STORE=s3://no-such"):
            ask()


def test_a_service_that_is_not_there_is_told(open_s3, monkeypatch):
    monkeypatch.setattr(s3, "TRIES", 0)
    blobs = open_s3(store_endpoint="http://127.0.0.1:9")
    for ask in (blobs.check, lambda: blobs.has(DIGEST), lambda: blobs.put([DATA])):
        with pytest.raises(StoreUnavailable, match="does not answer: Generic S3 error"):
            ask()


@pytest.mark.parametrize("kind", [s3.PermissionDeniedError, s3.UnauthenticatedError])
def test_keys_that_are_refused_are_told(s3_blobs, monkeypatch, kind):
    def refuse(*_arguments, **_options):
        raise kind("no entry\nmore")

    monkeypatch.setattr(obstore, "head", refuse)
    with pytest.raises(BadSetting, match=r"refuses these keys: no entry$"):
        s3_blobs.has(DIGEST)


@pytest.mark.parametrize(
    "url", ["s3:bucket", "s3://", "s3://key:secret@bucket", "s3://bucket?x=1", "gs://bucket"]
)
def test_what_is_no_bucket_is_refused(open_s3, url):
    with pytest.raises(BadSetting, match="ZOO_STORE cannot be used"):
        open_s3(store=url)
