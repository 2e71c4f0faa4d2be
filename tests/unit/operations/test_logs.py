"""Logs of attempts, read in parts, wherever they lie."""

from dataclasses import replace
from datetime import timedelta

import pytest

from zoo.catalog import logs as rows
from zoo.domain.access import Caller
from zoo.domain.job import JobKind
from zoo.errors import JobNotFound, LogNotFound
from zoo.operations import logs
from zoo.operations.jobs import claim, enqueue, put_back, succeed
from zoo.operations.logs import keep_logs, read_log
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish, put_text
from zoo.operations.sweep import sweep
from zoo.settings import read_settings


@pytest.fixture
def attempt(zoo):
    return begin(zoo)


def begin(zoo, machine=None, model=None):
    job = enqueue(zoo, JobKind.VERIFY, {"model": model})
    return claim(zoo, worker=f"{machine or zoo.machine}:1", number=job.id)


def write(zoo, attempt, data):
    path = zoo.log_path(attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def test_a_log_is_read_from_where_the_last_part_ended(zoo, attempt):
    write(zoo, attempt, b"one\n")
    first = read_log(zoo, attempt.job)
    assert (first.text, first.offset, first.next, first.is_complete) == ("one\n", 0, 4, False)
    assert (first.attempt, first.worker) == (1, f"{zoo.machine}:1")
    write(zoo, attempt, b"two\n")
    assert read_log(zoo, attempt.job, offset=first.next).text == "two\n"
    assert read_log(zoo, attempt.job, offset=8).text == ""
    for beyond in (1000, 2**44, 2**62):
        part = read_log(zoo, attempt.job, offset=beyond)
        assert (part.text, part.offset, part.next) == ("", 8, 8)


def test_a_log_is_complete_when_its_attempt_has_ended(zoo, attempt):
    write(zoo, attempt, b"one\n")
    succeed(zoo, attempt, {})
    assert read_log(zoo, attempt.job).is_complete


def test_parts_are_bounded_and_cut_between_characters(zoo, attempt, monkeypatch):
    monkeypatch.setattr(logs, "MOST_BYTES", 4)
    write(zoo, attempt, "aé€b\xff".encode() + b"\xff!")
    succeed(zoo, attempt, {})
    parts, offset = [], 0
    while True:
        part = read_log(zoo, attempt.job, offset=offset)
        assert len(part.text.encode("utf-8", "replace")) <= 12
        parts.append(part.text)
        offset = part.next
        if part.is_complete:
            break
    assert "".join(parts) == "aé€bÿ\N{REPLACEMENT CHARACTER}!"


def test_a_character_that_is_not_whole_yet_is_waited_for(zoo, attempt):
    write(zoo, attempt, b"a\xe2\x82")
    part = read_log(zoo, attempt.job)
    assert (part.text, part.next) == ("a", 1)
    write(zoo, attempt, b"\xac")
    assert read_log(zoo, attempt.job, offset=1).text == "€"


def test_every_attempt_has_its_own(zoo, attempt):
    write(zoo, attempt, b"first")
    put_back(zoo, attempt)
    second = claim(zoo, worker=f"{zoo.machine}:2", number=attempt.job)
    assert read_log(zoo, attempt.job).text == ""  # It has not begun to print.
    write(zoo, second, b"second")
    assert read_log(zoo, attempt.job).text == "second"
    assert read_log(zoo, attempt.job, attempt=1).text == "first"


def test_what_is_not_there_is_told(zoo, attempt):
    with pytest.raises(JobNotFound):
        read_log(zoo, 99)
    with pytest.raises(JobNotFound):
        read_log(replace(zoo, caller=Caller(account="ada")), attempt.job)
    with pytest.raises(LogNotFound, match="no attempt 7"):
        read_log(zoo, attempt.job, attempt=7)
    waits = enqueue(zoo, JobKind.IMPORT, {"model": "net"})
    with pytest.raises(LogNotFound, match="has not begun yet"):
        read_log(zoo, waits.id)
    succeed(zoo, attempt, {})
    with pytest.raises(LogNotFound, match="gone"):
        read_log(zoo, attempt.job)


def test_a_log_of_another_machine_names_it(zoo):
    attempt = begin(zoo, machine="gpu-7:0123456789ab")
    with pytest.raises(LogNotFound, match="gpu-7 ran it") as caught:
        read_log(zoo, attempt.job)
    assert f"zoo logs {attempt.job}" in caught.value.hint
    assert caught.value.detail["machine"] == "gpu-7"


def test_a_zoo_of_one_machine_gives_its_logs_to_nobody(zoo, attempt):
    write(zoo, attempt, b"one")
    succeed(zoo, attempt, {})
    assert keep_logs(zoo) == 0


def test_machines_that_share_a_catalog_read_each_others_logs(tmp_path, postgresql_url, monkeypatch):
    shared = {"database_url": postgresql_url, "store": str(tmp_path / "blobs"), "grace_s": 0}
    with (
        open_zoo(read_settings(home=tmp_path / "here", **shared)) as here,
        open_zoo(read_settings(home=tmp_path / "there", **shared)) as there,
    ):
        monkeypatch.setattr(logs, "MOST_KEPT", 6)
        attempt = begin(there)
        write(there, attempt, b"before the end")
        assert keep_logs(there) == 0  # It may go on to print.
        with pytest.raises(LogNotFound):
            read_log(here, attempt.job)
        succeed(there, attempt, {})
        assert keep_logs(here) == 0
        assert [keep_logs(there), keep_logs(there)] == [1, 0]
        sweep(here)
        part = read_log(here, attempt.job)
        assert (part.text, part.is_complete) == ("he end", True)
        assert read_log(there, attempt.job).text == "before the end"


def test_logs_of_jobs_that_ended_long_ago_are_swept(zoo):
    ended, running, queued = (begin(zoo, model=name) for name in "abc")
    for one in (ended, running, queued):
        write(zoo, one, b"printed")
    succeed(zoo, ended, {"revision": "gone@" + "0" * 40})
    put_back(zoo, queued)
    days = zoo.settings.log_days
    early = replace(zoo, clock=lambda: zoo.clock() + timedelta(days=days - 1))
    late = replace(zoo, clock=lambda: zoo.clock() + timedelta(days=days + 1))
    never = replace(late, settings=zoo.settings.model_copy(update={"log_days": 0}))
    sweep(late, is_dry=True)
    assert [logs.sweep_logs(early), logs.sweep_logs(never)] == [0, 0]
    sweep(late)
    assert logs.sweep_logs(late) == 0
    assert not zoo.log_path(ended).exists()
    assert zoo.log_path(running).exists()
    assert zoo.log_path(queued).exists()
    with pytest.raises(LogNotFound) as told:
        read_log(zoo, ended.job)
    assert "ZOO_LOG_DAYS" in told.value.hint


def test_logs_of_jobs_whose_revisions_are_there_stay(zoo):
    files = {"a": put_text(zoo, "a")}
    revision = publish(zoo, Publication(model="net", files=files, message="made"))
    attempt = begin(zoo)
    write(zoo, attempt, b"printed")
    succeed(zoo, attempt, {"made": [{"revision": revision.address}]})
    late = replace(zoo, clock=lambda: zoo.clock() + timedelta(days=1000))
    assert logs.sweep_logs(late) == 0
    assert read_log(zoo, attempt.job).text == "printed"


def test_logs_that_the_store_was_given_are_swept_too(zoo):
    attempt = begin(zoo, "elsewhere")
    blob = put_text(zoo, "printed there")
    with zoo.catalog.writing() as db:
        rows.keep_log(db, attempt, blob.digest)
    late = replace(zoo, clock=lambda: zoo.clock() + timedelta(days=1000))
    assert logs.sweep_logs(late) == 0
    succeed(zoo, attempt, {})
    assert read_log(zoo, attempt.job).text == "printed there"
    assert [logs.sweep_logs(late), logs.sweep_logs(late)] == [1, 0]
    with pytest.raises(LogNotFound):
        read_log(zoo, attempt.job)
