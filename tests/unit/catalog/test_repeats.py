"""Jobs that are to do the same as another."""

from zoo.catalog.attempts import Outcome, end_attempt
from zoo.catalog.repeats import find_unfinished
from zoo.domain.job import JobKind, JobState

DONE = Outcome(state=JobState.SUCCEEDED, result={"revision": "net@0"})


def test_an_unfinished_job_is_found_by_what_it_is_to_do(db, add, claim):
    add(model="other")
    job = add(model="net", files={"a": ["0", 1]})
    params = {"files": {"a": ["0", 1]}, "model": "net"}
    assert find_unfinished(db, JobKind.IMPORT, params).id == job.id
    claim(job.id)
    assert find_unfinished(db, JobKind.IMPORT, params).id == job.id
    assert find_unfinished(db, JobKind.FINETUNE, params) is None
    assert find_unfinished(db, JobKind.IMPORT, {"model": "net"}) is None


def test_a_finished_job_is_not_unfinished(db, add, claim, clock):
    add(model="net")
    end_attempt(db, claim(), DONE, now=clock())
    assert find_unfinished(db, JobKind.IMPORT, {"model": "net"}) is None
