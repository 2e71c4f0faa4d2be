"""The frame of all pages: policy, files, errors for browsers, and signing in."""

import hashlib
import re
import shlex
import subprocess
import sys
from html import unescape
from importlib.resources import files

import click
import pytest

from zoo.commands.main import cli
from zoo.domain.access import Role
from zoo.operations.accounts import create_token
from zoo.operations.fetch import get_revision, list_models
from zoo.web.pages.assets import list_assets
from zoo.web.pages.table import PAGES as PAGES_TABLE

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
OWN = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def guarded(make_app):
    """An app that asks for tokens."""
    return make_app(access="tokens")


def sign_in(client, secret, **form):
    return client.post("/sign-in", data={"token": secret, **form}, headers=OWN | BROWSER)


def test_what_came_from_others_is_what_its_digest_says():
    folder = files("zoo.web.pages") / "static" / "vendor"
    told = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}
    del found["SHA256SUMS"]
    assert found == told
    assert {"htmx-LICENSE.txt", "uplot-LICENSE.txt"} <= set(told)


def test_the_style_stays_small():
    assert len(list_assets()["zoo.css"].data) < 10_000


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_files_of_pages_are_kept_for_ever_under_an_address_of_their_own(client, coding):
    page = client.get("/sign-in").text
    (address,) = re.findall(r'href="(/assets/\w+/zoo\.css)"', page)
    answer = client.get(address, headers={"Accept-Encoding": coding})
    assert answer.status_code == 200
    assert answer.mimetype == "text/css"
    assert "immutable" in answer.headers["Cache-Control"]
    assert (answer.headers.get("Content-Encoding") == "gzip") == (coding == "gzip")
    other = address.replace(address.split("/")[2], "0" * 16)
    assert client.get(other).status_code == 404
    assert client.get(f"{address}/../../../app.py").status_code == 404


def test_a_page_allows_nothing_inline_and_nothing_from_elsewhere(client):
    answer = client.get("/sign-in", headers=BROWSER)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<style" not in answer.text
    assert not re.search(r"<script(?![^>]* src=)", answer.text)
    assert not re.search(r"\son\w+=|\sstyle=", answer.text)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "not found"),
        ("/v1/models/nothing", 404, "There is no model"),
        ("/v1/models?limit=0", 400, "limit"),
    ],
)
def test_an_error_is_a_page_for_browsers_and_json_for_all_others(client, path, status, words):
    page = client.get(path, headers=BROWSER)
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert words in page.text
    told = client.get(path)
    assert (told.status_code, told.mimetype) == (status, "application/json")
    hint = told.json["error"]["hint"].replace("'", "&#39;")
    assert hint in page.text
    assert client.get(path, headers={"Accept": "application/json"}).mimetype == "application/json"


def test_a_name_in_an_error_is_shown_as_text(client):
    page = client.get("/v1/models/<img src=x onerror=alert(1)>", headers=BROWSER)
    assert page.status_code == 422
    assert "<img" not in page.text
    assert "&lt;img src=x onerror" in page.text


def test_a_browser_without_a_token_is_asked_for_one(guarded):
    client = guarded.test_client()
    page = client.get("/v1/models?limit=3", headers=BROWSER)
    assert page.status_code == 401
    assert '<input type="hidden" name="next" value="/v1/models?limit=3">' in page.text


def test_a_token_is_kept_where_no_script_and_no_other_site_gets_at_it(guarded):
    client = guarded.test_client()
    secret = create_token(guarded.extensions["zoo"], "ada", role=Role.WRITE).secret
    answer = sign_in(client, secret, next="/v1/whoami")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/v1/whoami")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert client.get("/v1/whoami").json["account"] == "ada"
    assert secret not in client.get("/sign-in").text
    client.post("/sign-out", headers=OWN)
    assert client.get("/v1/whoami").status_code == 401


def test_behind_tls_the_cookie_goes_nowhere_else(guarded):
    client = guarded.test_client()
    secret = create_token(guarded.extensions["zoo"], "ada").secret
    headers = {"Origin": "https://localhost", "X-Forwarded-Proto": "https"}
    answer = client.post("/sign-in", data={"token": secret}, headers=headers)
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


def test_a_wrong_token_is_refused_and_not_kept(guarded):
    answer = sign_in(guarded.test_client(), "zoo_wrong")
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert "zoo_wrong" not in answer.text


@pytest.mark.parametrize("goal", ["https://evil.example", "//evil.example", "/\\evil.example", ""])
def test_nobody_is_sent_to_another_site(guarded, goal):
    secret = create_token(guarded.extensions["zoo"], "ada").secret
    assert sign_in(guarded.test_client(), secret, next=goal).headers["Location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=["no origin", "null", "another", "cross-site"],
)
def test_a_cookie_speaks_for_no_change_of_another_page(guarded, headers):
    client = guarded.test_client()
    secret = create_token(guarded.extensions["zoo"], "ada", role=Role.WRITE).secret
    sign_in(client, secret)
    answer = client.post("/v1/jobs/1/cancel", headers=headers)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "forbidden")
    assert client.post("/v1/jobs/1/cancel", headers=OWN).status_code == 404


