"""The two addresses that are asked most are answered as Flask would, with or without it."""

import gc
import json
import weakref
from dataclasses import replace
from math import prod

import pytest
from werkzeug.test import EnvironBuilder

from zoo.domain.access import Role
from zoo.errors import NotRunnable, Unauthenticated
from zoo.operations.accounts import create_token, revoke_token
from zoo.serving.predictor import Predictor
from zoo.web.context import ZOO
from zoo.web.heads import KNOWN
from zoo.web.short import Short

pytestmark = pytest.mark.usefixtures("stocked")
PREDICT = "/v1/models/lenet-digits/predict"
INFER = "/v2/models/lenet-digits/infer"
JSON_BYTES = "Inference-Header-Content-Length"
PER_REQUEST = {"Date"}


@pytest.fixture
def long(app, monkeypatch):
    """Have the app answer everything by Flask."""

    def long():
        assert isinstance(app.wsgi_app, Short)
        monkeypatch.setattr(app, "wsgi_app", app.wsgi_app.app)

    return long


@pytest.fixture
def routed(app, monkeypatch):
    """The requests that Flask was asked for."""
    seen = []
    inner = app.wsgi_app.app

    def ask(environ, start):
        seen.append(environ["PATH_INFO"])
        return inner(environ, start)

    monkeypatch.setattr(app.wsgi_app, "app", ask)
    return seen


def told(answer):
    headers = {name: value for name, value in answer.headers.items() if name not in PER_REQUEST}
    return answer.status_code, headers, answer.data


def in_json(shape=(1, 28, 28, 3), **more):
    data = [7] * prod(shape)
    one = {"name": "images", "shape": list(shape), "datatype": "UINT8", "data": data}
    return json.dumps({"inputs": [one]} | more).encode()


