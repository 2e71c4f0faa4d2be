"""The face of a revision: its first filters in a small picture, by which it is known at a glance.

A gallery shows dozens, so one that was drawn costs a single question to the catalog: whether the
caller may see the revision. Which picture is its own follows from its id, which follows from the
digests of its files.
"""

import hashlib
import json
from dataclasses import dataclass

from zoo.catalog.models import find_privacy
from zoo.domain.access import Role
from zoo.domain.config import CONFIG, WEIGHTS
from zoo.domain.revision import Revision, split_address
from zoo.filters.portrait import draw_face as draw_first
from zoo.images.heat import as_small_png
from zoo.operations.fetch import get_revision
from zoo.operations.filters import find_view
from zoo.operations.kept import keep_picture, read_kept_picture
from zoo.operations.opening import Zoo

KIND, VERSION = "faces", 2  # of how they are drawn: raise it where that changes
MOST_KNOWN = 20_000

_tags: dict[str, str] = {}  # of revisions, by their ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """The first filters of a network, in a square."""

    png: bytes
    tag: str  # changes with everything it depends on


def draw_face(zoo: Zoo, address: str) -> Face:
    """Draw what a revision is known by at a glance: its first filters, as a small PNG.

    It is kept by the digest of the weights.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such revision.
        FileNotFound, MalformedCheckpoint, LayerNotFound, Invalid: it has nothing to be drawn.
    """
    return _find_known(zoo, address) or _draw(zoo, address)


def _find_known(zoo: Zoo, address: str) -> Face | None:
    """Find the face of a revision that was asked for before by its whole id."""
    name, ref = split_address(address)
    tag = _tags.get(ref)
    if tag is None:
        return None
    with zoo.catalog.reading() as db:
        is_private = find_privacy(db, name, ref)
    if is_private is None or (is_private and not zoo.caller.may(Role.READ, name)):
        return None  # It may have another name by now; who may not see it is told elsewhere.
    png = read_kept_picture(zoo, KIND, tag)
    return None if png is None else Face(png=png, tag=tag)


def _draw(zoo: Zoo, address: str) -> Face:
    revision = get_revision(zoo, address)
    tag = _tag_of(revision)
    png = read_kept_picture(zoo, KIND, tag)
    if png is None:
        view = find_view(zoo, address)
        png = as_small_png(draw_first(view.tensor, channels=view.channels))
        keep_picture(zoo, KIND, tag, png)
    if len(_tags) >= MOST_KNOWN:
        _tags.clear()
    _tags[revision.id] = tag
    return Face(png=png, tag=tag)


def _tag_of(revision: Revision) -> str:
    digest, config = revision.get_file(WEIGHTS).digest, revision.find_file(CONFIG)
    parts = [VERSION, digest, config.digest if config else ""]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]
