"""The pages in a real Chromium: a tour of all of them, a journey, and the same without scripts.

One server in this process, over a copy of the stocked zoo; its jobs are worked off here.
"""

import hashlib
import os
import random
import re
import shutil
import socket
import struct
import threading
import zipfile
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from zoo.domain.access import Role
from zoo.domain.plan import Strategy
from zoo.domain.training import Overrides
from zoo.operations.accounts import create_token
from zoo.operations.fetch import get_revision
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.uploads import continue_upload
from zoo.operations.waiting import PIECES, waiting_folder
from zoo.settings import read_settings
from zoo.web.app import create_app

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

VENDOR = Path(__file__).resolve().parents[1] / "vendor"
AXE = VENDOR / "axe-core-4.14.1.min.js"
PATIENCE_MS = 60_000  # no test depends on speed; this ends one that hangs
MOST_BYTES = 150 * 1024  # of a page with all that it loads, cold
NARROW, WIDE = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
TOUR = [
    "/",
    "/models/lenet-digits",
    "/models/lenet-digits/files",
    "/models/lenet-digits/layers",
    "/models/lenet-digits/filters",
    "/models/lenet-digits/filters?layer=conv2&kernel=3",
    "/models/lenet-digits/drift",
    "/models/lenet-digits/metrics",
    "/models/lenet-digits/history",
    "/models/lenet-digits/try",
    "/datasets",
    "/datasets/digits",
    "/jobs",
    "/jobs/3",
    "/new/finetune?model=lenet&dataset=digits",
    "/new/model",
    "/new/dataset",
    "/compare?old=lenet&new=lenet-digits",
    "/tokens",
    "/audit",
    "/health",
    "/sign-in",
    "/nowhere",
]


@pytest.fixture(scope="module")
def chromium():
    """The path of a Chromium; with ZOO_TEST_CHROMIUM, as in CI, nothing here is skipped."""
    told = os.environ.get("ZOO_TEST_CHROMIUM")
    found = told or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium on the path; install Debian's, or set ZOO_TEST_CHROMIUM")
    return found


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        with closing(
            playwright.chromium.launch(executable_path=chromium, args=arguments)
        ) as launched:
            yield launched


class Site:
    """A server in a thread, and its zoo."""

    def __init__(self, app, url, work_off):
        self.app, self.url = app, url
        self.zoo = app.extensions["zoo"]
        self._work_off = work_off

    @contextmanager
    def working(self):
        """Work off every job meanwhile, as a worker beside the server would."""
        thread = threading.Thread(target=self._work_off, args=(self.zoo,))
        thread.start()
        try:
            yield
        finally:
            thread.join()


@contextmanager
def serving(app, work_off):
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Site(app, f"http://127.0.0.1:{server.server_port}", work_off)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        app.extensions["zoo"].catalog.close()


class Quiet(WSGIRequestHandler):
    """Answers without a line for each request."""

    def log(self, *_):
        pass


@pytest.fixture(scope="module")
def site(_stocked, work_off_jobs, tmp_path_factory):
    """The stocked zoo, with a third job that has curves."""
    home = tmp_path_factory.mktemp("browser") / "home"
    shutil.copytree(_stocked, home)
    with serving(create_app(read_settings(home=home)), work_off_jobs) as found:
        enqueue_finetune(
            found.zoo,
            "lenet",
            "digits",
            name="lenet-curves",
            strategy=Strategy.FULL,
            overrides=Overrides(epochs=3),
        )
        work_off_jobs(found.zoo)
        yield found


