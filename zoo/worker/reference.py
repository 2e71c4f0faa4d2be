"""References of a revision: what pictures like those it was trained on are to its network.

They are kept in ``ZOO_HOME/references``, by all that codes depend on but the pictures; whoever has
the same weights under another name has them too.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.domain.config import WEIGHTS
from zoo.errors import MalformedCheckpoint, TooFewPictures, TooLarge, UnreadablePicture
from zoo.formats.safetensors import read_safetensors, read_safetensors_metadata, write_safetensors
from zoo.images.member import Limits, Member
from zoo.images.prepare import Pixels, read_picture
from zoo.images.source import open_pictures
from zoo.networks.surgery import find_head
from zoo.networks.taps import tap_network
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.finetune import check_finetune
from zoo.operations.opening import Zoo
from zoo.operations.written import write_whole
from zoo.training.cache import Codes, body_key
from zoo.training.frechet import LEAST_REFERENCE
from zoo.worker.codes import taps_of
from zoo.worker.network import choose_device
from zoo.worker.parent import Parent, open_parent
from zoo.worker.sight import AT_ONCE, Sight
from zoo.worker.undone import undo_dense

MOST_PICTURES = 400  # of a reference, drawn evenly
VERSION = "1"

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What a revision's reference pictures are at each tap, and where they came from."""

    source: str
    pictures: int
    taps: Mapping[str, Codes]  # N x D


def keep_reference(zoo: Zoo, model: str, path: Path, report: Report) -> References:
    """Take the codes of a folder or archive of pictures, of any layout, and keep what they are.

    Of more than four hundred pictures so many are drawn, the same ones always; what is no readable
    picture is left out. ``report`` is told (done, total) files.

    Raises:
        ModelNotFound, RevisionNotFound, PathNotFound: there is no such thing.
        NotRunnable, NoHead, Unsupported: the revision gives no codes.
        TooFewPictures: fewer than fifty can be read.
    """
    revision = get_revision(zoo, model)
    check_finetune(revision, read_config(zoo, revision))
    parent = undo_dense(open_parent(zoo, revision.address))
    pictures = parent.config.preprocessing
    taps = taps_of(parent)
    body = tap_network(
        parent.network,
        [tap.layer for tap in taps],
        (pictures.channel_count, *pictures.crop_px),
    ).eval()
    sight = Sight(zoo=zoo, parent=parent, device=choose_device(zoo.settings.device))
    body.to(sight.device)
    rows = [sight.codes(body, batch) for batch in _batches(sight, path, report)]
    count = sum(map(len, rows))
    if count < LEAST_REFERENCE:
        raise TooFewPictures(
            f"{path}: {count} readable pictures; a reference takes {LEAST_REFERENCE} or more.",
            hint="Give a folder of pictures like those that the network was trained on.",
            path=str(path),
        )
    codes = np.concatenate(rows)
    ends = np.cumsum([tap.channels for tap in taps])[:-1]
    parts = zip(taps, np.split(codes, ends, axis=1), strict=True)
    references = References(
        source=path.absolute().name,
        pictures=count,
        taps={tap.layer: part for tap, part in parts},
    )
    _write(_path(zoo, parent), references)
    return references


def find_references(zoo: Zoo, parent: Parent) -> References | None:
    """Give the references that are kept of a revision; None where there are none."""
    path = _path(zoo, parent)
    if not path.is_file():
        return None
    try:
        told = json.loads(read_safetensors_metadata(path)["reference"])
        arrays = read_safetensors(path)
        if told["version"] != VERSION:
            return None
        return References(
            source=str(told["source"]),
            pictures=int(told["pictures"]),
            taps={tap: np.asarray(arrays[tap], np.float32) for tap in told["taps"]},
        )
    except (MalformedCheckpoint, KeyError, TypeError, ValueError):
        return None  # They can be taken anew, and who asks is told that there are none.


def _write(path: Path, references: References) -> None:
    told: dict[str, Any] = {
        "version": VERSION,
        "source": references.source,
        "pictures": references.pictures,
        "taps": list(references.taps),
    }
    arrays = {tap: np.ascontiguousarray(codes) for tap, codes in references.taps.items()}
    metadata = {"reference": json.dumps(told)}
    write_whole(path, b"".join(write_safetensors(arrays, metadata=metadata)))


def _batches(sight: Sight, path: Path, report: Report) -> Iterator[list[Pixels]]:
    """Read the pictures of a folder or archive as the network reads them, some at a time."""
    settings = sight.zoo.settings
    limits = Limits(total_bytes=settings.max_archive_bytes, member_bytes=settings.max_picture_bytes)
    with open_pictures(path, limits=limits) as source:
        members = _draw(source.members)
        batch: list[Pixels] = []
        for done, member in enumerate(members, 1):
            with contextlib.suppress(UnreadablePicture, TooLarge):
                batch.append(
                    read_picture(
                        member.read(),
                        sight.pictures,
                        name=member.path,
                        max_pixels=settings.max_picture_pixels,
                    )
                )
            report(done, len(members))
            if batch and (len(batch) == AT_ONCE or done == len(members)):
                yield batch
                batch = []


def _draw(members: Sequence[Member]) -> list[Member]:
    if len(members) <= MOST_PICTURES:
        return list(members)
    chosen = np.random.default_rng(0).permutation(len(members))[:MOST_PICTURES]
    return [members[at] for at in sorted(chosen.tolist())]


def _path(zoo: Zoo, parent: Parent) -> Path:
    weights = parent.revision.find_file(WEIGHTS)
    key = body_key(
        {
            "weights": weights.digest if weights else None,
            "recipe": parent.config.recipe.as_json(),
            "preprocessing": parent.config.preprocessing.as_json(),
            "at": find_head(parent.network).layer,
        }
    )
    return zoo.settings.home / "references" / f"{key}.safetensors"
