"""Jobs whose process died, and jobs that another worker runs."""

import errno
import fcntl
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from zoo.catalog.attempts import count_attempts
from zoo.domain.job import Attempt, JobKind, JobState
from zoo.domain.terms import Terms
from zoo.errors import CatalogUnavailable, EngineUnavailable, NoHead, RankLost
from zoo.operations import failing, jobs, steering
from zoo.worker import processes
from zoo.worker.engines import open_engine
from zoo.worker.progress import Progress
from zoo.worker.run import run
from zoo.worker.several import run_jobs
from zoo.worker.supervisor import Supervisor, free_the_dead, run_job, stop_and_put_back


@pytest.fixture
def attempt(zoo):
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})
    return jobs.claim(zoo, worker=processes.worker_name(zoo), number=job.id)


def state(zoo, attempt):
    return jobs.get_job(zoo, attempt.job).state


def log_of(zoo, attempt):
    path = zoo.log_path(attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")


def test_a_job_of_another_machine_is_left_alone(zoo, attempt):
    log_of(zoo, attempt).close()  # of another job of that number, in an older catalog
    assert not processes.is_dead(zoo, attempt, "elsewhere/0123456789ab:1")


def test_a_job_that_was_claimed_and_not_started_yet_is_left_alone(zoo, attempt):
    free_the_dead(zoo, open_engine(zoo))
    assert state(zoo, attempt) is JobState.RUNNING


def test_a_job_whose_process_lives_is_left_alone(zoo, attempt):
    with log_of(zoo, attempt) as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        free_the_dead(zoo, open_engine(zoo))
        assert state(zoo, attempt) is JobState.RUNNING


def test_a_job_whose_process_died_waits_for_another_attempt(zoo, attempt):
    log_of(zoo, attempt).close()
    assert processes.is_dead(zoo, attempt, processes.worker_name(zoo))
    free_the_dead(zoo, open_engine(zoo))
    assert state(zoo, attempt) is JobState.QUEUED


def test_a_follower_hears_every_event_once_and_the_end(zoo, attempt):
    jobs.tell(zoo, attempt, "build", "one")
    jobs.tell(zoo, attempt, "export", "two")
    failing.fail(zoo, attempt, NoHead())
    heard = []
    job = run_job(zoo, attempt.job, heard.append)
    assert [event.message for event in heard] == ["one", "two"]
    assert job.state is JobState.FAILED


def test_what_nobody_foresaw_is_written_down_with_where_to_look(zoo, attempt, capsys):
    run(zoo, Progress(zoo, attempt))  # an import without files
    job = jobs.get_job(zoo, attempt.job)
    assert job.state is JobState.FAILED
    assert "KeyError" in job.error["error"]["message"]
    assert str(zoo.log_path(attempt)) in job.error["error"]["hint"]
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("is_spread", "ends"), [(True, JobState.QUEUED), (False, JobState.FAILED)])
def test_a_rank_that_a_cluster_lost_is_no_fault_of_the_job(
    zoo, attempt, monkeypatch, is_spread, ends
):
    def body(*_given):
        raise RankLost("a node went")

    monkeypatch.setattr("zoo.worker.import_.run", body)
    run(zoo, Progress(zoo, attempt, is_spread=is_spread))
    assert state(zoo, attempt) is ends


def test_an_attempt_that_does_not_count_any_more_writes_nothing(zoo, attempt):
    steering.cancel(zoo, attempt.job)
    progress = Progress(zoo, Attempt(job=attempt.job, number=attempt.number))
    progress.lost.set()
    run(zoo, progress)
    assert state(zoo, attempt) is JobState.CANCELLED


def test_a_job_that_was_stopped_waits_however_its_process_ended(zoo, attempt):
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    stop_and_put_back(zoo, processes.JobProcess(attempt=attempt, process=process))
    assert process.returncode is not None
    assert state(zoo, attempt) is JobState.QUEUED
    log_of(zoo, attempt).close()
    free_the_dead(zoo, open_engine(zoo))
    with zoo.catalog.reading() as db:
        assert count_attempts(db, attempt.job) == 0


