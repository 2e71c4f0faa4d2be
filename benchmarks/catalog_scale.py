"""How long a large catalog takes to answer: 100,000 models with 1,000,000 revisions.

    python benchmarks/catalog_scale.py [--models 100000] [--revisions 10] [--database URL]

Fills an empty catalog (SQLite in a temporary folder, or the database at URL) and prints the median
and the 95th percentile of CPU milliseconds, and of wall milliseconds, for each kind of question a
page or a client asks. The CPU time is that of this process and, of PostgreSQL on this machine, of
the server's process too.
"""

import argparse
import contextlib
import gc
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import insert, text

from zoo.catalog.tables import (
    BlobRow,
    FileRow,
    ModelChangeRow,
    ModelRow,
    RefRow,
    RevisionRow,
)
from zoo.domain.revision import File, RefKind, revision_id
from zoo.domain.search import Facet, ModelWish, Runs, Size
from zoo.errors import ModelNotFound
from zoo.operations import fetch, models, refs
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

ASKED = 200  # times each question
BATCH = 5000  # rows in one statement
WORDS = ("alex", "net", "google", "res", "squeeze", "mobile", "dense", "vgg", "vit", "swin")
LICENCES = ("mit", "apache-2.0", "bsd-3-clause", "cc-by-4.0", "unrestricted", "gpl-3.0")
DATASETS, TAGS = 2000, 500  # different ones