class Visit:
    """A page that is looked at, and what it did that it should not."""

    def __init__(self, browser, site, **options):
        self.site, self.faults, self.sent_bytes = site, [], 0
        self.context = browser.new_context(viewport=WIDE, **options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._see)
        self.page.on("dialog", lambda dialog: (self.faults.append("dialog"), dialog.dismiss()))
        session = self.context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", self._weigh)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def _hear(self, message):
        # That an address answered 4xx is what some pages of the tour are about.
        if message.type in {"error", "warning"} and "status of 4" not in message.text:
            self.faults.append(message.text)

    def _see(self, request):
        if not request.url.startswith((f"{self.site.url}/", "data:")):
            self.faults.append(f"off the host: {request.url}")

    def _weigh(self, told):
        self.sent_bytes += told["encodedDataLength"]

    def go(self, path):
        self.page.goto(self.site.url + path)

    def violations(self):
        """List what axe finds wrong, by all of its rules that are no experiments."""
        if not self.page.evaluate("typeof window.axe === 'object'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("() => axe.run(document).then((found) => found.violations)")
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
            for one in found
            for node in one["nodes"]
        ]

    def overflow_px(self):
        """Tell by how much the page is wider than its window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def keep(self, name, folder):
        """Keep a picture of the page, for people."""
        self.page.screenshot(path=str(folder / f"{name}.png"))


@pytest.fixture
def pictures(tmp_path):
    """Where pictures of pages are kept: ZOO_TEST_SCREENSHOTS, or with the test."""
    folder = Path(os.environ.get("ZOO_TEST_SCREENSHOTS", tmp_path / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_what_judges_the_pages_is_what_its_digest_says():
    told = dict(line.split()[::-1] for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in VENDOR.glob("axe*")}
    assert found == told


def test_every_page_is_sound_in_both_themes_and_on_a_narrow_screen(browser, site, pictures):
    faults = {}
    for path in TOUR:
        # Of a context of its own, so that nothing is in a cache yet.
        with Visit(browser, site, color_scheme="light") as visit:
            visit.go(path)
            found = [f"light {one}" for one in visit.violations()]
            visit.page.emulate_media(color_scheme="dark")
            found += [f"dark {one}" for one in visit.violations()]
            name = re.sub(r"\W+", "-", path).strip("-") or "models"
            visit.keep(f"{name}-dark", pictures)
            visit.page.set_viewport_size(NARROW)
            if visit.overflow_px() > 0:
                found.append(f"wider than {NARROW['width']} px by {visit.overflow_px()}")
            visit.page.emulate_media(color_scheme="light")
            visit.keep(f"{name}-narrow", pictures)
            if visit.sent_bytes > MOST_BYTES:
                found.append(f"{visit.sent_bytes} bytes")
            found += visit.faults
        if found:
            faults[path] = found
    assert faults == {}


# What a keyboard should reach: all that a pointer does, and what scrolls.
REACHED = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]'


@pytest.mark.parametrize(
    "path", ["/", "/models/lenet/filters?layer=conv2", "/jobs/3", "/new/model", "/models/lenet/try"]
)
def test_a_keyboard_reaches_everything_and_shows_where_it_is(browser, site, path):
    with Visit(browser, site) as visit:
        visit.go(path)
        expected = visit.page.evaluate(
            """(reached) => {
              const all = [...document.querySelectorAll(reached)];
              const able = all.filter((one) => !one.disabled && one.checkVisibility());
              able.forEach((one, place) => one.setAttribute("data-place", place));
              return able.length;
            }""",
            REACHED,
        )
        seen, unmarked = [], []
        for _ in range(expected):
            visit.page.keyboard.press("Tab")
            place, outline, told = visit.page.evaluate(
                """() => {
                  const one = document.activeElement;
                  return [one.dataset.place, getComputedStyle(one).outlineStyle, one.outerHTML];
                }"""
            )
            seen.append(int(place))
            if outline == "none":
                unmarked.append(told[:100])
        assert seen == list(range(expected))
        assert unmarked == []
        assert expected > 10


def pack(folder, goal):
    with zipfile.ZipFile(goal, "w") as packed:
        for one in sorted(folder.rglob("*.png")):
            packed.write(one, one.relative_to(folder))
    return goal


def test_a_journey_from_an_upload_to_a_verdict_and_a_map(  # noqa: PLR0913, PLR0915, PLR0917  # a long way
    browser, site, starter, digits, picture, tmp_path, pictures
):
    expect = sync_api.expect
    expect.set_options(timeout=PATIENCE_MS)
    with Visit(browser, site) as visit:
        page = visit.page
        visit.go("/")
        # By keyboard past the navigation, and narrowed down while it is typed.
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        page.get_by_label("Search by name").press_sequentially("lenet-d")
        expect(page.locator("#results h2")).to_have_text(["lenet-digits"])
        expect(page).to_have_url(re.compile("search=lenet-d"))

        # A checkpoint and a dataset, uploaded.
        visit.go("/new/model")
        page.get_by_label("Name").fill("mine")
        page.get_by_label("Files").set_input_files(sorted(map(str, starter.iterdir())))
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Import: mine")
        with site.working():
            expect(page.locator("#state")).to_contain_text("succeeded")
        visit.go("/new/dataset")
        page.get_by_label("Archive").set_input_files(pack(digits, tmp_path / "five-to-nine.zip"))
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("five-to-nine")
        visit.go("/new/dataset")
        (tmp_path / "none.zip").write_bytes(b"none")
        page.get_by_label("Archive").set_input_files(tmp_path / "none.zip")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("alert")).to_contain_text("none.zip")

        # Advice first, then the fine-tune it fills in, whose curves move, and its verdict.
        visit.go("/new/finetune")
        page.get_by_label("Model").fill("mine")
        page.get_by_label("Dataset").fill("five-to-nine")
        page.get_by_role("button", name="Choose").click()
        page.get_by_role("button", name="Measure it first").click()
        with site.working():
            expect(page.locator("#state")).to_contain_text("succeeded")
        page.get_by_role("link", name="See the advice").click()
        expect(page.locator(".quad .lit")).to_have_count(1)
        visit.keep("advice", pictures)
        page.get_by_label("Strategy").select_option("full")
        page.get_by_label("Name of the new model").fill("mine-tuned")
        page.get_by_text("Decisions that the plan makes otherwise").click()
        page.get_by_label("Epochs").fill("3")
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#curves")).to_be_hidden()
        with site.working():
            expect(page.get_by_label("Verdict")).to_be_visible()
        expect(page.locator("#chart canvas")).to_be_visible()
        expect(page.locator("#epochs tr")).to_have_count(4)
        visit.keep("job", pictures)
        page.get_by_role("link", name="Open the model").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("mine-tuned@")

        # A picture is tried; then the network reads pictures of any size, and shows where.
        page.get_by_role("link", name="Try it").click()
        page.get_by_label("Picture", exact=True).set_input_files(picture)
        expect(page.locator("#answer tbody th").first).to_have_text("7")
        visit.go("/models/mine")
        page.get_by_role("button", name="Make it read pictures of any size").click()
        with site.working():
            expect(page.locator("#state")).to_contain_text("succeeded")
        page.get_by_role("link", name="Open the model").click()
        page.get_by_role("link", name="Try it").click()
        page.get_by_label("Shorter side, in pixels").fill("64")
        page.get_by_label("Picture", exact=True).set_input_files(picture)
        drawn = page.locator("#map")
        drawn.focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#read-out")).to_contain_text("row 0, column 0")
        page.get_by_label("Class", exact=True).select_option(index=1)
        page.get_by_label("Opacity").fill("1")
        expect(drawn.locator(".cells").nth(1)).to_have_attribute("opacity", "1")
        expect(drawn.locator(".cells").nth(1)).to_have_attribute("visibility", "visible")
        assert visit.violations() == []
        visit.keep("map", pictures)

        # An alias is pointed to another revision, and back.
        visit.go("/models/lenet-curves/history")
        for place in (0, 1):
            page.get_by_label("points to").select_option(index=place)
            chosen = page.get_by_label("points to").input_value()
            page.get_by_role("button", name="Point it there").click()
            row = page.get_by_role("row").filter(has_text="production").first
            expect(row).to_contain_text(chosen[:12])
        page.get_by_role("button", name="Back to").click()
        expect(page.get_by_role("button", name=f"Back to {chosen[:12]}")).to_be_visible()
        assert visit.faults == []


class Breaking:
    """Ends the first connection that sends a piece of an upload in the middle of it."""

    def __init__(self, app, after_bytes):
        self.app, self.left, self.offsets = app, after_bytes, []
        self.stuck, self.asked_again = threading.Event(), threading.Event()

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] == "PUT":
            self.offsets.append(int(parse_qs(environ["QUERY_STRING"])["offset"][0]))
            if len(self.offsets) == 1:
                self.body, self.socket = environ["wsgi.input"], environ["werkzeug.socket"]
                environ["wsgi.input"] = self
        elif self.stuck.is_set():
            self.asked_again.set()
        return self.app(environ, start_response)

    def read(self, size=-1):
        found = self.body.read(min(size, self.left))
        self.left -= len(found)
        if not found:
            self.break_off()
        return found

    def break_off(self):
        # Nothing lingers: what the browser still sends is reset, as soon as the server closes.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.shutdown(socket.SHUT_RDWR)


class Stalling(Breaking):
    """Takes no more of the first connection, and does not say so: as of a network gone away."""

    def break_off(self):
        self.stuck.set()
        self.asked_again.wait(PATIENCE_MS / 1000)
        super().break_off()


@pytest.fixture
def served(site, monkeypatch, request):
    """The site's server, in which the first upload comes to nine MiB."""
    broken = request.param(site.app.wsgi_app, 9 * 2**20)
    monkeypatch.setattr(site.app, "wsgi_app", broken)
    return broken


