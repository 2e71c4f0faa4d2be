"""How long pages take in a large zoo: 10,000 models, one of them with 1,000 revisions.

    python benchmarks/pages.py [--models 10000] [--revisions 1000] [--database URL]

Fills an empty catalog, asks an app in this process for each page as a browser does, and prints the
median and the 95th percentile of CPU milliseconds and of wall milliseconds, the bytes that go over
the wire, and the goal. Of PostgreSQL its own CPU time is not counted; the wall time has it.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from catalog_scale import fill
from flask.testing import FlaskClient

from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish, put_text
from zoo.settings import read_settings
from zoo.web.app import create_app

ASKED = 30  # times each page
GOAL_MS = 100
DEEP = "deep"  # the model with many revisions
BROWSER = {"Accept": "text/html", "Accept-Encoding": "gzip"}


def main() -> None:
    """Fill a zoo and ask for its pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--revisions", type=int, default=1000, help="of one model")
    parser.add_argument("--database", default="", help="URL of an empty database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings(
            home=Path(folder) / "home", database_url=options.database, requests_per_minute=0
        )
        app = create_app(settings)
        zoo: Zoo = app.extensions["zoo"]
        names = fill(zoo, options.models, 2)
        first = _deepen(zoo, options.revisions)
        client = app.test_client()
        middle = names[len(names) // 2]
        pages = {
            "gallery": "/",
            "gallery, second page": f"/?after={middle}",
            "gallery, search": "/?search=net",
            "gallery, two facets": "/?licence=mit&runs=classifier",
            "a model": f"/models/{DEEP}@{first}",
            "of many revisions": f"/models/{DEEP}",
            "their history": f"/models/{DEEP}/history",
            "jobs": "/jobs",
        }
        print(f"{'page':24}{'CPU ms':>9}{'95 %':>9}{'wall ms':>9}{'95 %':>9}{'bytes':>9}")
        worst = max(_ask(client, name, path) for name, path in pages.items())
    print(f"goal: under {GOAL_MS} ms of CPU each; the largest median is {worst:.1f}")
    sys.exit(worst >= GOAL_MS)


def _deepen(zoo: Zoo, revisions: int) -> str:
    """Publish many revisions of one model, and give the id of the first."""
    ids = []
    for number in range(revisions):
        card = put_text(zoo, f"# Revision {number}\n\nAs good as the one before.\n")
        new = Publication(model=DEEP, files={"README.md": card}, message=f"no. {number}")
        ids.append(publish(zoo, new).id)
    return ids[0]


def _ask(client: FlaskClient, name: str, path: str) -> float:
    """Ask for a page some times, print what that took, and give the median of CPU ms."""
    client.get(path, headers=BROWSER)  # The first one compiles templates and fills the index.
    cpu, wall, size = [], [], 0
    for _ in range(ASKED):
        begun = time.process_time(), time.monotonic()
        answer = client.get(path, headers=BROWSER)
        cpu.append(1000 * (time.process_time() - begun[0]))
        wall.append(1000 * (time.monotonic() - begun[1]))
        if answer.status_code != 200:  # noqa: PLR2004
            sys.exit(f"{path} answers {answer.status_code}")
        size = len(answer.data)
    told = [statistics.median(cpu), _high(cpu), statistics.median(wall), _high(wall)]
    print(f"{name:24}" + "".join(f"{one:9.1f}" for one in told) + f"{size:9,}")
    return told[0]


def _high(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
