"""Every keeper of the blob store's promise, put through the same tests."""

import fcntl
import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import BlobNotFound, DigestMismatch, StorageFull
from zoo.storage import local
from zoo.storage.blobs import chunks_of
from zoo.storage.local import LocalBlobs
from zoo.storage.memory import MemoryBlobs

DATA = b"edge detector"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["local", "memory", "s3"])
def blobs(request):
    return request.getfixturevalue(f"{request.param}_blobs")


@pytest.fixture
def local_blobs(tmp_path):
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def memory_blobs(tmp_path):
    return MemoryBlobs(tmp_path)


def test_a_blob_is_named_by_its_content(blobs):
    blob = blobs.put([b"edge ", b"detector"])
    assert (blob.digest, blob.size_bytes) == (DIGEST, len(DATA))


def test_what_was_put_is_read_back(blobs):
    blobs.put([DATA])
    with blobs.open(DIGEST) as file:
        assert b"".join(chunks_of(file, size_bytes=4)) == DATA
    assert blobs.local_path(DIGEST).read_bytes() == DATA


def test_views_of_any_form_are_kept_as_their_bytes(blobs):
    numbers = np.arange(6, dtype=np.float32)
    views = [memoryview(DATA), numbers.reshape(2, 3).data, numbers[:0].data, numbers[4:].data]
    blob = blobs.put(views)
    with blobs.open(blob.digest) as file:
        assert file.read() == DATA + numbers.tobytes() + numbers[4:].tobytes()


def test_a_view_may_be_used_again_for_the_next_chunk(blobs, monkeypatch):
    monkeypatch.setattr(local, "FEWEST_BESIDE", 1)
    buffer = bytearray(1)

    def chunks():
        for octet in DATA:
            buffer[0] = octet
            yield memoryview(buffer)

    assert blobs.put(chunks()).digest == DIGEST


def test_keeping_twice_is_keeping_once(blobs):
    assert blobs.put([DATA]) == blobs.put([DATA])
    assert [blob.digest for blob in blobs.list_blobs()] == [DIGEST]


def test_bytes_that_are_not_the_announced_ones_are_refused_and_not_kept(blobs):
    with pytest.raises(DigestMismatch):
        blobs.put([DATA], expected="0" * 64)
    assert not blobs.has(DIGEST)
    assert list(blobs.list_blobs()) == []


def test_announced_bytes_are_kept(blobs):
    assert blobs.put([DATA], expected=DIGEST).digest == DIGEST


def test_held_bytes_are_in_a_file_for_a_while_and_not_kept(blobs):
    with blobs.hold([b"edge ", b"detector"]) as path:
        assert path.read_bytes() == DATA
    assert not path.exists()
    assert not blobs.has(DIGEST)


@pytest.mark.parametrize("verb", ["open", "local_path"])
def test_unknown_bytes_are_not_found(blobs, verb):
    with pytest.raises(BlobNotFound):
        getattr(blobs, verb)(DIGEST)
    with pytest.raises(BlobNotFound):
        next(blobs.read(DIGEST))
    assert blobs.find_mark(DIGEST) is None


def test_bytes_are_read_as_the_store_holds_them(blobs):
    blobs.put([DATA])
    assert b"".join(blobs.read(DIGEST)) == DATA


def test_the_mark_stays_until_the_bytes_are_set_aside(blobs):
    blobs.put([DATA])
    mark = blobs.find_mark(DIGEST)
    assert mark is not None
    assert blobs.find_mark(DIGEST) == mark
    blobs.quarantine(DIGEST)
    assert blobs.find_mark(DIGEST) is None


def test_those_of_many_that_are_kept_are_found(blobs):
    kept = {blobs.put([bytes(size)]).digest for size in range(20)}
    assert blobs.find_kept([*kept, *kept, DIGEST]) == kept
    assert blobs.find_kept([]) == set()


def test_bytes_are_listed_with_their_sizes_in_the_order_of_their_digests(blobs):
    kept = [blobs.put([bytes(size)]) for size in (3, 1, 0, 2)]
    assert list(blobs.list_blobs()) == sorted(kept, key=lambda blob: blob.digest)


def test_a_writer_that_fails_keeps_nothing(blobs):
    def chunks():
        yield DATA
        raise RuntimeError

    with pytest.raises(RuntimeError):
        blobs.put(chunks())
    assert list(blobs.list_blobs()) == []


def test_forgotten_bytes_are_gone_and_forgetting_again_is_no_error(blobs):
    blobs.put([DATA])
    blobs.delete(DIGEST)
    blobs.delete(DIGEST)
    assert not blobs.has(DIGEST)


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path):
    blobs = LocalBlobs(tmp_path)

    def chunks():
        yield DATA
        raise RuntimeError

    with pytest.raises(RuntimeError):
        blobs.put(chunks())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("error", [OSError(28, "No space left"), OSError(27, "File too large")])
