"""Slashes inside one part of an address: a client writes the branch feat/x as ``feat%2Fx``.

WSGI hands addresses over decoded, where that slash looks like any other. So where the address as it
was sent has one, it is carried through the routing as another character.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from werkzeug.routing import BaseConverter

SLASH = "\uf8ff"  # of the private use area; no ref is called so
SENT = ("RAW_URI", "REQUEST_URI")  # where servers keep the address as it was sent
OWN = ("/v1/", "/v2/", "/static/")  # in whose addresses an encoded slash is a slash


class KeptSlashes:
    """A WSGI app whose routes can tell an encoded slash from a plain one."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Mark the encoded slashes of a request's address."""
        sent = next((environ[key] for key in SENT if environ.get(key)), "")
        path = _path_of(sent).removeprefix(environ.get("SCRIPT_NAME", ""))
        if "%2f" in path.lower() and not path.startswith(OWN):
            marked = SLASH.encode()
            decoded = marked.join(
                unquote_to_bytes(part) for part in path.replace("%2f", "%2F").split("%2F")
            )
            environ["PATH_INFO"] = decoded.decode("latin-1")  # WSGI's way with bytes
        return self.app(environ, start)


class RefConverter(BaseConverter):
    """A branch, tag, alias or revision in an address."""

    def to_python(self, value: str) -> str:
        """Put the slashes back."""
        return value.replace(SLASH, "/")


def _path_of(sent: str) -> str:
    """Give the path of an address, which may come with a scheme and a host."""
    if sent.startswith("/"):
        return sent.partition("?")[0]
    try:
        return urlsplit(sent).path
    except ValueError:
        return ""
