"""Uploads that go on where they stopped, on disks and beside sweeps that get in their way."""

import hashlib

import pytest

from zoo.errors import DigestMismatch, MalformedUpload
from zoo.operations import uploads
from zoo.operations.commit import find_proven
from zoo.operations.uploads import ask_standing, continue_upload

DATA = b"0123456789" * 3
SIZE = len(DATA)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 5)


def send(zoo, chunks, *, offset=0, size_bytes=SIZE):
    return continue_upload(zoo, "net", DIGEST, chunks, offset=offset, size_bytes=size_bytes)


class Narrow:
    """A file that takes three bytes at a time, as a disk does that is nearly full."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, octets):
        return self.file.write(octets[:3])


def test_no_byte_is_lost_where_the_disk_takes_some_at_a_time(zoo, monkeypatch):
    real = uploads._write
    monkeypatch.setattr(uploads, "_write", lambda file, octets: real(Narrow(file), octets))
    assert send(zoo, [DATA[:11], DATA[11:20]]).received_bytes == 20
    assert send(zoo, [DATA[20:]], offset=20).is_kept
    with zoo.blobs.open(DIGEST) as file:
        assert file.read() == DATA


def test_what_was_received_before_the_disk_was_full_is_gone_on_with(zoo, monkeypatch):
    real = uploads._write

    def fill(file, octets):
        if file.tell() >= 10:
            raise OSError(28, "No space left on device")
        return real(file, octets)

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "_write", fill)
        with pytest.raises(OSError, match="No space"):
            send(zoo, [DATA[:10], DATA[10:]])
    (standing,) = ask_standing(zoo, "net", [DIGEST])
    assert standing.received_bytes == 10
    assert send(zoo, [DATA[10:]], offset=10).is_kept


@pytest.mark.parametrize("last", [DATA[20:], bytes(10)])
def test_a_sweep_that_clears_what_was_received_stops_nobody(zoo, last):
    send(zoo, [DATA[:20]])
    (received,) = (zoo.settings.home / "cache" / "uploads").rglob(DIGEST)

    def chunks():
        received.unlink()
        yield last

    if last in DATA:
        assert send(zoo, chunks(), offset=20).is_kept
    else:
        with pytest.raises(DigestMismatch):
            send(zoo, chunks(), offset=20)
    assert zoo.blobs.has(DIGEST) == (last in DATA)


@pytest.mark.parametrize("size_bytes", [4, 6, 29])
def test_bytes_beyond_those_announced_are_not_taken(zoo, size_bytes):
    seen = []

    def chunks():
        for start in range(0, SIZE, 3):
            seen.append(start)
            yield DATA[start : start + 3]

    with pytest.raises(MalformedUpload, match="announced"):
        send(zoo, chunks(), size_bytes=size_bytes)
    assert seen[-1] <= size_bytes
    assert find_proven(zoo, "net", [DIGEST]) == {}
    assert list(zoo.blobs.list_blobs()) == []
