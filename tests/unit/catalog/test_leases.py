"""Leases are judged by one clock, which is not the one on the wall."""

from datetime import timedelta

import pytest

from zoo.catalog import leases
from zoo.catalog.attempts import Outcome, end_attempt
from zoo.catalog.claiming import Claimant, claim_job
from zoo.catalog.jobs import add_job
from zoo.catalog.leases import Reading, extend_lease, look_at_lease, read_clock
from zoo.catalog.steering import pause_job
from zoo.domain.job import JobKind, JobState
from zoo.errors import LeaseLost

LEASE_S = 60


@pytest.fixture
def claim(db, clock):
    def claim(reading=None):
        return claim_job(
            db,
            Claimant(worker="w"),
            now=clock(),
            reading=reading or read_clock(db),
            lease_s=LEASE_S,
        )

    return claim


@pytest.fixture
def job(db, clock):
    return add_job(db, JobKind.IMPORT, {}, now=clock())


def later(reading, seconds):
    return Reading(clock=reading.clock, at_s=reading.at_s + seconds)


def test_the_clock_goes_on_by_itself(db):
    first, second = read_clock(db), read_clock(db)
    assert first.clock == second.clock
    assert first.at_s <= second.at_s


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_lease_outlasts_a_jump_of_the_wall_clock(db, claim, clock, monkeypatch, hours):
    add_job(db, JobKind.IMPORT, {}, now=clock())
    attempt = claim()
    clock.now += timedelta(hours=hours)
    monkeypatch.setattr(leases.time, "time", clock.now.timestamp)
    assert claim() is None
    extend_lease(db, attempt, reading=read_clock(db), lease_s=LEASE_S)
    assert claim(later(read_clock(db), LEASE_S - 10)) is None
    assert claim(later(read_clock(db), LEASE_S + 10)).number == 2


def test_a_lease_of_an_earlier_start_of_the_machine_has_run_out(job, claim):
    before = Reading(clock="boot before", at_s=1e9)
    assert claim(before).number == 1
    assert claim(Reading(clock="boot after", at_s=5)).number == 2
    assert job.id


def test_what_was_put_off_before_a_start_of_the_machine_is_due_after_it(db, job, claim, clock):
    before = Reading(clock="boot before", at_s=1e9)
    outcome = Outcome(state=JobState.QUEUED, pause_s=600)
    end_attempt(db, claim(before), outcome, now=clock(), reading=before)
    assert claim(later(before, 5)) is None
    assert claim(Reading(clock="boot after", at_s=5)) is not None
    assert job.id


def test_without_a_count_of_starts_the_wall_clock_has_to_do(db, monkeypatch):
    if db.get_bind().dialect.name == "postgresql":
        monkeypatch.setattr(leases, "find_boot", lambda: pytest.fail("not the server's clock"))
        assert read_clock(db).clock == "postgresql"
        return
    monkeypatch.setattr(leases, "find_boot", lambda: None)
    assert read_clock(db).clock == "wall"


def test_a_system_that_does_not_tell_its_start_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BOOT_ID", tmp_path / "nothing")
    assert leases.find_boot.__wrapped__() is None


def test_an_attempt_hears_that_its_job_is_to_be_put_aside(db, job, claim):
    attempt = claim()
    assert not look_at_lease(db, attempt)
    pause_job(db, job.id)
    assert look_at_lease(db, attempt)


def test_an_attempt_that_was_taken_over_hears_that(db, job, claim):
    attempt = claim()
    claim(later(read_clock(db), LEASE_S + 1))
    with pytest.raises(LeaseLost):
        look_at_lease(db, attempt)
    assert attempt.job == job.id
