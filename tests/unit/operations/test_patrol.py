"""The reading in the background: blob by blob, round by round, what is damaged set aside."""

import errno
import os
import threading
from dataclasses import replace

import pytest

from zoo.operations.access import list_audit
from zoo.operations.inspect import examine
from zoo.operations.patrol import LONGEST_PAUSE_S, get_patrol, patrol, step
from zoo.operations.scrub import scrub


@pytest.fixture
def go():
    return threading.Event()


def damage(zoo, digest):
    path = zoo.blobs.local_path(digest)
    path.chmod(0o600)
    path.write_bytes(b"other bytes")


def scrub_finding(zoo):
    return next(one for one in examine(zoo) if one.name == "scrub")


def test_every_blob_is_read_once_in_a_round_and_the_position_is_remembered(zoo, published, go):
    revision = published(files={"a": "12345", "b": "1"})
    digests = sorted(file.digest for file in revision.files)
    assert step(zoo, go) <= LONGEST_PAUSE_S
    assert (get_patrol(zoo).position, get_patrol(zoo).rounds) == (digests[0], 0)
    step(zoo, go)
    assert (get_patrol(zoo).position, get_patrol(zoo).read_bytes) == (digests[1], 6)
    step(zoo, go)
    found = get_patrol(zoo)
    assert (found.position, found.rounds, found.read_bytes) == ("", 1, 0)
    assert "every byte read by" in scrub_finding(zoo).value


def test_damaged_bytes_are_set_aside_audited_and_told_until_they_are_back(zoo, published, go):
    (file,) = published(files={"a": "12345"}).files
    damage(zoo, file.digest)
    step(zoo, go)
    assert not zoo.blobs.has(file.digest)
    entry = list_audit(zoo, limit=1)[0]
    assert (entry.action, entry.subject) == ("blob.quarantine", file.digest)
    assert "its bytes have sha256" in entry.detail["reason"]
    finding = scrub_finding(zoo)
    assert not finding.is_sound
    assert file.digest in finding.value
    zoo.blobs.put([b"12345"])
    assert scrub_finding(zoo).is_sound


def test_what_nothing_refers_to_is_no_fault_and_an_empty_zoo_no_round(zoo, go):
    zoo.blobs.put([b"sent and not named"])
    step(zoo, go)
    assert get_patrol(zoo) == replace(get_patrol(zoo), rounds=0, position="", faults={})


def test_a_state_that_cannot_be_read_begins_anew(zoo, published, go):
    published()
    (zoo.settings.home / "scrub.json").write_text("{")
    assert get_patrol(zoo).position == ""
    step(zoo, go)
    assert get_patrol(zoo).position != ""


def test_it_is_switched_off_by_the_settings_and_ends_when_stopped(zoo, published, go):
    published()
    off = replace(zoo, settings=zoo.settings.model_copy(update={"scrub_days": 0.0}))
    patrol(off, go)
    assert get_patrol(off).position == ""
    go.set()
    patrol(zoo, go)


def test_a_blob_that_was_not_read_to_its_end_is_read_again(zoo, published, go):
    published()
    go.set()
    assert step(zoo, go) == 0
    assert get_patrol(zoo).position == ""


def test_bytes_that_are_put_back_while_they_are_read_stay(zoo, published, go, monkeypatch):
    (file,) = published(files={"a": "12345"}).files
    damage(zoo, file.digest)

    def put_back(*_, **__):
        zoo.blobs.quarantine(file.digest)
        zoo.blobs.put([b"12345"])
        return "its bytes are others"

    monkeypatch.setattr("zoo.operations.patrol.find_fault", put_back)
    step(zoo, go)
    assert zoo.blobs.has(file.digest)
    assert get_patrol(zoo).faults == {}


@pytest.mark.parametrize("number", [24, 12, 13, 5])
def test_only_bytes_that_the_disk_has_lost_are_set_aside(zoo, published, go, monkeypatch, number):
    """Too many open files, for one, say nothing of the bytes; a crowd of clients makes them."""
    (file,) = published(files={"a": "12345"}).files
    is_lost = number == errno.EIO

    def refuse(_digest):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(zoo.blobs, "open", refuse)
    step(zoo, go)
    assert get_patrol(zoo).position == file.digest
    assert zoo.blobs.has(file.digest) != is_lost
    zoo.blobs.put([b"12345"])
    (fault,) = scrub(zoo, quarantines=True)
    assert "cannot be read" in fault.reason
    assert zoo.blobs.has(file.digest) != is_lost
