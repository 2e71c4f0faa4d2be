"""Sixteen processes that claim jobs, commit to one branch and sweep at once; run as a process.

Each has a home of its own where the store is in S3, as on a machine of its own. What each did is
written to stdout, a line of JSON each. Nothing is imported twice: they are forks of this one, which
has no threads and no connection yet.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from zoo.domain.revision import Blob
from zoo.errors import Conflict
from zoo.operations import jobs
from zoo.operations.commit import Change, commit, keep_upload
from zoo.operations.opening import open_zoo
from zoo.operations.sweep import sweep
from zoo.settings import read_settings

PROCESSES, COMMITS, SWEEPERS = 16, 2, 2
MODEL = "lab/net"


def work(zoo, number):
    """Do everything in turns; give the jobs that were claimed and the files that were committed."""
    claimed, committed, refused = [], {}, 0
    for turn in range(COMMITS):
        while attempt := jobs.claim(zoo, worker=f"process {number}"):
            claimed.append([attempt.job, attempt.number])
            jobs.succeed(zoo, attempt, {"by": number})
            if len(claimed) % 2:
                break
        path, data = f"{number}/{turn}", f"process {number}, turn {turn}".encode()
        announced = Blob(digest=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        while path not in committed:
            try:
                blob = keep_upload(zoo, MODEL, [data], announced=announced)
                change = Change(model=MODEL, message=path, added={path: blob})
                committed[path] = commit(zoo, change).id
            except Conflict:  # swept before it was named, or the branch moves too fast
                refused += 1
        if number < SWEEPERS:
            sweep(zoo)
    while attempt := jobs.claim(zoo, worker=f"process {number}"):
        claimed.append([attempt.job, attempt.number])
        jobs.succeed(zoo, attempt, {"by": number})
    return {"claimed": claimed, "committed": committed, "refused": refused}


def main():
    children = []
    for number in range(PROCESSES):
        child = os.fork()
        if child == 0:
            given = {}
            if os.environ.get("ZOO_STORE"):
                given["home"] = Path(os.environ["ZOO_HOME"]) / f"machine-{number}"
            with open_zoo(read_settings(**given)) as zoo:
                told = json.dumps(work(zoo, number))
            os.write(1, f"{told}\n".encode())
            os._exit(0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    sys.exit(main())
