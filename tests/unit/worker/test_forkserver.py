"""The process that is copied for each job."""

import sys
import time

import pytest

from zoo.domain.job import JobKind, JobState
from zoo.operations import jobs
from zoo.worker import processes
from zoo.worker.forkserver import ForkServer
from zoo.worker.local import LocalEngine, environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux")
SAFETY_S = 120


def claim(zoo):
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "m"})  # without files: it fails
    return jobs.claim(zoo, worker=processes.worker_name(zoo), number=job.id)


def wait_for(is_done):
    give_up = time.monotonic() + SAFETY_S
    while not is_done():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_copies_hold_one_attempt_each_and_outlive_nothing_but_the_server(zoo):
    server = ForkServer(environment(zoo))
    try:
        assert not server.is_ready
        wait_for(lambda: server.is_ready)
        for _ in range(2):
            attempt = claim(zoo)
            with processes.opened_log(zoo, attempt) as log:
                copy = server.fork(attempt, log.fileno())
            assert copy.pid != server._process.pid
            assert copy.wait(SAFETY_S) == 0
            assert copy.poll() == 0
            job = jobs.get_job(zoo, attempt.job)
            assert job.state is JobState.FAILED
            assert "Traceback" in zoo.log_path(attempt).read_text()
            assert not zoo.log_path(attempt).with_suffix(".pid").exists()
        server._process.kill()
        server._process.wait()
        attempt = claim(zoo)
        with processes.opened_log(zoo, attempt) as log, pytest.raises(OSError, match=r"."):
            server.fork(attempt, log.fileno())
        assert not server.is_alive
    finally:
        server.close()


def test_it_is_started_for_the_second_job_or_when_there_was_nothing_to_do(zoo, monkeypatch):
    started = []

    class Made:
        is_alive, is_ready = True, False

        def __init__(self, _environment):
            started.append(self)

        def close(self):
            self.is_alive = False

    monkeypatch.setattr("zoo.worker.local.ForkServer", Made)
    engine = LocalEngine(zoo=zoo)
    engine.tend(is_idle=True)
    engine._started = 1
    engine.tend(is_idle=False)
    assert started == []
    engine._started = 2
    engine.tend(is_idle=False)
    assert len(started) == 1
    started[0].is_alive = False  # It was killed; the next one is not made at once.
    engine.tend(is_idle=True)
    assert len(started) == 1
    monkeypatch.setattr("zoo.worker.local.IDLE_S", -1)
    engine.tend(is_idle=True)
    assert len(started) == 2
    engine.close()
    assert not started[1].is_alive