def main() -> None:
    """Fill the catalog and ask it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--revisions", type=int, default=10, help="of each model")
    parser.add_argument("--database", default="", help="URL of an empty database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings(home=Path(folder) / "home", database_url=options.database)
        with open_zoo(settings) as zoo:
            names = fill(zoo, options.models, options.revisions)
            if zoo.catalog.engine.dialect.name == "postgresql":
                with zoo.catalog.writing() as db:
                    db.execute(text("ANALYZE"))  # as autovacuum does sooner or later
            gc.collect()
            gc.freeze()  # No server holds the rows that were just made.
            _ask(zoo, names)


def fill(zoo: Zoo, models: int, revisions: int) -> list[str]:
    """Add the rows in bulk, as publishing one after the other would have left them."""
    draw, now = random.Random(0), datetime.now(UTC)  # noqa: S311  # names, no secrets
    names = sorted(
        {
            f"{draw.choice(WORDS)}{draw.randrange(500)}/"
            f"{draw.choice(WORDS)}-{draw.choice(WORDS)}-{number}"
            for number in range(models)
        }
    )
    file = File(path="README.md", digest="a" * 64, size_bytes=10)
    kinds = [BlobRow, ModelRow, RevisionRow, FileRow, RefRow, ModelChangeRow]
    rows: dict[type, list[dict[str, object]]] = {kind: [] for kind in kinds}
    rows[BlobRow].append({"digest": file.digest, "size_bytes": 10, "created_at": now})
    pk = 0
    for model, name in enumerate(names, 1):
        rows[ModelRow].append({"pk": model, "name": name, "is_private": False, "created_at": now})
        for number in range(revisions):
            pk += 1
            rows[RevisionRow].append(
                {
                    "pk": pk,
                    "model_pk": model,
                    "id": revision_id([File(path=f"{pk}", digest=file.digest, size_bytes=10)]),
                    "message": f"revision {number}",
                    "created_at": now,
                    "previous_pk": pk - 1 if number else None,
                    "size_bytes": 10,
                    "summary": {"architecture": draw.choice(WORDS)},
                    "traits": _traits(draw),
                }
            )
            rows[FileRow].append(
                {
                    "revision_pk": pk,
                    "path": file.path,
                    "digest": file.digest,
                    "size_bytes": file.size_bytes,
                }
            )
        rows[ModelChangeRow].append({"model_pk": model, "number": model})
        rows[RefRow].append(
            {
                "model_pk": model,
                "name": "main",
                "revision_pk": pk,
                "kind": RefKind.BRANCH,
                "is_protected": False,
            }
        )
        if len(rows[RevisionRow]) >= BATCH or model == len(names):
            with zoo.catalog.writing() as db:
                for kind in kinds:
                    if rows[kind]:
                        db.execute(insert(kind), rows[kind])
                    rows[kind] = []
    print(f"{len(names)} models, {pk} revisions")
    return names


def _traits(draw: random.Random) -> dict[str, object]:
    """Make up what a revision is found by; some have no dataset, some no licence."""
    dataset = min(int(draw.expovariate(3) * DATASETS), DATASETS - 1)
    return {
        "architecture": [f"{draw.choice(WORDS)}{draw.randrange(20)}"],
        "source": [draw.choice(("caffe", "torchvision", "timm", "onnx-graph"))],
        "runs": [draw.choice(list(Runs)).value],
        "licence": [draw.choice(LICENCES)] if draw.random() < 0.8 else [],  # noqa: PLR2004  # most
        "dataset": [f"dataset-{dataset}"] if draw.random() < 0.7 else [],  # noqa: PLR2004  # most
        "tag": [f"tag-{draw.randrange(TAGS)}" for _ in range(draw.randrange(5))],
        "classes": draw.choice((2, 10, 100, 1000)),
        "parameters": draw.randrange(10**4, 10**9),
    }


def _ask(zoo: Zoo, names: list[str]) -> None:
    draw = random.Random(1)  # noqa: S311  # names, no secrets
    private = iter(names)

    def missing() -> None:
        with contextlib.suppress(ModelNotFound):
            fetch.get_model(zoo, f"{draw.choice(names)}x")

    def search(most_values: int = 0, **wish: object) -> None:
        fetch.search_models(zoo, ModelWish(**wish), most_values=most_values)

    def filters() -> dict[str, object]:
        return {
            "values": {
                Facet.LICENCE: tuple(draw.sample(LICENCES, 2)),
                Facet.RUNS: (draw.choice(list(Runs)).value,),
            },
            "least": {Size.CLASSES: 10},
        }

    questions: dict[str, Callable[[], object]] = {
        "list, a page of 100": lambda: fetch.list_models(zoo, after=draw.choice(names)),
        "search, a page of 100": lambda: search(search=draw.choice(WORDS)),
        "search for what is rare": lambda: search(search=draw.choice(names)[-6:]),
        "search for what is not there": lambda: search(search="nothing-at-all"),
        "models of an owner": lambda: search(owner=draw.choice(names).partition("/")[0]),
        "filtered, a page of 100": lambda: search(**filters()),
        "facets of all, a page of 100": lambda: search(20),
        "facets of a search": lambda: search(20, search=draw.choice(WORDS)),
        "facets, filtered": lambda: search(20, **filters()),
        "facets of a tag": lambda: search(20, values={Facet.TAG: (f"tag-{draw.randrange(TAGS)}",)}),
        "a model": lambda: fetch.get_model(zoo, draw.choice(names)),
        "its revisions": lambda: fetch.list_revisions(zoo, draw.choice(names)),
        "its refs": lambda: refs.list_refs(zoo, draw.choice(names)),
        "a model that is not there": missing,
    }
    before = {name: questions[name] for name in ("list, a page of 100", "search, a page of 100")}
    _measure(zoo, {f"{name}, before the index": ask for name, ask in before.items()}, times=20)

    def make() -> None:
        with zoo.catalog.reading() as db:
            zoo.index.at(db)

    _measure(zoo, {"making the index of a process": make}, times=1)
    _measure(zoo, questions)

    def changed() -> None:
        models.set_private(zoo, next(private), is_private=True)

    _measure(zoo, {"facets of all after a change": lambda: search(20)}, before=changed)


def _measure(
    zoo: Zoo,
    questions: "dict[str, Callable[[], object]]",
    *,
    before: "Callable[[], object]" = lambda: None,
    times: int = ASKED,
) -> None:
    """Ask each question so many times, and print what that took."""
    server = _server(zoo)
    print("\n| question | CPU ms, median | p95 | wall ms, median | p95 |")
    print("| --- | --- | --- | --- | --- |")
    for name, ask in questions.items():
        cpu, wall = [], []
        for _ in range(times):
            before()
            started = _cpu_s(server), time.perf_counter()
            ask()
            wall.append((time.perf_counter() - started[1]) * 1000)
            cpu.append((_cpu_s(server) - started[0]) * 1000)
        told = " | ".join(
            f"{statistics.median(one):.1f} | "
            f"{statistics.quantiles(one, n=20)[-1] if times > 1 else one[0]:.1f}"
            for one in (cpu, wall)
        )
        print(f"| {name} | {told} |", flush=True)


def _server(zoo: Zoo) -> Path | None:
    """Find where the kernel counts the time of the PostgreSQL process that serves this one."""
    if zoo.catalog.engine.dialect.name == "sqlite":
        return None
    with zoo.catalog.reading() as db:
        return Path(f"/proc/{db.scalar(text('SELECT pg_backend_pid()'))}/schedstat")


def _cpu_s(server: Path | None) -> float:
    """Tell the CPU time of this process and of the database's process that serves it."""
    running_ns = int(server.read_text(encoding="ascii").split()[0]) if server else 0
    return time.process_time() + running_ns / 1e9


if __name__ == "__main__":
    main()
