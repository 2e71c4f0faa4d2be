"""The frame of all pages: policy, files, errors for browsers, and signing in."""

import hashlib
import re
from importlib.resources import files

import pytest

from zoo.domain.access import Role
from zoo.operations.accounts import create_token
from zoo.web.pages.assets import list_assets

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
