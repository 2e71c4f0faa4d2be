"""Style, scripts and their licences: kept in memory, named by what they hold, kept by browsers."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from zoo.web.access import Need, needs

# The templates of all pages are found through it.
bp = Blueprint("pages_assets", __name__, template_folder="templates")

FOREVER = "public, max-age=31536000, immutable"
DIGITS = 16  # of a digest, in an address
TEXTS = {"text/css", "text/javascript", "text/plain", "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file that pages load."""

    kind: str  # media type
    data: bytes
    packed: bytes  # by gzip
    tag: str  # the beginning of its sha256


@cache
def list_assets() -> dict[str, Asset]:
    """Give the files that pages load, by their paths; they are read once."""
    return dict(_read(files("zoo.web.pages") / "static", ""))


def _read(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for one in folder.iterdir():
        if one.is_dir():
            found += _read(one, f"{prefix}{one.name}/")
            continue
        data, kind = one.read_bytes(), mimetypes.guess_type(one.name)[0] or "text/plain"
        tag = hashlib.sha256(data).hexdigest()[:DIGITS]
        packed = gzip.compress(data, mtime=0)
        found.append((f"{prefix}{one.name}", Asset(kind=kind, data=data, packed=packed, tag=tag)))
    return found


def asset_url(name: str) -> str:
    """Give the address of a file, which is another one whenever the file is."""
    tag = list_assets()[name].tag
    return url_for("pages_assets.get_asset", tag=tag, name=name)


@bp.get("/assets/<tag>/<path:name>")
@needs(Need.NOBODY)
def get_asset(tag: str, name: str) -> ResponseReturnValue:
    """Give a file; under the address of another edition there is none."""
    asset = list_assets().get(name)
    if asset is None or asset.tag != tag:
        raise NotFound
    is_packed = request.accept_encodings.best_match(["gzip"]) is not None
    response = Response(asset.packed if is_packed else asset.data, mimetype=asset.kind)
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = FOREVER
    response.headers["Vary"] = "Accept-Encoding"
    return response
