"""What scheduling costs, and how fair it is: many small jobs of several owners, taken and ended.

    python benchmarks/scheduling.py [--jobs 1000] [--owners 10] [--workers 8] [--slots 4]
        [--postgresql URL] [--json]

One worker with some slots drains the queue, which was filled owner by owner: the lead is by how
many jobs one owner was ahead of another while both still had jobs. The cost is CPU milliseconds of
claiming a job and of ending it, with the database's own. Then several processes drain a queue at
once: no job may be taken twice. SQLite is always measured, PostgreSQL where a URL of a database is
given; it is measured in a schema of its own.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from zoo.domain.access import Caller
from zoo.domain.job import Attempt, JobKind
from zoo.domain.resources import Room
from zoo.operations import jobs
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import Settings, read_settings

TICKS = os.sysconf("SC_CLK_TCK")
GIB = 2**30
MACHINE = "bench:home"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What came of draining a queue."""

    database: str
    workers: int
    jobs: int
    ended: int
    doubles: int  # jobs that were taken more than once
    lead: int | None  # of one owner before another, where one worker drained
    claim_ms: float  # CPU a job, of the process and, on PostgreSQL, of its server
    end_ms: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--owners", type=int, default=10)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--postgresql", help="URL of a database, such as postgresql+psycopg://...")
    parser.add_argument("--json", action="store_true", help="write JSON")
    options = parser.parse_args()
    found = []
    for url in ("", options.postgresql):
        if url is None:
            continue
        for workers in (1, options.workers):
            with catalog(url) as settings:
                found.append(measure(settings, options, workers))
    if options.json:
        print(json.dumps([asdict(one) for one in found]))
        return
    print("database    workers  jobs  ended  doubles  lead  claim CPU ms  end CPU ms")
    for one in found:
        lead = "-" if one.lead is None else one.lead
        print(
            f"{one.database:<10}  {one.workers:>7}  {one.jobs:>4}  {one.ended:>5}"
            f"  {one.doubles:>7}  {lead:>4}  {one.claim_ms:>12.2f}  {one.end_ms:>10.2f}"
        )


@contextmanager
def catalog(url: str) -> Iterator[Settings]:
    """Give settings of an empty zoo, over SQLite or a schema of its own in PostgreSQL."""
    home = Path(tempfile.mkdtemp(prefix="zoo-scheduling-"))
    schema = f"scheduling_{uuid.uuid4().hex}"
    try:
        if not url:
            yield read_settings(home=home)
            return
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
        try:
            own = make_url(url).update_query_dict({"options": f"-csearch_path={schema}"})
            database_url = own.render_as_string(hide_password=False)
            yield read_settings(home=home, database_url=database_url)
        finally:
            with engine.connect() as connection:
                connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
            engine.dispose()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def measure(settings: Settings, options: argparse.Namespace, workers: int) -> Drained:
    """Fill a queue and drain it."""
    with open_zoo(settings) as zoo:
        for number in range(options.jobs):
            owner = f"owner {number * options.owners // options.jobs}"
            asked = replace(zoo, caller=Caller(account=owner))
            jobs.enqueue(asked, JobKind.VERIFY, {"number": number})
    if workers == 1:
        with open_zoo(settings) as zoo:
            taken, costs = drain(zoo, options.slots)
            lead = find_lead(zoo, taken)
    else:
        taken, costs, lead = *drain_together(settings, workers), None
    with open_zoo(settings) as zoo:
        states = Counter(job.state.value for job in jobs.list_jobs(zoo, limit=2 * options.jobs))
    counts = Counter(taken)
    return Drained(
        database="PostgreSQL" if settings.database_url else "SQLite",
        workers=workers,
        jobs=options.jobs,
        ended=states["succeeded"],
        doubles=sum(count > 1 for count in counts.values()),
        lead=lead,
        claim_ms=1000 * costs[0] / max(1, len(taken)),
        end_ms=1000 * costs[1] / max(1, len(taken)),
    )


def drain(zoo: Zoo, slots: int, machine: str = MACHINE) -> tuple[list[int], tuple[float, float]]:
    """Take and end all jobs, so many side by side; give their order, and the CPU seconds."""
    room = Room(slots=slots, threads=slots, memory_bytes=64 * GIB)
    taken: list[int] = []
    running: list[Attempt] = []
    claimed_s = ended_s = 0.0
    while True:
        before = spent_s(zoo)
        attempt = jobs.claim(zoo, worker=f"{machine}:1", room=room)
        claimed_s += spent_s(zoo) - before
        if attempt is not None:
            running.append(attempt)
            taken.append(attempt.job)
            if len(running) < slots:
                continue
        if not running:
            return taken, (claimed_s, ended_s)
        before = spent_s(zoo)
        jobs.succeed(zoo, running.pop(0), {})
        ended_s += spent_s(zoo) - before


def drain_together(settings: Settings, workers: int) -> tuple[list[int], tuple[float, float]]:
    """Have several processes drain one queue, each a machine; give what all of them took."""
    reading, writing = os.pipe()
    children = []
    for number in range(workers):
        child = os.fork()
        if child == 0:
            with open_zoo(settings) as zoo:
                taken, costs = drain(zoo, 1, f"machine-{number}:home")
            with os.fdopen(writing, "w") as out:
                out.write(json.dumps([taken, costs]) + "\n")
            os._exit(0)
        children.append(child)
    os.close(writing)
    with os.fdopen(reading) as told:
        parts = [json.loads(line) for line in told]
    for child in children:
        os.waitpid(child, 0)
    every = [number for taken, _ in parts for number in taken]
    return every, (sum(costs[0] for _, costs in parts), sum(costs[1] for _, costs in parts))


def find_lead(zoo: Zoo, taken: list[int]) -> int:
    """Give by how many jobs one owner was ahead of another that still had some."""
    owners = {job.id: job.account for job in jobs.list_jobs(zoo, limit=len(taken))}
    left = Counter(owners.values())
    served = dict.fromkeys(left, 0)
    lead = 0
    for number in taken:
        owner = owners[number]
        served[owner] += 1
        left[owner] -= 1
        waiting = [count for name, count in served.items() if left[name] or name == owner]
        lead = max(lead, served[owner] - min(waiting))
    return lead


def spent_s(zoo: Zoo) -> float:
    """Give the CPU seconds of this process and of the server's processes that work for it."""
    own = time.process_time()
    if zoo.catalog.engine.dialect.name != "postgresql":
        return own
    with zoo.catalog.engine.connect() as connection:
        connection.execution_options(zoo_write=False)  # It waits for no writer.
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return own  # The server is on another machine.
    # What asking costs is not counted.
    return own + (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
