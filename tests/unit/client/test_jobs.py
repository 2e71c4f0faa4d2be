"""A job of another zoo is followed to its end, whatever happens on the way."""

from datetime import UTC, datetime

import pytest

from zoo.client import jobs
from zoo.client.jobs import Jobs
from zoo.client.remote import Remote
from zoo.domain.job import Job, JobEvent, JobKind, JobState
from zoo.errors import Interrupted, ServerUnreachable

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def job(state, *numbers):
    events = tuple(
        JobEvent(number=number, attempt=1, at=NOW, step="fit", message=str(number))
        for number in numbers
    )
    return Job(
        id=7, kind=JobKind.IMPORT, state=state, params={}, attempt=1, created_at=NOW, events=events
    )


@pytest.fixture
def follow(monkeypatch):
    """A function that follows a job which is found so, look after look; gives what was heard."""
    monkeypatch.setattr(jobs.time, "sleep", lambda _s: None)

    def run(*looks):
        left, heard, asked = list(looks), [], []

        def look(_self, _number, *, after):
            asked.append(after)
            found = left.pop(0)
            if isinstance(found, BaseException):
                raise found
            return found

        monkeypatch.setattr(Jobs, "_look", look)
        client = Jobs(Remote("http://zoo.example.org"))
        done = client.finish_job(7, lambda event: heard.append(event.number))
        return done, heard, asked

    return run


def test_each_event_is_heard_once(follow):
    done, heard, asked = follow(
        job(JobState.QUEUED), job(JobState.RUNNING, 1, 2), job(JobState.SUCCEEDED, 3)
    )
    assert done.state is JobState.SUCCEEDED
    assert (heard, asked) == ([1, 2, 3], [0, 0, 2])


def test_a_server_that_is_started_again_is_waited_for(follow):
    gone = [ServerUnreachable()] * (jobs.PATIENCE - 1)
    done, _, _ = follow(
        job(JobState.RUNNING), *gone, job(JobState.RUNNING), *gone, job(JobState.FAILED)
    )
    assert done.state is JobState.FAILED


def test_one_that_stays_away_is_told(follow):
    with pytest.raises(ServerUnreachable):
        follow(*[ServerUnreachable()] * jobs.PATIENCE, job(JobState.FAILED))


def test_being_stopped_leaves_the_job_and_says_how_to_follow_it(follow):
    with pytest.raises(Interrupted, match="goes on at http://zoo") as raised:
        follow(job(JobState.RUNNING), KeyboardInterrupt())
    assert "zoo jobs follow 7 --at http://zoo.example.org" in raised.value.hint


def test_jobs_that_are_put_aside_are_waited_for_only_while_others_go_on(monkeypatch):
    monkeypatch.setattr(jobs.time, "sleep", lambda _s: None)
    paused, running, done = (
        job(one) for one in (JobState.PAUSED, JobState.RUNNING, JobState.SUCCEEDED)
    )
    looks = {7: [paused, paused, paused], 8: [running, running, done]}
    monkeypatch.setattr(Jobs, "_look", lambda _self, number, **_after: looks[number].pop(0))
    heard = []
    Jobs(Remote("http://zoo.example.org")).finish_jobs([7, 8], heard.append)
    assert [one.state for one in heard] == [paused.state, running.state] * 2 + [
        paused.state,
        done.state,
    ]
