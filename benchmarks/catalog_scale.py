"""How long a large catalog takes to answer: 100,000 models with 1,000,000 revisions.

    python benchmarks/catalog_scale.py [--models 100000] [--revisions 10] [--database URL]

Fills an empty catalog (SQLite in a temporary folder, or the database at URL) and prints the median
and the 95th percentile of CPU milliseconds of this process, and of wall milliseconds, for each kind
of question a page or a client asks.
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

from sqlalchemy import insert

from zoo.catalog.tables import BlobRow, FileRow, ModelRow, RefRow, RevisionRow
from zoo.domain.revision import File, RefKind, revision_id
from zoo.errors import ModelNotFound
from zoo.operations import fetch, refs
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

ASKED = 200  # times each question
BATCH = 5000  # rows in one statement
WORDS = ("alex", "net", "google", "res", "squeeze", "mobile", "dense", "vgg", "vit", "swin")


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
            names = _fill(zoo, options.models, options.revisions)
            gc.collect()
            gc.freeze()  # No server holds the rows that were just made.
            _ask(zoo, names)


def _fill(zoo: Zoo, models: int, revisions: int) -> list[str]:
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
    kinds = [BlobRow, ModelRow, RevisionRow, FileRow, RefRow]
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


def _ask(zoo: Zoo, names: list[str]) -> None:
    draw = random.Random(1)  # noqa: S311  # names, no secrets

    def missing() -> None:
        with contextlib.suppress(ModelNotFound):
            fetch.get_model(zoo, f"{draw.choice(names)}x")

    questions: dict[str, Callable[[], object]] = {
        "list, a page of 100": lambda: fetch.list_models(zoo, after=draw.choice(names)),
        "search, a page of 100": lambda: fetch.list_models(zoo, search=draw.choice(WORDS)),
        "search for what is rare": lambda: fetch.list_models(zoo, search=draw.choice(names)[-6:]),
        "search for what is not there": lambda: fetch.list_models(zoo, search="nothing-at-all"),
        "models of an owner": lambda: fetch.list_models(
            zoo, owner=draw.choice(names).partition("/")[0]
        ),
        "a model": lambda: fetch.get_model(zoo, draw.choice(names)),
        "its revisions": lambda: fetch.list_revisions(zoo, draw.choice(names)),
        "its refs": lambda: refs.list_refs(zoo, draw.choice(names)),
        "a model that is not there": missing,
    }
    print("\n| question | CPU ms, median | p95 | wall ms, median | p95 |")
    print("| --- | --- | --- | --- | --- |")
    for name, ask in questions.items():
        cpu, wall = [], []
        for _ in range(ASKED):
            started = time.process_time(), time.perf_counter()
            ask()
            cpu.append((time.process_time() - started[0]) * 1000)
            wall.append((time.perf_counter() - started[1]) * 1000)
        told = " | ".join(
            f"{statistics.median(one):.1f} | {statistics.quantiles(one, n=20)[-1]:.1f}"
            for one in (cpu, wall)
        )
        print(f"| {name} | {told} |")


if __name__ == "__main__":
    main()