REQUESTS = {
    "json": (INFER, in_json(id="7"), {}),
    "binary out": (INFER, in_json(parameters={"binary_data_output": True}), {}),
    "gzip accepted": (INFER, in_json(), {"Accept-Encoding": "gzip"}),
    "classes": (
        INFER,
        in_json(outputs=[{"name": "probabilities", "parameters": {"classification": 2}}]),
        {},
    ),
    "raw": (INFER, bytes([7] * 28 * 28 * 3), {JSON_BYTES: "0"}),
    "a ref": (INFER.replace("digits", "digits:main"), in_json(), {}),
    "picture": (PREDICT, None, {}),
    "no such model": ("/v2/models/nobody/infer", in_json(), {}),
    "no such model to predict": ("/v1/models/nobody/predict", b"x", {}),
    "no JSON": (INFER, b"{", {}),
    "another shape": (INFER, in_json((1, 2, 2, 3)), {}),
    "no length": (INFER, in_json(), {JSON_BYTES: "-1"}),
    "no picture": (PREDICT, b"no picture", {}),
    "another host": (INFER, in_json(), {"Host": "evil.example"}),
    "another site": (INFER, in_json(), {"Origin": "http://evil.example"}),
    "another site's page": (PREDICT, b"x", {"Sec-Fetch-Site": "cross-site"}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_short_way_answers_what_the_long_one_does(client, picture, routed, long, name):
    url, body, headers = REQUESTS[name]
    body = body or picture.read_bytes()
    short = told(client.post(url, data=body, headers=headers))
    assert (short[0] == 200) == (not routed)  # What is refused, Flask tells.
    long()
    assert short == told(client.post(url, data=body, headers=headers))


@pytest.fixture
def ask_again(app):
    """Ask by a head that came before on its connection, as the worker does."""

    def ask_again(known, body, *, of=app, **environ):
        builder = EnvironBuilder(INFER, method="POST", data=body, base_url="http://localhost")
        started = []
        given = builder.get_environ() | {"REMOTE_ADDR": "127.0.0.1", KNOWN: known} | environ
        answer = b"".join(of.wsgi_app(given, lambda status, _: started.append(status)))
        return started[0], answer

    return ask_again


def test_a_head_that_came_before_is_looked_at_once(app, ask_again, routed, monkeypatch):
    known = {}
    first = ask_again(known, in_json(id="7"))
    monkeypatch.setattr(app.wsgi_app, "ways", ())
    assert ask_again(known, in_json(id="8")) == (first[0], first[1].replace(b'"7"', b'"8"'))
    assert not routed
    ask_again({}, in_json(id="7"))
    assert routed  # Nothing but what that head told is known.


def test_a_token_is_looked_at_each_time(make_app, ask_again):
    closed, known = make_app(access="tokens"), {}
    zoo = closed.extensions[ZOO]
    created = create_token(zoo, "ada", role=Role.ADMIN)
    told = {"HTTP_AUTHORIZATION": f"Bearer {created.secret}"}
    for _ in range(2):
        assert ask_again(known, in_json(), of=closed, **told)[0] == "200 OK"
    revoke_token(zoo, created.token.id)
    assert ask_again(known, in_json(), of=closed, **told)[0].startswith("401")


def test_an_open_server_lets_a_sender_in_once(ask_again, monkeypatch):
    known = {}
    assert ask_again(known, in_json())[0] == "200 OK"

    def refuse(*_, **__):
        raise Unauthenticated("This one was let in.")

    monkeypatch.setattr("zoo.web.short.admit", refuse)
    assert ask_again(known, in_json())[0] == "200 OK"
    assert ask_again({}, in_json())[0].startswith("401")


def test_of_a_sender_that_was_refused_nothing_is_known(ask_again):
    known = {}
    refused = ask_again(known, in_json(), HTTP_HOST="evil.example")
    assert refused[0].startswith("403")
    assert not known


UNUSUAL = {
    "a query": (f"{PREDICT}?top=2", {}, {}),
    "a compressed body": (INFER, {"Content-Encoding": "gzip"}, {}),
    "a version": (INFER.replace("/infer", "/versions/main/infer"), {}, {}),
    "a form": (PREDICT, {"Content-Type": "multipart/form-data; boundary=x"}, {}),
    "an encoded name": (INFER.replace("lenet", "l%65net").replace("-", "%C3%A9"), {}, {}),
    "nothing": (INFER, {}, {"data": b""}),
    "chunks": (INFER, {"Transfer-Encoding": "chunked"}, {}),
    "another method": (INFER, {}, {"method": "GET"}),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_not_plain_goes_the_long_way(client, routed, name):
    url, headers, more = UNUSUAL[name]
    client.open(url, **({"method": "POST", "data": in_json(), "headers": headers} | more))
    assert len(routed) == 1


def test_both_ways_are_counted_alike(client, picture, long):
    def count():
        lines = client.get("/metrics").text.splitlines()
        (line,) = [
            one
            for one in lines
            if one.startswith("zoo_http_requests_total") and "predict" in one and '"200"' in one
        ]
        return line.rsplit(" ", 1)

    client.post(PREDICT, data=picture.read_bytes())
    first = count()
    long()
    client.post(PREDICT, data=picture.read_bytes())
    assert count() == [first[0], str(float(first[1]) + 1)]


def test_a_fault_of_the_server_is_told_as_one(app, client, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    ways = tuple(replace(way, answer=fail) for way in app.wsgi_app.ways)
    monkeypatch.setattr(app.wsgi_app, "ways", ways)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = client.post(PREDICT, data=b"a picture")
    assert answer.status_code == 500
    assert answer.json["error"]["code"] == "internal_server_error"


class Kept:
    """Something that a request holds."""


@pytest.mark.parametrize("shape", [(1, 2, 2, 3), (1, 28, 28, 3)], ids=["refused", "failed"])
def test_a_request_that_was_not_answered_is_let_go_of(app, client, monkeypatch, shape):
    """Its error would keep it, and be kept by it, until the collector comes by."""

    def fail(*_):
        raise NotRunnable

    assert client.post(INFER, data=in_json()).status_code == 200  # It is loaded.
    monkeypatch.setattr(Predictor, "_run", fail)
    kept = Kept()
    let_go = weakref.ref(kept)
    environ = EnvironBuilder(path=INFER, method="POST", data=in_json(shape)).get_environ()
    environ |= {"REMOTE_ADDR": "127.0.0.1", "zoo.test": kept}
    del kept
    gc.collect()
    gc.disable()
    try:
        statuses = []
        b"".join(app(environ, lambda status, *_: statuses.append(status)))
        assert statuses[0][:3] in {"400", "409"}
        del environ
        assert let_go() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["json", "picture"])
def test_whoever_is_answered_counts_as_busy_meanwhile(app, client, picture, monkeypatch, name):
    url, body, headers = REQUESTS[name]
    at_work, seen = app.wsgi_app.service.at_work, []
    usual = Predictor.predict

    def predict(predictor, images):
        seen.append(len(at_work))
        return usual(predictor, images)

    monkeypatch.setattr(Predictor, "predict", predict)
    body = body or picture.read_bytes()
    assert client.post(url, data=body, headers=headers).status_code == 200
    assert seen[-1] == 1
    assert not at_work
    assert client.post(url, data=b"{", headers=headers).status_code >= 400
    assert not at_work