def test_the_loop_outlives_a_fault_of_the_catalog(zoo, monkeypatch):
    monkeypatch.setattr("zoo.worker.supervisor.REST_S", 0.01)
    stop = threading.Event()
    faults = iter([CatalogUnavailable("gone"), CatalogUnavailable("gone")])

    def list_running(_zoo):
        for fault in faults:
            raise fault
        stop.set()
        return []

    monkeypatch.setattr(jobs, "list_running", list_running)
    Supervisor(zoo).loop(stop)
    assert next(faults, None) is None


def test_what_does_not_hear_that_its_job_is_cancelled_is_ended_after_a_grace(
    zoo, attempt, monkeypatch
):
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(); time.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", deaf], start_new_session=True, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    worker = Supervisor(zoo)
    worker.running.append(processes.JobProcess(attempt=attempt, process=process))
    steering.cancel(zoo, attempt.job)
    worker.step()
    assert process.poll() is None
    monkeypatch.setattr("zoo.worker.supervisor.GRACE_S", 0)
    worker.step()
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


class Deaf:
    """An execution that does not hear, by a clock that waiting moves on."""

    def __init__(self, attempt, clock):
        self.attempt, self.clock, self.done = attempt, clock, []

    @property
    def is_running(self):
        return "killed" not in self.done

    def ask_to_stop(self):
        self.done.append("asked")

    def await_end(self, timeout_s):
        self.clock[0] += timeout_s

    def kill(self):
        self.done.append("killed")


def test_jobs_that_do_not_hear_are_ended_after_one_grace_for_all(zoo, monkeypatch):
    clock = [100.0]
    worker = Supervisor(zoo)
    for number in range(3):
        job = jobs.enqueue(zoo, JobKind.VERIFY, {"model": str(number)})
        attempt = jobs.claim(zoo, worker=processes.worker_name(zoo), number=job.id)
        worker.running.append(Deaf(attempt, clock))
    with monkeypatch.context() as patch:
        patch.setattr("zoo.worker.supervisor.time.monotonic", lambda: clock[0])
        worker.close()
    assert clock[0] == 100 + processes.GRACE_S
    for one in worker.running:
        assert one.done == ["asked", "killed"]
        assert state(zoo, one.attempt) is JobState.QUEUED


def test_a_job_that_cannot_be_started_waits_for_another_attempt(zoo, monkeypatch):
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})
    worker = Supervisor(zoo)

    def submit(_self, _attempt):
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(type(worker.engine), "submit", submit)
    with pytest.raises(EngineUnavailable, match="no more processes"):
        worker.step()
    assert jobs.get_job(zoo, job.id).state is JobState.QUEUED


def queue_after(zoo, name, *numbers):
    asked = replace(zoo, terms=Terms(after=numbers))
    return jobs.enqueue(asked, JobKind.VERIFY, {"model": name}).id


def test_following_a_job_that_has_ended_runs_nothing_before_it(zoo):
    parent = queue_after(zoo, "parent")
    child = queue_after(zoo, "child", parent)
    steering.cancel(zoo, child)
    assert run_job(zoo, child, print).state is JobState.CANCELLED
    assert jobs.get_job(zoo, parent).state is JobState.QUEUED
    assert jobs.list_unfinished_before(zoo, child) == []


def test_each_job_before_another_is_looked_at_once_however_many_ways_lead_to_it(zoo):
    levels = [[queue_after(zoo, "0-0"), queue_after(zoo, "0-1")]]
    for level in range(1, 30):  # 2 ** 30 ways
        levels.append([queue_after(zoo, f"{level}-{one}", *levels[-1]) for one in range(2)])
    last = queue_after(zoo, "last", *levels[-1])
    assert jobs.list_unfinished_before(zoo, last) == [one for each in levels for one in each]
    for number in levels[0]:
        jobs.succeed(zoo, jobs.claim(zoo, worker="w", number=number), {})
    assert jobs.list_unfinished_before(zoo, last)[0] == levels[1][0]


def test_jobs_that_are_put_aside_hold_nobody_up(zoo):
    numbers = [queue_after(zoo, name) for name in ("one", "other")]
    for number in numbers:
        steering.pause(zoo, number)
    seen = []
    run_jobs(zoo, numbers, seen.append)
    assert [(one.id, one.state) for one in seen] == [(one, JobState.PAUSED) for one in numbers]
