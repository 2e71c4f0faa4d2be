"""What another zoo tells is looked at before it names anything here."""

import json

import pytest

from zoo.client.remote import Remote
from zoo.errors import BadName, BadSetting, ModelNotFound, ServerUnreachable, ZooError

FILE = {"path": "a", "digest": "0" * 64, "size_bytes": 1}
TOLD = {"model": "net", "id": "1" * 40, "message": "m", "created_at": "", "summary": {}}


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
    found = tell(TOLD | {"files": [FILE]}).get_revision("net", "main")
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
        tell(TOLD | {"files": [FILE | change]}).get_revision("net", "main")


@pytest.mark.parametrize("told", [b"<html>", b"[]", b"{}", b"null", {"files": 7}, TOLD], ids=str)
def test_what_is_no_zoo_is_told(tell, told):
    with pytest.raises(ServerUnreachable, match="no zoo"):
        tell(told).get_revision("net", "main")


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


@pytest.mark.parametrize("url", ["", "x", "ftp://x", "http://", "http://user:password@x"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(BadSetting):
        Remote(url)
