"""Requests of other hosts' names and of other sites' pages are not answered."""

import pytest

OWN = ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.2:1", "[::1]", "[::1]:8080"]
FOREIGN = [
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example:8080",
    "user@localhost",
    "localhost:8080@evil.example",
    "localhost:port",
    "192.168.0.1",
    "0.0.0.0",
    "[::2]",
    "[::1",
    "2130706433",
    "localhost evil.example",
]
PAGES = ["/v1/models", "/v1/nowhere", "/docs", "/openapi.json", "/static/reference.css"]
CHANGES = ["POST", "PUT", "PATCH", "DELETE"]


def ask(client, method="POST", path="/v1/jobs/99/cancel", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.open(path, method=method, headers={"Host": "localhost:8080"} | named)


def refused(answer):
    return (answer.status_code, answer.json["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", OWN)
def test_the_names_of_this_machine_are_answered(client, host):
    assert ask(client, "GET", "/v1/health", Host=host).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_names_are_not_answered(client, method, host):
    answer = ask(client, method, "/v1/models", Host=host)
    assert refused(answer)
    assert repr(host) in answer.json["error"]["message"]
    assert "ZOO_TRUSTED_HOSTS" in answer.json["error"]["hint"]


@pytest.mark.parametrize("path", PAGES)
def test_nothing_at_all_is_told_under_another_name(client, path):
    assert refused(ask(client, "GET", path, Host="evil.example"))


@pytest.mark.parametrize("host", ["zoo.example.org", "ZOO.example.org:443", "[fd00::1]:80"])
def test_names_that_the_settings_trust_are_answered(make_app, host):
    client = make_app(trusted_hosts=("Zoo.example.org", "fd00::1")).test_client()
    assert ask(client, "GET", "/v1/health", Host=host).status_code == 200
    assert refused(ask(client, "GET", "/v1/health", Host=f"not.{host}"))


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_a_change_from_a_page_of_another_site_is_refused(client, method, site):
    answer = ask(client, method, Sec_Fetch_Site=site)
    assert refused(answer)
    assert "may not change" in answer.json["error"]["message"]


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "http://localhost:3000",
        "http://localhost",
        "x",
        "http://[",
        "",
    ],
)
def test_a_change_from_another_origin_is_refused(client, method, origin):
    assert refused(ask(client, method, Origin=origin))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://localhost:8080"},
        {"Origin": "http://LOCALHOST:8080"},
    ],
    ids=str,
)
def test_a_change_from_an_own_page_or_no_page_is_answered(client, headers):
    assert ask(client, **headers).json["error"]["code"] == "job_not_found"


def test_a_page_of_another_site_may_link_here(client):
    answer = ask(client, "GET", "/docs", Sec_Fetch_Site="cross-site", Origin="http://a.example")
    assert answer.status_code == 200


def test_every_operation_tells_that_it_may_be_forbidden(client):
    paths = client.get("/openapi.json").json["paths"]
    assert all("403" in one["responses"] for methods in paths.values() for one in methods.values())
