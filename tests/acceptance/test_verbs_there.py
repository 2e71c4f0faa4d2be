"""Verbs over real processes: `zoo ... --at` against `zoo serve`, stopped by Ctrl-C on the way."""

import signal
import time

import pytest

from zoo.operations import jobs
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings


@pytest.mark.usefixtures("imported")
def test_a_job_of_another_zoo_outlives_who_follows_it(serve, zoo_command, digits, tmp_path):
    there = type(zoo_command)(tmp_path / "mine")  # a machine without a zoo of its own
    settings = read_settings(home=zoo_command.home)
    with serve(ZOO_WORKER_SLOTS="0") as server, open_zoo(settings) as zoo:
        at = ("--at", server.url)
        added = there.ok("datasets", "add", digits, "--name", "again", "--json", *at).json
        assert sum(added["counts"]["train"].values()) == 40
        process = there.start("finetune", "lenet", "again", "--name", "mine", *at)
        # The test is the first worker: the job goes on for as long as somebody looks at it.
        while not (attempt := jobs.claim(zoo, worker="the test")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        jobs.tell(zoo, attempt, "codes", "of the test", done=1, total=3)
        assert process.stderr.readline().startswith("codes: of the test")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
        assert (process.returncode, out) == (130, "")
        assert "goes on at" in err
        assert f"zoo jobs follow 2 {' '.join(at)}" in err
        jobs.put_back(zoo, attempt)
        worker = zoo_command.start("worker")
        assert server.wait_for(2)["state"] == "succeeded"
        worker.terminate()
        worker.communicate()
        assert "succeeded" in there.ok("jobs", "follow", "2", *at).out
        assert there.ok("predict", "mine", min((digits / "7").iterdir()), *at).out
    assert not there.home.exists()
