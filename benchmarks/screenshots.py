"""Draw the pictures of the README anew: three pages of the starter zoo, in a real Chromium.

    python benchmarks/screenshots.py [--chromium PATH] [--to docs/pictures]

Makes a zoo as `zoo quickstart` does, trains all layers once more and makes a network dense, serves
it from this process, and writes gallery.png, job.png and map.png with few colours each.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from zoo.domain.dataset import Split
from zoo.operations.datasets import get_dataset
from zoo.settings import read_settings
from zoo.web.app import create_app

ZOO = Path(sys.executable).with_name("zoo")
WINDOW, TALL = {"width": 1100, "height": 560}, {"width": 1100, "height": 800}
LONG = {"width": 1100, "height": 1340}  # down to the rates of a training
COLOURS = 96
STEPS = [
    ["quickstart"],
    ["finetune", "lenet-digits", "digits-5-9", "--strategy", "full", "--name", "lenet-trained"],
    ["dense", "lenet-digits"],
]


def main() -> None:
    """Make the zoo, look at it, and keep what is seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        for step in STEPS:
            subprocess.run([ZOO, *step], env=os.environ | {"ZOO_HOME": str(home)}, check=True)  # noqa: S603  # our own
        app = create_app(read_settings(home=home))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        zoo = app.extensions["zoo"]
        picture = next(
            one for one in get_dataset(zoo, "digits-5-9").of_split(Split.VAL) if one.label == "8"
        )
        tried = Path(folder) / "eight.png"
        shutil.copyfile(zoo.blobs.local_path(picture.digest), tried)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=options.chromium, args=["--no-sandbox"]
            )
            page = browser.new_page(viewport=WINDOW)
            _draw(page, f"http://127.0.0.1:{server.server_port}", tried, options.to)
            browser.close()
        server.shutdown()


def _draw(page: Page, url: str, tried: Path, folder: Path) -> None:
    page.goto(url, wait_until="networkidle")
    _keep(page, folder / "gallery.png")
    page.goto(f"{url}/jobs", wait_until="networkidle")
    page.locator("tbody tr").nth(1).locator("th a").click()
    expect(page.locator("#chart canvas")).to_be_visible()
    page.get_by_label("logarithmic losses").check()
    page.set_viewport_size(LONG)
    page.evaluate("scrollTo(0, 0)")
    _keep(page, folder / "job.png")
    page.set_viewport_size(TALL)
    page.goto(f"{url}/models/lenet-digits-dense/try")
    page.get_by_label("Shorter side, in pixels").fill("72")
    page.get_by_label("Picture", exact=True).set_input_files(tried)
    expect(page.locator("#map")).to_be_visible()
    page.locator("#map").hover()
    page.evaluate("scrollTo(0, 0)")
    _keep(page, folder / "map.png")


def _keep(page: Page, path: Path) -> None:
    """Keep what is seen, with few colours."""
    page.screenshot(path=str(path))
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
