"""Processes of jobs: what they started ends with them, also where they were killed."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from zoo.domain.job import Attempt
from zoo.worker import processes

SAFETY_S = 120
ATTEMPT = Attempt(job=1, number=1)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(is_done):
    give_up = time.monotonic() + SAFETY_S
    while not is_done():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_children_end_with_the_process_that_started_them():
    process = subprocess.Popen(
        ["sh", "-c", "sleep 600 & echo $!"], start_new_session=True, stdout=subprocess.PIPE
    )
    child = int(process.stdout.readline())
    running = processes.JobProcess(attempt=ATTEMPT, process=process)
    wait_for(lambda: not running.is_running)
    wait_for(lambda: not is_alive(child))
    process.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_ends_itself_and_its_children_once_its_attempt_does_not_count():
    program = """
        import subprocess, time
        from zoo.worker.progress import Progress
        from zoo.worker.run import end_lost
        print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
        progress = Progress(None, None)
        progress.lost.set()
        end_lost(progress, 0)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    child = int(process.stdout.readline())
    assert process.wait(SAFETY_S) == -9
    wait_for(lambda: not is_alive(child))
    process.stdout.close()


def test_a_process_is_an_orphan_only_when_its_worker_is_gone(zoo):
    name = processes.worker_name(zoo)
    zoo.log_path(ATTEMPT).parent.mkdir()
    dead = subprocess.Popen(["true"])
    dead.wait()
    of_dead = f"{name.rpartition(':')[0]}:{dead.pid}"
    assert processes.find_orphan(zoo, ATTEMPT, of_dead) is None  # It left no note.
    with processes.noted(zoo, ATTEMPT):
        assert processes.find_orphan(zoo, ATTEMPT, name) is None  # The worker is this process.
        assert processes.find_orphan(zoo, ATTEMPT, f"elsewhere:0123456789ab:{dead.pid}") is None
        if sys.platform == "linux":
            found = processes.find_orphan(zoo, ATTEMPT, of_dead)
            assert found.process.pid == os.getpid()
            assert found.is_running
            os.close(found.process.descriptor)
    assert processes.find_orphan(zoo, ATTEMPT, of_dead) is None


def test_a_note_of_a_number_that_is_another_process_by_now_means_nothing(zoo):
    dead = subprocess.Popen(["true"])
    dead.wait()
    note = zoo.log_path(ATTEMPT).with_suffix(".pid")
    note.parent.mkdir()
    note.write_text(f"{os.getpid()} 1")
    of_dead = f"{processes.worker_name(zoo).rpartition(':')[0]}:{dead.pid}"
    assert processes.find_orphan(zoo, ATTEMPT, of_dead) is None
