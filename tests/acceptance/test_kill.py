"""kill -9 at any moment: no revision without its bytes, and the same command succeeds again.

The moments are drawn with a fixed seed over the time that an undisturbed run takes here, so that
they are spread over the whole run on a fast machine as on a slow one. ZOO_TEST_KILLS asks for more
of them.
"""

import os
import random
import shutil
import time

import pytest

from zoo.domain.job import JobKind
from zoo.operations import jobs
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

KILLS = int(os.environ.get("ZOO_TEST_KILLS", "12"))
QUICK_LEASE = {"ZOO_LEASE_S": "5"}  # A claim without a process is given back after that.
EACH = KILLS // 3
MADE = {"README.md", "config.json", "deploy.prototxt", "model.onnx", "model.safetensors"}
IMPORTED = MADE | {
    "layers.json",
    "lenet_digits.caffemodel",
    "original-readme.md",
    "parity.json",
}
TUNED = MADE | {"layers.json", "parity.json", "report.html", "training.json"}


@pytest.fixture(scope="module")
def durations():
    """How long an undisturbed run of each command takes on this machine."""
    return {}


def run_undisturbed(command, arguments, durations):
    """Run a command once in a home of its own, to learn how long it takes."""
    home = command.home
    if arguments[0] not in durations:
        spare = home.with_name("spare")
        if home.exists():
            shutil.copytree(home, spare)
        command.home = spare
        started = time.monotonic()
        command.ok(*arguments)
        durations[arguments[0]] = time.monotonic() - started
        command.home = home
    return durations[arguments[0]]


def kill_while_running(command, arguments, after_s):
    """Start a command and end all its processes after a while."""
    process = command.start(*arguments, env=QUICK_LEASE)
    time.sleep(after_s)
    command.kill_all()
    process.communicate()


@pytest.mark.parametrize("seed", range(EACH))
def test_a_killed_import_leaves_nothing_wrong(zoo_command, starter, check_store, durations, seed):
    arguments = ["import", starter, "--name", "lenet"]
    whole_s = run_undisturbed(zoo_command, arguments, durations)
    kill_while_running(zoo_command, arguments, random.Random(seed).uniform(0, whole_s))
    assert set(check_store()) <= {"lenet"}
    zoo_command.ok(*arguments, env=QUICK_LEASE)
    assert check_store() == {"lenet": IMPORTED}


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("seed", range(EACH))
def test_a_killed_fine_tune_leaves_nothing_wrong(zoo_command, digits, check_store, durations, seed):
    arguments = ["finetune", "lenet", digits, "--name", "mine"]
    whole_s = run_undisturbed(zoo_command, arguments, durations)
    kill_while_running(zoo_command, arguments, random.Random(seed).uniform(0, whole_s))
    assert set(check_store()) <= {"lenet", "mine"}
    zoo_command.ok(*arguments, env=QUICK_LEASE)
    assert check_store() == {"lenet": IMPORTED, "mine": TUNED}


@pytest.mark.usefixtures("imported")
def test_a_fine_tune_that_is_killed_again_and_again_succeeds_in_the_end(
    zoo_command, home, check_store
):
    arguments = ["finetune", "lenet", "digits", "--name", "mine"]
    for attempt in range(1, 4):
        process = zoo_command.start(*arguments, env=QUICK_LEASE)
        wait_for_attempt(home, attempt, process)
        zoo_command.kill_all()
        process.communicate()
    zoo_command.ok(*arguments, env=QUICK_LEASE)
    assert check_store() == {"lenet": IMPORTED, "mine": TUNED}


@pytest.mark.parametrize("seed", range(EACH))
def test_a_killed_upload_leaves_nothing_wrong(serve, starter, check_store, seed):
    chance = random.Random(seed)
    files = {path.name: path.read_bytes() for path in starter.iterdir()}
    with serve(**QUICK_LEASE) as server:
        if seed % 2:
            server.send_part_of_upload("lenet", files, share=chance.random())
        else:
            server.upload("lenet", files)
            time.sleep(chance.uniform(0, 2))  # The job's time, more or less.
        server.command.kill_all()
    assert set(check_store()) <= {"lenet"}
    with serve(**QUICK_LEASE) as server:
        status, answer = server.upload("lenet", files)
        assert status == 201
        assert server.wait_for(answer["job"])["state"] == "succeeded"
    assert check_store() == {"lenet": IMPORTED}


def wait_for_attempt(home, number, process):
    """Wait until an attempt of the fine-tune has begun to speak."""
    with open_zoo(read_settings(home=home)) as zoo:
        while process.poll() is None:
            newest = jobs.list_jobs(zoo, limit=1)[0]
            events = jobs.get_job(zoo, newest.id).events
            if newest.kind is JobKind.FINETUNE and any(one.attempt == number for one in events):
                return
            time.sleep(0.02)
    raise AssertionError(process.communicate())