@pytest.mark.parametrize("served", [Breaking, Stalling], indirect=True)
def test_an_upload_goes_on_where_its_connection_broke(browser, site, served, tmp_path):
    expect = sync_api.expect
    expect.set_options(timeout=PATIENCE_MS)
    name = f"{type(served).__name__}-file"
    path = tmp_path / f"{type(served).__name__} file.bin"
    data = random.Random(name).randbytes(20 * 2**20)
    path.write_bytes(data)
    with Visit(browser, site) as visit:
        page = visit.page
        page.clock.install()
        visit.go("/new/model")
        page.get_by_label("Files").set_input_files(path)
        page.get_by_role("button", name="Upload").click()
        if isinstance(served, Stalling):
            assert served.stuck.wait(PATIENCE_MS / 1000)
            page.clock.fast_forward("01:05")
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"{name}@")
    assert (served.offsets[0], served.offsets[-1]) == (0, 9 * 2**20)
    file = get_revision(site.zoo, name).get_file(path.name)
    assert file.digest == hashlib.sha256(data).hexdigest()
    assert site.zoo.blobs.local_path(file.digest).read_bytes() == data


class Thinking:
    """Takes its time over the answer to what is sent."""

    def __init__(self, app):
        self.app, self.asked, self.goes_on = app, [], threading.Event()
        self.began = threading.Event()

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] == "PUT":
            self.asked.append(parse_qs(environ["QUERY_STRING"])["offset"])
            self.began.set()
            self.goes_on.wait(PATIENCE_MS / 1000)
        return self.app(environ, start_response)


