"""What another zoo tells is looked at before it names anything here."""

import json

import pytest

from zoo.client.models import Models
from zoo.client.reading import Asking
from zoo.client.remote import Remote
from zoo.errors import (
    BadName,
    BadSetting,
    ModelNotFound,
    ServerUnreachable,
    Unsupported,
    ZooError,
)

FILE = {"path": "a", "digest": "0" * 64, "size_bytes": 1}
TOLD = {
    "model": "net",
    "id": "1" * 40,
    "message": "m",
    "created_at": "2026-01-02T03:04:05.678901Z",
    "summary": {},
}


class Answer:
    def __init__(self, status, data):
        self.status, self.data = status, data


@pytest.fixture
def tell(monkeypatch):
    """A function that gives a remote zoo which answers so."""

    def make(told, status=200):
        remote = Remote("http://zoo.example.org")
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        monkeypatch.setattr(remote, "_request", lambda *_, **__: Answer(status, data))
        return remote

    return make


def test_a_revision_is_read(tell):
    found = Asking(tell(TOLD | {"files": [FILE]})).get_revision("net")
    assert [(file.path, file.size_bytes) for file in found.files] == [("a", 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "../../../escape"},
        {"digest": "/etc/passwd"},
        {"digest": "A" * 64},
        {"digest": 7},
        {"size_bytes": -1},
        {"size_bytes": "1"},
        {"size_bytes": True},
        {"path": "../escape"},
        {"path": "/etc/passwd"},
    ],
    ids=str,
)
def test_files_that_cannot_be_are_refused(tell, change):
    with pytest.raises((ServerUnreachable, BadName)):
        Asking(tell(TOLD | {"files": [FILE | change]})).get_revision("net")


@pytest.mark.parametrize("told", [b"<html>", b"[]", b"{}", b"null", {"files": 7}, TOLD], ids=str)
def test_what_is_no_zoo_is_told(tell, told):
    with pytest.raises(ServerUnreachable, match="no zoo"):
        Asking(tell(told)).get_revision("net")


def test_errors_keep_their_class_their_hint_and_their_detail(tell):
    said = {"code": "model_not_found", "message": "none", "hint": "look", "detail": {"name": "x"}}
    with pytest.raises(ModelNotFound) as raised:
        tell({"error": said}, status=404).ask("GET", "/")
    assert (raised.value.hint, raised.value.detail) == ("look", {"name": "x"})
    with pytest.raises(ZooError):
        tell({"error": said | {"code": "of a later release"}}, status=400).ask("GET", "/")
    for told in (b"", {"error": "text"}, {}):
        with pytest.raises(ServerUnreachable):
            tell(told, status=500).ask("GET", "/")


@pytest.mark.parametrize("change", [{"id": "main"}, {"id": 7}, {"created_at": "soon"}], ids=str)
def test_a_revision_of_another_form_is_refused(tell, change):
    with pytest.raises(ServerUnreachable, match="no zoo"):
        Asking(tell(TOLD | {"files": []} | change)).get_revision("net")


def test_what_a_later_release_tells_beside_is_left_out(tell):
    found = Asking(tell(TOLD | {"files": [FILE | {"more": 1}], "more": {}})).get_revision("net")
    assert found.files[0].path == "a"


@pytest.mark.parametrize(("code", "status"), [("not_found", 404), ("method_not_allowed", 405)])
def test_an_older_zoo_without_the_address_is_told_as_such(tell, code, status):
    detail = {"path": "/v1/sweep", "method": "POST"}
    said = {"code": code, "message": "The requested URL", "hint": "", "detail": detail}
    with pytest.raises(Unsupported, match="does not know POST /v1/sweep") as raised:
        tell({"error": said}, status=status).ask("POST", "/v1/sweep")
    assert "earlier release" in raised.value.hint


def test_only_where_two_zoos_may_say_no_the_address_is_told(tell):
    said = {"code": "model_not_found", "message": "none", "hint": "", "detail": {}}
    remote = tell({"error": said}, status=404)
    with pytest.raises(ModelNotFound, match=r"^none$"):
        remote.ask("GET", "/")
    remote._said_by = Remote(remote.url, is_named=True)._said_by
    with pytest.raises(ModelNotFound, match=r"^http://zoo\.example\.org: none$"):
        remote.ask("GET", "/")


@pytest.mark.parametrize("url", ["", "x", "ftp://x", "http://", "http://user:password@x"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(BadSetting):
        Remote(url)


def test_a_zoo_that_nobody_runs_is_told_in_the_systems_words():
    with Remote("http://127.0.0.1:9") as remote, pytest.raises(ServerUnreachable) as caught:
        remote.ask("POST", "/v1/sweep", {})
    assert str(caught.value) == "http://127.0.0.1:9 does not answer: Connection refused."


def test_moves_are_read_page_by_page_and_not_for_ever(tell, monkeypatch):
    move = {"ref": "main", "old": None, "new": "1" * 40, "at": TOLD["created_at"]}
    ends, asked = [5, 3, None], []
    remote = tell({})

    def answer(_method, _path, _body, *, query):
        asked.append(query.get("before"))
        return {"refs": [], "moves": [move], "next": ends.pop(0)}

    monkeypatch.setattr(remote, "ask", answer)
    assert len(Models(remote).list_moves("net")) == 3
    assert asked == [None, 5, 3]
    endless = Models(tell({"refs": [], "moves": [], "next": 5}))
    with pytest.raises(ServerUnreachable, match="lead to themselves"):
        endless.list_moves("net")