def test_no_other_site_signs_a_browser_in(guarded):
    secret = create_token(guarded.extensions["zoo"], "mallory").secret
    answer = guarded.test_client().post(
        "/sign-in", data={"token": secret}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


# Every page by its rule, and an address of it in the stocked zoo.
PAGES = {
    "/": "/",
    "/models/<model:name>": "/models/lenet",
    "/models/<model:name>/drift": "/models/lenet-digits/drift",
    "/models/<model:name>/files": "/models/lenet/files",
    "/models/<model:name>/filters": "/models/lenet/filters?layer=conv2&kernel=1",
    "/models/<model:name>/history": "/models/lenet/history",
    "/models/<model:name>/layers": "/models/lenet/layers",
    "/models/<model:name>/metrics": "/models/lenet-digits/metrics",
    "/models/<model:name>/try": "/models/lenet/try",
    "/datasets": "/datasets",
    "/datasets/<model:name>": "/datasets/digits",
    "/jobs": "/jobs",
    "/jobs/<int:number>": "/jobs/2",
    "/new/finetune": "/new/finetune?model=lenet&dataset=digits",
    "/new/model": "/new/model",
    "/new/dataset": "/new/dataset",
    "/compare": "/compare?old=lenet&new=lenet-digits",
    "/tokens": "/tokens",
    "/audit": "/audit",
    "/health": "/health",
}
# What is no page, and the one that has nothing to tell.
OTHERS = {
    "/assets/<tag>/<path:name>",
    "/models/<model:name>/face.png",
    "/datasets/<model:name>/pictures/<digest>.jpg",
    "/sign-in",
}
POSTED = {"/models/lenet/try", "/new/model", "/new/dataset"}  # whose twin takes a body


def check_command(*arguments, group=cli):
    """Check that there is such a command, with such options and as many arguments at least."""
    context = click.Context(group)
    name, command, rest = group.resolve_command(context, list(arguments))
    if isinstance(command, click.Group) and rest:
        check_command(*rest, group=command)
        return
    values, left, _ = command.make_parser(click.Context(command, info_name=name)).parse_args(rest)
    assert not left
    needed = [one.name for one in command.params if one.required]
    assert all(values.get(one) for one in needed), (arguments, needed)


def test_every_page_is_known_here(app):
    names = {room.bp.name for room in PAGES_TABLE}
    rules = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in names and "GET" in rule.methods
    }
    assert rules == PAGES.keys() | OTHERS


def test_every_page_is_told(docs):
    table = docs["pages"].partition("| page | shows |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`(/[^`]*)`", table))
    names = {"<model:name>": "NAME", "<int:number>": "NUMBER"}
    rules = {re.sub(r"<[^>]+>", lambda found: names[found[0]], rule) for rule in PAGES}
    assert told == rules


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("address", PAGES.values(), ids=str)
def test_every_page_tells_how_else_to_get_the_same(client, address):
    page = client.get(address)
    assert page.status_code == 200
    ways = page.text.partition('<aside class="ways"')[2]
    found = re.findall(r"<dt>(\w+)</dt><dd><code>([^<]+)</code></dd>", ways)
    lines = {tool: unescape(line) for tool, line in found if tool != "JSON"}
    assert lines.keys() == {"zoo", "curl", "Python"}
    # The command is one, with options that it has.
    check_command(*shlex.split(lines["zoo"])[1:])
    compile(lines["Python"], "line", "exec")
    (asked,) = re.findall(r"https?://[^'\" ]+", lines["curl"])
    if address in POSTED:
        assert re.search(r" (--data-binary |-F file=)@\S+ '?http", lines["curl"])
        assert f"POST {asked.partition('localhost')[2]}" in unescape(ways)
        return
    (twin,) = re.findall(r'<dt>JSON</dt><dd><a href="([^"]+)"', ways)
    assert asked == f"http://localhost{unescape(twin)}"
    answer = client.get(unescape(twin))
    assert (answer.status_code, answer.mimetype) == (200, "application/json")


def test_a_folder_is_sent_by_the_lines_that_its_page_shows(app, listen, monkeypatch, tmp_path):
    address = listen(app)
    page = app.test_client().get("/new/model", base_url=address).text
    (line,) = re.findall(r"<dt>Python</dt><dd><code>([^<]+)</code></dd>", page)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("kept")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    ran = subprocess.run(
        [sys.executable, "-c", unescape(line)], cwd=tmp_path, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    (model,) = list_models(app.extensions["zoo"])
    file = get_revision(app.extensions["zoo"], model.name).get_file("notes.txt")
    assert file.size_bytes == len("kept")