def test_a_server_that_has_every_byte_is_waited_for(browser, site, monkeypatch, tmp_path):
    expect = sync_api.expect
    expect.set_options(timeout=PATIENCE_MS)
    data = random.Random(5).randbytes(9 * 2**20)
    digest = hashlib.sha256(data).hexdigest()
    (tmp_path / "whole.bin").write_bytes(data)
    # All that came before the server, which was looking through it, was ended.
    waiting = waiting_folder(site.zoo, PIECES) / digest
    waiting.parent.mkdir(parents=True, exist_ok=True)
    waiting.write_bytes(data)
    thinking = Thinking(site.app.wsgi_app)
    monkeypatch.setattr(site.app, "wsgi_app", thinking)
    with Visit(browser, site) as visit:
        page = visit.page
        page.clock.install()
        visit.go("/new/model")
        page.get_by_label("Files").set_input_files(tmp_path / "whole.bin")
        page.get_by_role("button", name="Upload").click()
        assert thinking.began.wait(PATIENCE_MS / 1000)
        page.clock.fast_forward("01:05")
        page.clock.run_for(5000)
        thinking.goes_on.set()
        expect(page.get_by_role("heading", level=1)).to_contain_text("whole@")
    assert thinking.asked == [[str(len(data))]]


def test_an_upload_that_was_stopped_goes_on_with_the_same_file(browser, site, tmp_path):
    expect = sync_api.expect
    expect.set_options(timeout=PATIENCE_MS)
    data = random.Random(4).randbytes(12 * 2**20)
    digest = hashlib.sha256(data).hexdigest()
    (tmp_path / "stopped.bin").write_bytes(data)
    # What an earlier visit, or another browser of the same person, had sent.
    continue_upload(
        site.zoo, "stopped", digest, [data[: 10 * 2**20]], offset=0, size_bytes=len(data)
    )
    sent = []
    with Visit(browser, site) as visit:
        page = visit.page
        page.on(
            "request", lambda request: sent.append(request.url) if "offset" in request.url else 0
        )
        visit.go("/new/model")
        page.get_by_label("Files").set_input_files(tmp_path / "stopped.bin")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("stopped@")
        assert visit.faults == []
    assert [one.partition("offset=")[2] for one in sent] == [str(10 * 2**20)]


