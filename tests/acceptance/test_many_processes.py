"""Sixteen processes at once on one catalog and one store: nothing is lost, nothing done twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.catalog import garbage
from zoo.domain.job import JobKind, JobState
from zoo.operations import fetch, jobs
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.scrub import scrub
from zoo.settings import read_settings

SCRIPT = Path(__file__).with_name("many_processes.py")
JOBS = 48
PROCESSES, COMMITS = 16, 2
SAFETY_S = 500


@pytest.fixture(params=["sqlite and a folder", "postgresql and s3"])
def settings(request, home):
    if request.param == "sqlite and a folder":
        return read_settings(home=home, grace_s=0)
    more = request.getfixturevalue("s3_settings")
    url = request.getfixturevalue("postgresql_url")
    return read_settings(home=home, grace_s=0, database_url=url, **more)


def test_no_update_is_lost_no_job_is_taken_twice_and_no_byte_is_swept(settings):
    with open_zoo(settings) as zoo:
        files = {"first": zoo.blobs.put([b"first"])}
        publish(zoo, Publication(model="lab/net", files=files, message="first"))
        for number in range(JOBS):
            jobs.enqueue(zoo, JobKind.PREDICT, {"number": number})
    done = subprocess.run(
        [sys.executable, SCRIPT],
        env=os.environ | settings.as_environment() | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=SAFETY_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == PROCESSES
    claimed = sorted(one for process in told for one in process["claimed"])
    with open_zoo(settings) as zoo:
        every = jobs.list_jobs(zoo, limit=2 * JOBS)
        assert [one.state for one in every] == [JobState.SUCCEEDED] * JOBS
        assert claimed == sorted([one.id, 1] for one in every)
        committed = {path: id_ for process in told for path, id_ in process["committed"].items()}
        assert len(committed) == PROCESSES * COMMITS
        head = fetch.get_model(zoo, "lab/net").head
        assert {file.path for file in head.files} == {"first", *committed}
        history = fetch.list_revisions(zoo, "lab/net")
        # Each commit is one revision, put on top of another: a line without a fork.
        assert {one.id for one in history} == {*committed.values(), history[-1].id}
        assert len(history) == len(committed) + 1
        assert len({one.previous for one in history}) == len(history)
        assert scrub(zoo) == []
        with zoo.catalog.reading() as db:
            named = {blob.digest for blob in garbage.list_blobs(db)}
        assert named <= {blob.digest for blob in zoo.blobs.list_blobs()}
