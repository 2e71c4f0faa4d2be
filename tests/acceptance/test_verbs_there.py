"""Verbs over real processes: `zoo ... --at` against `zoo serve`, stopped by Ctrl-C on the way."""

import signal

import pytest


@pytest.mark.usefixtures("imported")
def test_a_job_of_another_zoo_outlives_who_follows_it(serve, zoo_command, digits, tmp_path):
    there = type(zoo_command)(tmp_path / "mine")  # a machine without a zoo of its own
    with serve() as server:
        at = ("--at", server.url)
        added = there.ok("datasets", "add", digits, "--name", "again", "--json", *at).json
        assert sum(added["counts"]["train"].values()) == 40
        process = there.start("finetune", "lenet", "again", "--name", "mine", *at)
        for line in process.stderr:
            if line.startswith("codes:"):
                break
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
        assert (process.returncode, out) == (130, "")
        assert "goes on at" in err
        assert f"zoo jobs follow 2 {' '.join(at)}" in err
        assert server.wait_for(2)["state"] == "succeeded"
        assert "succeeded" in there.ok("jobs", "follow", "2", *at).out
        assert there.ok("predict", "mine", min((digits / "7").iterdir()), *at).out
    assert not there.home.exists()
