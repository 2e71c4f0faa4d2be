"""The benchmark of scheduling, a short one: fair between owners, and no job taken twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "scheduling.py"
JOBS, OWNERS, WORKERS = 40, 4, 4


def test_a_queue_is_drained_fairly_and_each_job_once(postgresql_url, tmp_path):
    given = {"--jobs": JOBS, "--owners": OWNERS, "--workers": WORKERS}
    arguments = [str(one) for pair in given.items() for one in pair]
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--postgresql", postgresql_url, "--json"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(one["database"], one["workers"]) for one in found] == [
        ("SQLite", 1),
        ("SQLite", WORKERS),
        ("PostgreSQL", 1),
        ("PostgreSQL", WORKERS),
    ]
    for one in found:
        assert (one["ended"], one["doubles"]) == (JOBS, 0)
        assert one["lead"] is None or one["lead"] <= 1
