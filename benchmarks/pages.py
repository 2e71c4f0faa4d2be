"""How long pages take in a large zoo: 10,000 models with faces, one with 1,000 revisions.

    python benchmarks/pages.py [--models 10000] [--revisions 1000] [--database URL]

Fills an empty catalog, asks an app in this process for each page as a browser does, and prints the
median and the 95th percentile of CPU milliseconds and of wall milliseconds, the bytes that go over
the wire, and the goal. Models have filters; a gallery's faces are asked for one by
one: the first time they are drawn, later they are read, and browsers keep them for good. Of
PostgreSQL its own CPU time is not counted; the wall time has it.

With a Chromium it then looks at the same pages, each in a window that has nothing in its cache, and
prints the median of the milliseconds to the first contentful paint and the bytes of all it loads.
"""

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from catalog_scale import BATCH, fill
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select
from werkzeug.serving import WSGIRequestHandler, make_server

from zoo.catalog.tables import BlobRow, FileRow, RefRow
from zoo.domain.config import CONFIG, WEIGHTS, ModelConfig
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.formats.safetensors import write_safetensors
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish, put_text
from zoo.settings import read_settings
from zoo.web.app import create_app

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ASKED = 30  # times each page
GOAL_MS, PAINT_GOAL_MS = 100, 500
PAINTED = 5  # times each page
KERNEL = (32, 3, 5, 5)  # of every model's first layer
DIFFERENT = 480  # weights: ten pages of faces
DEEP = "deep"  # the model with many revisions
BROWSER = {"Accept": "text/html", "Accept-Encoding": "gzip"}


def main() -> None:
    """Fill a zoo and ask for its pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--revisions", type=int, default=1000, help="of one model")
    parser.add_argument("--database", default="", help="URL of an empty database")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="to look at pages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings(
            home=Path(folder) / "home", database_url=options.database, requests_per_minute=0
        )
        app = create_app(settings)
        zoo: Zoo = app.extensions["zoo"]
        names = fill(zoo, options.models, 2)
        _give_faces(zoo)
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
        faces = re.findall(r'src="(/models/[^"]+/face\.png)"', client.get("/").text)
        _ask(client, f"{len(faces)} faces, drawn", *faces, times=1)
        _ask(client, f"{len(faces)} faces, read", *faces)
        worst = max(worst, _ask(client, "gallery and faces", "/", *faces))
        print(f"goal: under {GOAL_MS} ms of CPU each; the largest median is {worst:.1f}")
        slowest = _look(app, pages, options.chromium) if options.chromium else 0
    sys.exit(worst >= GOAL_MS or slowest >= PAINT_GOAL_MS)


def _give_faces(zoo: Zoo) -> None:
    """Give what each model's main points to weights, and one configuration to all.

    Models that stand side by side have different ones; there are fewer than models, because a
    store that survives power cuts takes its time to keep each.
    """
    rng, now = np.random.default_rng(0), datetime.now(UTC)
    config = ModelConfig(
        architecture="net",
        label_names=("a", "b"),
        pictures=Preprocessing(),
        recipe=Recipe(source=Source(kind="torchvision", arguments={"name": "net"})),
        lineage={},
    )
    shared = zoo.blobs.put([json.dumps(config.as_json()).encode()])
    kept = [
        zoo.blobs.put(write_safetensors({"conv1.weight": _draw(rng)})) for _ in range(DIFFERENT)
    ]
    with zoo.catalog.reading() as db:
        heads = list(db.scalars(select(RefRow.revision_pk).order_by(RefRow.model_pk)))
    rows = [
        {"revision_pk": pk, "path": path, "digest": one.digest, "size_bytes": one.size_bytes}
        for place, pk in enumerate(heads)
        for path, one in ((WEIGHTS, kept[place % DIFFERENT]), (CONFIG, shared))
    ]
    with zoo.catalog.writing() as db:
        db.execute(
            insert(BlobRow),
            [
                {"digest": one.digest, "size_bytes": one.size_bytes, "created_at": now}
                for one in (*kept, shared)
            ],
        )
        for start in range(0, len(rows), BATCH):
            db.execute(insert(FileRow), rows[start : start + BATCH])


def _draw(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(KERNEL).astype(np.float32)


def _deepen(zoo: Zoo, revisions: int) -> str:
    """Publish many revisions of one model, and give the id of the first."""
    ids = []
    for number in range(revisions):
        card = put_text(zoo, f"# Revision {number}\n\nAs good as the one before.\n")
        new = Publication(model=DEEP, files={"README.md": card}, message=f"no. {number}")
        ids.append(publish(zoo, new).id)
    return ids[0]


def _ask(client: FlaskClient, name: str, *paths: str, times: int = ASKED) -> float:
    """Ask for a page, or for several together, some times; print what that took.

    Gives the median of CPU ms. Where it is asked once, not even the first time is left out.
    """
    if times > 1:
        client.get(paths[0], headers=BROWSER)  # It compiles templates and fills the index.
    cpu, wall, size = [], [], 0
    for _ in range(times):
        begun = time.process_time(), time.monotonic()
        answers = [client.get(path, headers=BROWSER) for path in paths]
        cpu.append(1000 * (time.process_time() - begun[0]))
        wall.append(1000 * (time.monotonic() - begun[1]))
        for path, answer in zip(paths, answers, strict=True):
            if answer.status_code != 200:  # noqa: PLR2004
                sys.exit(f"{path} answers {answer.status_code}")
        size = sum(len(answer.data) for answer in answers)
    told = [statistics.median(cpu), _high(cpu), statistics.median(wall), _high(wall)]
    print(f"{name:24}" + "".join(f"{one:9.1f}" for one in told) + f"{size:9,}")
    return told[0]


class Quiet(WSGIRequestHandler):
    """Answers without a line for each request."""

    def log(self, *_: object) -> None:  # type: ignore[override]  # nothing is told
        """Say nothing."""


def _look(app: Flask, pages: dict[str, str], chromium: str) -> float:
    """Look at pages in a browser; print what the first paint took, and give the slowest median."""
    # A package of development, which the measurements without a browser do without.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, medians = f"http://127.0.0.1:{server.server_port}", []
    print(f"{'first paint':24}{'ms':>9}{'most':>9}{'bytes':>9}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in pages.items():
            found = [_paint(browser, url + path) for _ in range(PAINTED)]
            medians.append(statistics.median(ms for ms, _ in found))
            print(f"{name:24}{medians[-1]:9.0f}{max(found)[0]:9.0f}{found[0][1]:9,}")
        browser.close()
    server.shutdown()
    print(f"goal: under {PAINT_GOAL_MS} ms; the slowest median is {max(medians):.0f}")
    return max(medians)


def _paint(browser: "Browser", url: str) -> tuple[float, int]:
    """Open a page with nothing in the cache; give the ms to its first paint, and its bytes."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, sent = context.new_page(), [0]

    def weigh(told: dict[str, float]) -> None:
        sent[0] += int(told["encodedDataLength"])

    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", weigh)
    page.goto(url, wait_until="networkidle")
    paint = page.evaluate(
        """() => new Promise((told) => new PerformanceObserver((found) => {
          const [one] = found.getEntriesByName("first-contentful-paint");
          if (one) told(one.startTime);
        }).observe({ type: "paint", buffered: true }))"""
    )
    context.close()
    return paint, sent[0]


def _high(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


if __name__ == "__main__":
    main()
