"""The life of a job, seen by those who queue it and those who do it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from zoo.catalog import jobs as rows
from zoo.catalog import repeats
from zoo.catalog.leases import Reading, read_clock
from zoo.domain.access import Caller, Role
from zoo.domain.job import JobKind, JobState
from zoo.domain.resources import Needs
from zoo.domain.retries import POLICIES
from zoo.domain.terms import HIGHEST, LOWEST, Terms
from zoo.errors import (
    CatalogUnavailable,
    Conflict,
    Forbidden,
    Invalid,
    JobNotFound,
    LeaseLost,
    NoHead,
    StoreUnavailable,
)
from zoo.operations import jobs
from zoo.operations.access import list_audit

PARAMS = {"model": "net", "files": {"a": ["0", 1]}}


@pytest.fixture
def job(zoo):
    """A job in the queue."""
    return jobs.enqueue(zoo, JobKind.IMPORT, PARAMS)


@pytest.fixture
def attempt(zoo, job):
    """An attempt that holds it."""
    return jobs.claim(zoo, worker="here-1", number=job.id)


def later(zoo, seconds=None):
    """Give the zoo some seconds later by the clock of leases, or when all leases have run out."""
    more = zoo.settings.lease_s + 1 if seconds is None else seconds

    def read(db):
        found = read_clock(db)
        return replace(found, at_s=found.at_s + more)

    return replace(zoo, lease_clock=read)


def test_an_unfinished_job_that_is_to_do_the_same_is_taken_up_again(zoo, job):
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id == job.id
    jobs.claim(zoo, worker="here-1")
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id == job.id


@pytest.mark.parametrize(
    ("kind", "params"), [(JobKind.FINETUNE, PARAMS), (JobKind.IMPORT, PARAMS | {"model": "vgg"})]
)
def test_another_job_is_queued_beside_it(zoo, job, kind, params):
    assert jobs.enqueue(zoo, kind, params).id != job.id


def test_a_finished_job_is_queued_anew(zoo, job):
    jobs.cancel(zoo, job.id)
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id != job.id


def test_a_job_that_somebody_adds_between_the_two_looks_is_taken_up(zoo, monkeypatch):
    added, find = [], rows.find_last_number

    def look(db):
        last = find(db)
        if not added:
            added.append(None)
            added[0] = jobs.enqueue(zoo, JobKind.IMPORT, PARAMS)
        return last

    monkeypatch.setattr(rows, "find_last_number", look)
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id == added[0].id
    assert len(jobs.list_jobs(zoo)) == 1


def test_a_job_that_ends_between_the_two_looks_is_queued_anew(zoo, job, monkeypatch):
    find = repeats.find_unfinished

    def look(db, *given, **more):
        found = find(db, *given, **more)
        if "at" not in more:
            jobs.cancel(zoo, found.id)
        return found

    monkeypatch.setattr(repeats, "find_unfinished", look)
    assert jobs.enqueue(zoo, JobKind.IMPORT, PARAMS).id != job.id


def test_under_the_lock_of_writers_no_more_is_read_however_long_the_queue_is(zoo):
    for number in range(30):
        jobs.enqueue(zoo, JobKind.IMPORT, {"model": f"net-{number}"})
    params = {"model": "net-3"}
    with zoo.catalog.reading() as db:
        last = rows.find_last_number(db)
        assert repeats.find_unfinished(db, JobKind.IMPORT, params).id == 4
        assert not repeats.find_unfinished(db, JobKind.IMPORT, params, after=last)
        assert repeats.find_unfinished(db, JobKind.IMPORT, params, after=last, at=4).id == 4
        assert not repeats.find_unfinished(db, JobKind.IMPORT, params, after=last, at=5)


def test_a_job_is_claimed_by_one(zoo, job, attempt):
    assert attempt.job == job.id
    assert jobs.claim(zoo, worker="there-2") is None
    assert [running.job for running, _ in jobs.list_running(zoo)] == [job.id]


def test_a_job_that_is_kept_alive_is_kept(zoo, attempt):
    keeper = later(zoo)
    jobs.keep_alive(keeper, attempt)
    assert jobs.claim(keeper, worker="there-2") is None


def test_a_job_that_falls_silent_is_taken_over(zoo, attempt):
    newer = jobs.claim(later(zoo), worker="there-2")
    assert (newer.job, newer.number) == (attempt.job, 2)
    for write in (jobs.keep_alive, jobs.put_back):
        with pytest.raises(LeaseLost):
            write(zoo, attempt)


def test_what_an_attempt_tells_is_heard(zoo, job, attempt):
    jobs.tell(zoo, attempt, "plan", "five folds")
    jobs.tell(zoo, attempt, "codes", "pictures", done=16, total=32)
    first, second = jobs.get_job(zoo, job.id).events
    assert (first.step, first.message, first.done) == ("plan", "five folds", None)
    assert (second.done, second.total) == (16, 32)
    assert jobs.get_job(zoo, job.id, after=1).events == (second,)


def test_a_job_that_is_put_back_waits(zoo, job, attempt):
    jobs.put_back(zoo, attempt)
    assert jobs.get_job(zoo, job.id).state is JobState.QUEUED


def test_a_job_that_fails_says_why(zoo, job, attempt):
    jobs.fail(zoo, attempt, NoHead("It ends in a pooling."))
    found = jobs.get_job(zoo, job.id)
    assert found.state is JobState.FAILED
    assert found.error["error"]["message"] == "It ends in a pooling."


def test_a_job_that_publishes_nothing_succeeds_with_what_it_found(zoo, job, attempt):
    jobs.succeed(zoo, attempt, {"accuracy": 0.5})
    done = jobs.get_job(zoo, job.id)
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"accuracy": 0.5})
    with pytest.raises(LeaseLost):
        jobs.succeed(zoo, attempt, {})


def test_a_job_that_is_lost_waits_and_at_the_third_time_fails(zoo, job):
    states = []
    for _ in range(3):
        attempt = jobs.claim(zoo, worker="here-1")
        jobs.lose(zoo, attempt)
        states.append(jobs.get_job(zoo, job.id).state)
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.FAILED]
    error = jobs.get_job(zoo, job.id).error["error"]
    assert "died 3 times" in error["message"]
    assert str(zoo.log_path(attempt)) in error["hint"]


def test_leases_that_run_out_count_apart_and_at_the_tenth_the_job_is_given_up(zoo, job):
    now = Reading(clock="test", at_s=0.0)
    zoo = replace(zoo, lease_clock=lambda _db: now)
    jobs.lose(zoo, jobs.claim(zoo, worker="here:home:1"))
    for _ in range(10):
        last = jobs.claim(zoo, worker="there:home:1")
        assert last is not None
        now = Reading(clock="test", at_s=now.at_s + 10 * zoo.settings.lease_s)
    assert jobs.get_job(zoo, job.id).state is JobState.RUNNING
    assert jobs.claim(zoo, worker="elsewhere:home:1") is None
    failed = jobs.get_job(zoo, job.id)
    assert failed.state is JobState.FAILED
    assert [one.outcome for one in failed.attempts] == ["lost", *["lapsed"] * 10, "failed"]
    error = failed.error["error"]
    assert "ran out 10 times" in error["message"]
    assert f"attempt {last.number} on there" in error["message"]  # the last one that ran
    assert error["hint"].endswith(f"zoo logs {job.id} --attempt {last.number}")


def test_interruptions_do_not_count_as_losses(zoo, job):
    for _ in range(5):
        jobs.put_back(zoo, jobs.claim(zoo, worker="here-1"))
    jobs.lose(zoo, jobs.claim(zoo, worker="here-1"))
    assert jobs.get_job(zoo, job.id).state is JobState.QUEUED


def test_an_attempt_that_wrote_down_its_end_is_not_lost(zoo, job, attempt):
    jobs.put_back(zoo, attempt)
    newer = jobs.claim(zoo, worker="here-1")
    jobs.lose(zoo, attempt)
    assert jobs.get_job(zoo, job.id).state is JobState.RUNNING
    jobs.keep_alive(zoo, newer)


def test_a_job_can_be_cancelled_at_any_time_and_again(zoo, job, attempt):
    assert jobs.cancel(zoo, job.id).state is JobState.CANCELLED
    assert jobs.cancel(zoo, job.id).state is JobState.CANCELLED
    with pytest.raises(LeaseLost):
        jobs.tell(zoo, attempt, "codes", "too late")


@pytest.mark.parametrize("ask", [jobs.get_job, jobs.cancel])
@pytest.mark.parametrize("number", [7, 10**20])
def test_an_unknown_number_is_not_found(zoo, ask, number):
    with pytest.raises(JobNotFound, match=str(number)):
        ask(zoo, number)


def test_jobs_are_listed_the_newest_first(zoo):
    numbers = [jobs.enqueue(zoo, JobKind.IMPORT, {"n": n}).id for n in range(3)]
    assert [job.id for job in jobs.list_jobs(zoo)] == numbers[::-1]
    assert [job.id for job in jobs.list_jobs(zoo, limit=1)] == numbers[-1:]


ADA = Caller(account="ada", roles={"ada": Role.WRITE})


@pytest.fixture
def ada(zoo):
    """The zoo as an account sees it that does not look after it."""
    return replace(zoo, caller=ADA)


def enqueue(zoo, number, **terms):
    """Queue a job of that number on some terms; give its number in the queue."""
    on_terms = replace(zoo, terms=Terms(**terms))
    return jobs.enqueue(on_terms, JobKind.IMPORT, {"number": number}).id


def end(zoo, number, error=None):
    """Have a job succeed, or fail with an error."""
    attempt = jobs.claim(zoo, worker="w", number=number)
    if error is None:
        jobs.succeed(zoo, attempt, {"revision": f"net@{number}"})
    else:
        jobs.fail(zoo, attempt, error)


def states(zoo, *numbers):
    return [jobs.get_job(zoo, number).state.value for number in numbers]


def test_a_job_keeps_the_terms_on_which_it_was_queued(zoo):
    first = enqueue(zoo, 1)
    needs = Needs(threads=2, memory_bytes=3, gpus=1)
    job = jobs.get_job(zoo, enqueue(zoo, 2, priority=5, after=(first,), needs=needs))
    assert (job.priority, job.after, job.threads, job.memory_bytes, job.gpus) == (5, (1,), 2, 3, 1)
    assert job.state is JobState.WAITING


def at(zoo, seconds):
    """Give the zoo at so many seconds by a clock of leases that stands still."""
    return replace(zoo, lease_clock=lambda _db: Reading(clock="test", at_s=seconds))


def test_an_error_that_may_pass_is_tried_again_after_longer_and_longer_pauses(zoo, job):
    policy, now = POLICIES[JobKind.IMPORT], 0
    attempt = jobs.claim(at(zoo, now), worker="w")
    for retry in range(policy.most_retries):
        jobs.fail(at(zoo, now), attempt, StoreUnavailable("gone"))
        assert jobs.get_job(zoo, job.id).state is JobState.QUEUED
        now += policy.pause_s(retry)
        assert jobs.claim(at(zoo, now - 0.5), worker="w") is None
        attempt = jobs.claim(at(zoo, now), worker="w")
    jobs.fail(at(zoo, now), attempt, StoreUnavailable("gone for good"))
    done = jobs.get_job(zoo, job.id)
    assert done.state is JobState.FAILED
    assert done.error["error"]["message"] == "gone for good"
    assert [one.outcome for one in done.attempts] == ["retried"] * policy.most_retries + ["failed"]
    assert done.attempts[0].error["error"]["code"] == "store_unavailable"
    assert [event.message for event in done.events][:2] == [
        "gone It is tried again in 5 s.",
        "gone It is tried again in 10 s.",
    ]


def test_an_end_is_written_down_when_the_catalog_is_back(zoo, job, attempt, monkeypatch):
    monkeypatch.setattr(jobs, "REST_S", 0)
    faults, write = iter([CatalogUnavailable(), CatalogUnavailable()]), jobs._fail

    def fail(*given):
        for fault in faults:
            raise fault
        write(*given)

    monkeypatch.setattr(jobs, "_fail", fail)
    jobs.fail(zoo, attempt, NoHead())
    assert states(zoo, job.id) == ["failed"]


def test_a_catalog_that_stays_away_is_not_waited_for_longer_than_the_lease(zoo, monkeypatch):
    monkeypatch.setattr(jobs, "REST_S", 0)
    short = replace(zoo, settings=zoo.settings.model_copy(update={"lease_s": 0.01}))
    number = enqueue(zoo, 1)
    attempt = jobs.claim(short, worker="w", number=number)

    def fail(*_):
        raise CatalogUnavailable

    monkeypatch.setattr(jobs, "_fail", fail)
    with pytest.raises(CatalogUnavailable):
        jobs.fail(short, attempt, NoHead())


def test_a_job_waits_for_those_that_it_comes_after(zoo):
    first, second = enqueue(zoo, 1), enqueue(zoo, 2)
    last = enqueue(zoo, 3, after=(second, first, first))
    assert jobs.get_job(zoo, last).after == (first, second)
    assert jobs.claim(zoo, worker="w", number=last) is None
    end(zoo, first)
    assert states(zoo, last) == ["waiting"]
    end(zoo, second)
    assert states(zoo, last) == ["queued"]
    assert jobs.claim(zoo, worker="w").job == last


def test_a_job_after_one_that_has_succeeded_waits_for_nothing(zoo):
    first = enqueue(zoo, 1)
    end(zoo, first)
    assert states(zoo, enqueue(zoo, 2, after=(first,))) == ["queued"]


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
def test_what_comes_after_a_job_that_did_not_succeed_ends_as_it_did(zoo, ending):
    first = enqueue(zoo, 1)
    second = enqueue(zoo, 2, after=(first,))
    third, aside = enqueue(zoo, 3, after=(second,)), enqueue(zoo, 4, after=(second,))
    beside = enqueue(zoo, 5)
    jobs.pause(zoo, aside)
    if ending == "failed":
        end(zoo, first, NoHead("It ends in a pooling."))
    else:
        jobs.cancel(zoo, first)
    assert states(zoo, first, second, third, aside, beside) == [ending] * 4 + ["queued"]
    told = jobs.get_job(zoo, third).error["error"]
    assert told["code"] == "earlier_job_failed"
    assert f"Job {first}, " in told["message"]
    assert f"by way of job {second}" in told["message"]
    assert ("It ends in a pooling." in told["message"]) == (ending == "failed")
    assert f"zoo jobs rerun {first}" in told["hint"]
    assert jobs.get_job(zoo, third).finished_at is not None


def test_nothing_comes_after_a_job_that_is_not_there_or_did_not_succeed(zoo, ada):
    first = enqueue(zoo, 1)
    with pytest.raises(JobNotFound, match="99"):
        enqueue(zoo, 2, after=(99,))
    with pytest.raises(JobNotFound):
        enqueue(ada, 2, after=(first,))  # which is another's
    jobs.cancel(zoo, first)
    with pytest.raises(Conflict, match="was cancelled"):
        enqueue(zoo, 2, after=(first,))
    assert len(jobs.list_jobs(zoo)) == 1


def test_a_job_that_waits_is_put_aside_and_resumed(zoo):
    first = enqueue(zoo, 1)
    second = enqueue(zoo, 2, after=(first,))
    assert [jobs.pause(zoo, number).state.value for number in (first, second)] == ["paused"] * 2
    assert jobs.claim(zoo, worker="w") is None
    assert jobs.resume(zoo, second).state is JobState.WAITING
    assert jobs.resume(zoo, first).state is JobState.QUEUED
    jobs.pause(zoo, second)
    end(zoo, first)
    assert states(zoo, second) == ["paused"]
    assert jobs.resume(zoo, second).state is JobState.QUEUED


def test_a_job_that_runs_is_put_aside_when_its_attempt_stops(zoo, job, attempt):
    paused = jobs.pause(zoo, job.id)
    assert (paused.state, paused.is_pausing) == (JobState.RUNNING, True)
    assert jobs.is_pausing(zoo, attempt)
    jobs.put_back(zoo, attempt)
    found = jobs.get_job(zoo, job.id)
    assert (found.state, found.is_pausing) == (JobState.PAUSED, False)
    assert found.attempts[0].outcome == "paused"
    assert jobs.claim(zoo, worker="w") is None
    jobs.resume(zoo, job.id)
    assert jobs.claim(zoo, worker="w").number == 2


def test_an_attempt_that_is_lost_while_it_is_put_aside_leaves_it_so(zoo, job, attempt):
    jobs.pause(zoo, job.id)
    jobs.lose(zoo, attempt)
    assert states(zoo, job.id) == ["paused"]


def test_a_job_that_is_resumed_before_it_stopped_goes_on(zoo, job, attempt):
    jobs.pause(zoo, job.id)
    jobs.resume(zoo, job.id)
    assert not jobs.is_pausing(zoo, attempt)
    jobs.put_back(zoo, attempt)
    assert states(zoo, job.id) == ["queued"]


def test_a_job_that_succeeds_while_it_is_put_aside_has_succeeded(zoo, job, attempt):
    jobs.pause(zoo, job.id)
    jobs.succeed(zoo, attempt, {})
    assert states(zoo, job.id) == ["succeeded"]


def test_a_job_that_was_put_aside_is_resumed_when_it_is_asked_for_again(zoo, job):
    jobs.pause(zoo, job.id)
    again = jobs.enqueue(zoo, JobKind.IMPORT, PARAMS)
    assert (again.id, again.state) == (job.id, JobState.QUEUED)


@pytest.mark.parametrize("change", [jobs.pause, jobs.resume])
def test_a_finished_job_stays_as_it_is(zoo, job, change):
    jobs.cancel(zoo, job.id)
    assert change(zoo, job.id).state is JobState.CANCELLED
    assert jobs.set_priority(zoo, job.id, 5).priority == 0


def test_a_priority_is_changed_and_counts(zoo):
    enqueue(zoo, 1)
    other = enqueue(zoo, 2)
    assert jobs.set_priority(zoo, other, 1).priority == 1
    assert jobs.claim(zoo, worker="w").job == other


def test_accounts_order_their_own_jobs_and_go_before_nobody_else(zoo, ada):
    number = enqueue(ada, 1, priority=LOWEST)
    assert jobs.set_priority(ada, number, -3).priority == -3
    for priority in (1, HIGHEST):
        with pytest.raises(Forbidden, match="before those of others"):
            enqueue(ada, 2, priority=priority)
        with pytest.raises(Forbidden):
            jobs.set_priority(ada, number, priority)
    assert jobs.set_priority(zoo, number, HIGHEST).priority == HIGHEST
    with pytest.raises(Forbidden):  # what an admin has decided
        jobs.set_priority(ada, number, 0)
    for priority in (LOWEST - 1, HIGHEST + 1):
        with pytest.raises(Invalid):
            jobs.set_priority(zoo, number, priority)


def test_jobs_of_others_are_not_there(ada, job):
    for change in (jobs.pause, jobs.resume, jobs.cancel):
        with pytest.raises(JobNotFound):
            change(ada, job.id)
    with pytest.raises(JobNotFound):
        jobs.set_priority(ada, job.id, -1)


def test_whatever_is_done_to_a_job_is_audited(zoo, job):
    jobs.set_priority(zoo, job.id, 2)
    jobs.pause(zoo, job.id)
    jobs.resume(zoo, job.id)
    jobs.cancel(zoo, job.id)
    found = list_audit(zoo, subject=f"job {job.id}")
    assert [entry.action for entry in reversed(found)] == [
        "job.priority",
        "job.pause",
        "job.resume",
        "job.cancel",
    ]
    assert found[-1].detail == {"before": 0, "to": 2}


@pytest.mark.parametrize("hours", [-7, 7])
def test_a_worker_whose_clock_jumps_keeps_its_lease_and_takes_nobodys(zoo, job, attempt, hours):
    wrong = replace(zoo, clock=lambda: zoo.clock() + timedelta(hours=hours))
    jobs.keep_alive(wrong, attempt)  # by the one whose clock has jumped
    assert jobs.claim(zoo, worker="there-2") is None
    jobs.keep_alive(zoo, attempt)  # by another
    assert jobs.claim(wrong, worker="there-2") is None
    jobs.tell(wrong, attempt, "fit", "as if nothing had happened")
    jobs.succeed(wrong, attempt, {})
    assert states(zoo, job.id) == ["succeeded"]


@pytest.mark.parametrize(
    ("terms", "named", "hint"),
    [
        (Terms(priority=-5), "priority", "zoo jobs priority 1 -5"),
        (Terms(needs=Needs(threads=4)), "threads", "zoo jobs cancel 1"),
        (Terms(needs=Needs(memory_bytes=2**30)), "memory_bytes", "zoo jobs cancel 1"),
        (Terms(after=(2,)), "after", "zoo jobs cancel 1"),
        (Terms(after=(99,)), "after", "zoo jobs cancel 1"),
        (Terms(priority=-5, after=(2,)), "priority, after", "zoo jobs cancel 1"),
    ],
)
def test_terms_that_would_be_dropped_are_refused(zoo, job, terms, named, hint):
    jobs.enqueue(zoo, JobKind.VERIFY, {"model": None})
    jobs.pause(zoo, job.id)
    before = jobs.get_job(zoo, job.id)
    with pytest.raises(Conflict, match=f"Job 1 .* on other terms: {named}") as caught:
        jobs.enqueue(replace(zoo, terms=terms), JobKind.IMPORT, PARAMS)
    assert hint in caught.value.hint
    assert jobs.get_job(zoo, job.id) == before


def test_terms_that_are_the_same_or_left_out_take_a_job_up_again(zoo):
    earlier, done = (jobs.enqueue(zoo, JobKind.VERIFY, {"model": one}) for one in ("a", "b"))
    jobs.succeed(zoo, jobs.claim(zoo, worker="w", number=done.id), {})
    terms = Terms(priority=-5, after=(earlier.id,), needs=Needs(threads=2, memory_bytes=2**20))
    asked = jobs.enqueue(replace(zoo, terms=terms), JobKind.IMPORT, PARAMS)
    for again in (terms, Terms(), Terms(priority=-5), Terms(after=(earlier.id, done.id))):
        taken = jobs.enqueue(replace(zoo, terms=again), JobKind.IMPORT, PARAMS)
        assert (taken.id, taken.priority, taken.after) == (asked.id, -5, (earlier.id,))


def test_an_account_has_no_more_unfinished_jobs_than_it_may(zoo):
    few = replace(zoo, settings=zoo.settings.model_copy(update={"quota_jobs": 2}))
    ada = replace(few, caller=Caller(account="ada", roles={"ada": Role.WRITE}))
    first, _ = (jobs.enqueue(ada, JobKind.IMPORT, {"model": f"ada/{one}"}) for one in range(2))
    assert jobs.enqueue(ada, JobKind.IMPORT, dict(first.params)).id == first.id
    with pytest.raises(Conflict, match="'ada' may have 2 jobs that are not finished, and has 2"):
        jobs.enqueue(ada, JobKind.IMPORT, {"model": "ada/more"})
    for one in range(3):  # Those who look after the zoo may have any.
        jobs.enqueue(few, JobKind.IMPORT, {"model": str(one)})
    jobs.cancel(ada, first.id)
    assert jobs.enqueue(ada, JobKind.IMPORT, {"model": "ada/more"}).account == "ada"