def test_browsers_hash_a_piece_at_a_time_as_everybody_does(browser, site):
    lengths = [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 5000]
    with Visit(browser, site) as visit:
        visit.go("/new/model")
        # The bytes come in pieces of every length there is up to a block and over.
        found = visit.page.evaluate(
            """(lengths) => lengths.map((length) => {
              const bytes = Uint8Array.from({ length }, (_, place) => (place * 7 + length) % 256);
              const digest = new Digest();
              for (let at = 0, piece = 0; at < length; at += piece) {
                piece = (piece + 1) % 67 || 1;
                digest.update(bytes.subarray(at, at + piece));
              }
              return digest.hex();
            })""",
            lengths,
        )
    assert found == [
        hashlib.sha256(bytes((place * 7 + length) % 256 for place in range(length))).hexdigest()
        for length in lengths
    ]


def test_looking_trying_and_sending_need_no_script(browser, site, picture):
    expect = sync_api.expect
    with Visit(browser, site, java_script_enabled=False) as visit:
        page = visit.page
        visit.go("/")
        page.get_by_label("Search by name").fill("lenet-d")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("#results h2")).to_have_text(["lenet-digits"])
        page.locator(".cards a").first.click()
        page.get_by_role("link", name="Try it").click()
        page.get_by_label("Picture", exact=True).set_input_files(picture)
        page.get_by_role("button", name="Look at it").click()
        expect(page.locator("#answer tbody th").first).to_have_text("7")
        visit.go("/new/model")
        page.get_by_label("Name").fill("notes")
        page.get_by_label("Files").set_input_files(picture)
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("notes@")


@pytest.mark.usefixtures("stocked")
def test_a_browser_signs_in_and_out(browser, home, work_off_jobs):
    expect = sync_api.expect
    app = create_app(read_settings(home=home, access="tokens"))
    with serving(app, work_off_jobs) as site, Visit(browser, site) as visit:
        secret = create_token(site.zoo, "ada", role=Role.WRITE).secret
        page = visit.page
        visit.go("/models/lenet?")
        page.get_by_label("Token").fill("zoo_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Token").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("lenet")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        visit.go("/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert visit.faults == []