def test_a_full_disk_is_said_and_nothing_is_kept(tmp_path, error):
    blobs = LocalBlobs(tmp_path)

    def chunks():
        yield DATA
        raise error

    with pytest.raises(StorageFull, match="No room"):
        blobs.put(chunks())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class Disk:
    """A file whose writes go as `behave` says of (bytes, which write it is)."""

    def __init__(self, file, behave):
        self.file, self.behave, self.writes = file, behave, 0

    def fileno(self):
        return self.file.fileno()

    def write(self, octets):
        self.writes += 1
        return self.file.write(self.behave(octets, self.writes))


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A function that puts data in pieces of 8 KiB on a disk that behaves in some way."""
    monkeypatch.setattr(local, "PIECE", 8192)
    monkeypatch.setattr(local, "FEWEST_BESIDE", 500)
    blobs = LocalBlobs(tmp_path / "blobs")

    def put(data, behave=lambda octets, _write: octets):
        real = local._write
        monkeypatch.setattr(local, "_write", lambda file, chunks: real(Disk(file, behave), chunks))
        cuts = [0, 7, 4321, 8192, 16_384, len(data)]
        blob = blobs.put(
            [data[start:end] for start, end in itertools.pairwise(cuts) if end > start]
        )
        return blob, blobs.local_path(blob.digest).read_bytes()

    return put


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, 24_576, 30_123])
def test_bytes_are_gathered_into_pieces_and_written_in_their_order(store, size):
    data = np.random.default_rng(size).bytes(size)
    blob, kept = store(data)
    assert (blob.digest, blob.size_bytes) == (hashlib.sha256(data).hexdigest(), size)
    assert kept == data


def test_writes_that_are_cut_short_go_on_where_they_ended(store):
    data = np.random.default_rng(0).bytes(30_123)
    assert store(data, lambda octets, _write: octets[:1111])[1] == data


def test_a_file_system_that_refuses_direct_writes_is_written_through_the_cache(store):
    data = np.random.default_rng(0).bytes(30_123)

    def refuse(octets, write):
        if write % 2:
            raise OSError(22, "Invalid argument")
        return octets

    def refuse_pieces(octets, write):
        return refuse(octets, write) if write < 6 else octets

    assert store(data, refuse_pieces)[1] == data


@pytest.mark.parametrize("write", [1, 2, 4])
def test_a_disk_that_is_full_in_the_middle_is_told_and_nothing_is_kept(store, tmp_path, write):
    def fill(octets, number):
        if number == write:
            raise OSError(28, "No space left on device")
        return octets

    with pytest.raises(StorageFull):
        store(bytes(30_123), fill)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_disk_that_fails_at_the_end_is_told_and_nothing_is_kept(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        LocalBlobs(tmp_path).put([DATA, DATA])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class Syncs:
    """What is synced, by path, and the syncs that fail."""

    def __init__(self, monkeypatch):
        self.paths, self.fails, self.real = [], lambda _path: False, os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.paths.append(path)
        if self.fails(path):
            raise OSError(5, "Input/output error")
        self.real(descriptor)


@pytest.fixture
def syncs(monkeypatch):
    return Syncs(monkeypatch)


def test_a_name_that_may_not_be_on_the_disk_is_not_kept(tmp_path, syncs):
    blobs = LocalBlobs(tmp_path)
    folder = tmp_path / DIGEST[:2]
    syncs.fails = lambda path: path == folder
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            blobs.put([DATA])
        assert not blobs.has(DIGEST)
    syncs.fails = lambda _path: False
    syncs.paths.clear()
    blobs.put([DATA])
    assert syncs.paths[-1] == folder
    assert len(syncs.paths) == 2  # Its bytes were written and synced once more, then its name.


def test_a_name_that_was_there_before_outlives_a_failing_sync(tmp_path, syncs):
    blobs = LocalBlobs(tmp_path)
    blobs.put([DATA])
    syncs.fails = lambda path: path == tmp_path / DIGEST[:2]
    with pytest.raises(OSError, match="Input/output"):
        blobs.put([DATA])
    assert blobs.local_path(DIGEST).read_bytes() == DATA


def test_a_folder_whose_name_may_not_be_on_the_disk_is_made_again(tmp_path, syncs):
    blobs = LocalBlobs(tmp_path)
    syncs.fails = lambda path: path == tmp_path
    with pytest.raises(OSError, match="Input/output"):
        blobs.put([DATA])
    assert not (tmp_path / DIGEST[:2]).exists()
    syncs.fails = lambda _path: False
    blobs.put([DATA])
    assert syncs.paths[-2:] == [tmp_path, tmp_path / DIGEST[:2]]


def test_a_store_whose_name_may_not_be_on_the_disk_is_made_again(tmp_path, syncs):
    root = tmp_path / "home" / "blobs"
    blobs = LocalBlobs(root)
    syncs.fails = lambda path: path == root.parent
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            blobs.put([DATA])
        assert not root.exists()  # A later sync of its name would say nothing of this one.
    syncs.fails = lambda _path: False
    syncs.paths.clear()
    blobs.put([DATA])
    assert syncs.paths[0] == root.parent
    assert blobs.local_path(DIGEST).read_bytes() == DATA


def test_a_store_that_holds_something_outlives_a_failing_sync(tmp_path, syncs):
    root = tmp_path / "home" / "blobs"
    LocalBlobs(root).put([DATA])
    syncs.fails = lambda path: path == root.parent
    blobs = LocalBlobs(root)
    with pytest.raises(OSError, match="Input/output"):
        blobs.put([DATA[:1]])
    assert blobs.local_path(DIGEST).read_bytes() == DATA


def test_a_folder_that_another_process_made_is_synced_before_bytes_in_it_are_kept(tmp_path, syncs):
    (tmp_path / DIGEST[:2]).mkdir()  # and killed before it synced the name
    blobs = LocalBlobs(tmp_path)
    blobs.put([DATA])
    assert tmp_path in syncs.paths
    syncs.paths.clear()
    blobs.put([DATA])
    assert tmp_path not in syncs.paths


def test_only_bytes_of_some_age_are_forgotten(blobs):
    blobs.put([DATA])
    assert not blobs.delete(DIGEST, older_than_s=1000)
    assert blobs.has(DIGEST)
    assert blobs.delete(DIGEST, older_than_s=-1)
    assert not blobs.delete(DIGEST, older_than_s=-1)
    assert not blobs.delete("0" * 64)


def test_bytes_that_go_while_they_are_listed_are_left_out(tmp_path):
    blobs = LocalBlobs(tmp_path)
    kept = {blobs.put([bytes([one])]).digest for one in range(3)}
    found = blobs.list_blobs()
    first = next(found).digest
    (gone, stays) = sorted(kept - {first})
    blobs.delete(gone)
    assert [blob.digest for blob in found] == [stays]


def test_bytes_that_go_between_the_look_and_the_opening_are_not_found(tmp_path, monkeypatch):
    blobs = LocalBlobs(tmp_path)
    monkeypatch.setattr(blobs, "local_path", lambda digest: tmp_path / digest)
    with pytest.raises(BlobNotFound):
        blobs.open(DIGEST)


def test_bytes_are_young_however_long_they_took_to_write(tmp_path, monkeypatch):
    blobs = LocalBlobs(tmp_path)
    real = local._write

    def write_slowly(file, chunks):
        blob = real(file, chunks)
        os.utime(file.fileno(), (0, 0))
        return blob

    monkeypatch.setattr(local, "_write", write_slowly)
    blobs.put([DATA])
    assert not blobs.is_older(DIGEST, 1000)


def test_bytes_that_were_put_again_are_young(blobs):
    blobs.put([DATA])
    assert not blobs.is_older(DIGEST, 1000)
    assert blobs.is_older(DIGEST, -1)
    assert not blobs.is_older("0" * 64, -1)


def test_what_was_set_aside_is_not_kept_until_it_is_put_again(blobs):
    blobs.put([DATA])
    for _ in range(2):
        blobs.quarantine(DIGEST)
        assert not blobs.has(DIGEST)
        assert list(blobs.list_blobs()) == []
    blobs.put([DATA])
    assert blobs.has(DIGEST)


def test_other_faults_of_the_disk_are_not_called_full(tmp_path):
    def chunks():
        yield DATA
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PermissionError):
        LocalBlobs(tmp_path).put(chunks())


def test_what_a_dead_writer_left_is_cleared_and_what_a_live_one_writes_is_not(tmp_path):
    blobs = LocalBlobs(tmp_path)
    seen = []

    def chunks():
        (blobs.incoming / "left-behind").write_bytes(b"half")
        seen.append(blobs.clear_incoming())
        yield DATA

    blobs.put(chunks())
    assert seen == [1]
    assert blobs.has(DIGEST)


def test_a_kept_blob_cannot_be_written_to(tmp_path):
    blobs = LocalBlobs(tmp_path)
    blobs.put([DATA])
    assert blobs.local_path(DIGEST).stat().st_mode & 0o222 == 0


def test_a_writer_whose_file_was_cleared_before_it_was_locked_takes_another(tmp_path, monkeypatch):
    blobs = LocalBlobs(tmp_path)
    cleared = []
    real = fcntl.flock

    def clear_once(file, how):
        if not cleared:
            cleared.append(True)
            blobs.clear_incoming()
        return real(file, how)

    monkeypatch.setattr(fcntl, "flock", clear_once)
    assert blobs.put([DATA]).digest == DIGEST
    assert blobs.has(DIGEST)
