"""References of a revision: what pictures like those it was trained on are to its network.

They are kept in ``ZOO_HOME/references``, by all that codes depend on but the pictures; whoever has
the same weights under another name has them too. What a job took is also a file of that job, where
every machine of a zoo finds it. The newest counts.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.domain.config import WEIGHTS
from zoo.domain.job import Job, JobKind
from zoo.errors import (
    BlobNotFound,
    MalformedCheckpoint,
    TooFewPictures,
    TooLarge,
    UnreadablePicture,
)
from zoo.formats.safetensors import read_safetensors, read_safetensors_metadata, write_safetensors
from zoo.images.member import Limits, draw_members
from zoo.images.prepare import Pixels, read_picture
from zoo.images.resize import pixels_key
from zoo.images.source import open_pictures
from zoo.networks.surgery import find_head
from zoo.networks.taps import tap_network
from zoo.operations import jobs
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.finetune import check_finetune
from zoo.operations.made import keep_files, list_files
from zoo.operations.measuring import MOST_REFERENCE, KeptReference
from zoo.operations.opening import Zoo
from zoo.operations.written import write_whole
from zoo.training.cache import Codes, body_key
from zoo.training.frechet import LEAST_REFERENCE
from zoo.worker.codes import taps_of
from zoo.worker.network import choose_device
from zoo.worker.parent import Parent, open_parent
from zoo.worker.progress import Progress
from zoo.worker.sight import AT_ONCE, Sight
from zoo.worker.undone import undo_dense

VERSION = "1"
FILE = "reference.safetensors"  # of a job

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What a revision's reference pictures are at each tap, and where they came from."""

    source: str
    pictures: int
    taps: Mapping[str, Codes]  # N x D
    taken_at: str  # a time in UTC, as ISO 8601 has it; empty for those of an earlier release

    @property
    def kept(self) -> KeptReference:
        """Tell of them without their numbers."""
        return KeptReference(reference=self.source, pictures=self.pictures, layers=tuple(self.taps))


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Take a reference from an archive in the store, and end the job with its file.

    Raises:
        As ``keep_reference``.
    """
    params = job.params
    kept, key, data = _take(
        zoo,
        params["model"],
        zoo.blobs.local_path(params["archive"]),
        lambda done, total: progress.count("codes", "files", done, total),
        source=params["source"],
    )
    told = {"model": params["model"], **asdict(kept.kept), "key": key, "taken_at": kept.taken_at}
    jobs.succeed(zoo, progress.attempt, told | keep_files(zoo, {FILE: data}))


def keep_reference(
    zoo: Zoo, model: str, path: Path, report: Report, *, source: str
) -> KeptReference:
    """Take the codes of a folder or archive of pictures, of any layout, and keep what they are.

    Of more than ``MOST_REFERENCE`` files so many are drawn, the same ones always; what is no
    readable picture is left out. ``report`` is told (done, total) files; ``source`` is what the
    pictures are called.

    Raises:
        ModelNotFound, RevisionNotFound, PathNotFound: there is no such thing.
        NotRunnable, NoHead, Unsupported: the revision gives no codes.
        TooFewPictures: fewer than fifty can be read.
    """
    kept, key, data = _take(zoo, model, path, report, source=source)
    write_whole(_path(zoo, key), data)
    return kept.kept


def _take(
    zoo: Zoo, model: str, path: Path, report: Report, *, source: str
) -> tuple[References, str, bytes]:
    """Give what pictures are at each tap, by which key they are found, and how they are kept."""
    revision = get_revision(zoo, model)
    check_finetune(zoo, revision, read_config(zoo, revision))
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
    rows = [sight.codes(body, batch) for batch in _batches(sight, path, report, source)]
    count = sum(map(len, rows))
    if count < LEAST_REFERENCE:
        raise TooFewPictures(
            f"{source}: {count} readable pictures; a reference takes {LEAST_REFERENCE} or more.",
            hint="Give a folder of pictures like those that the network was trained on.",
            pictures=count,
        )
    codes = np.concatenate(rows)
    ends = np.cumsum([tap.channels for tap in taps])[:-1]
    parts = zip(taps, np.split(codes, ends, axis=1), strict=True)
    references = References(
        source=source,
        pictures=count,
        taps={tap.layer: part for tap, part in parts},
        taken_at=zoo.clock().isoformat(),
    )
    return references, _key(parent), _write(references)


def find_references(zoo: Zoo, parent: Parent) -> References | None:
    """Give the newest references that are kept of a revision; None where there are none."""
    key = _key(parent)
    path = _path(zoo, key)
    own = _read(path) if path.is_file() else None
    job = next(
        (
            one
            for one in jobs.list_succeeded(zoo, JobKind.REFERENCE)
            if one.result and one.result["key"] == key
        ),
        None,
    )
    if job is None or job.result is None or (own and own.taken_at > job.result["taken_at"]):
        return own
    (file,) = list_files(job.result)
    with contextlib.suppress(BlobNotFound):
        return _read(zoo.blobs.local_path(file.digest)) or own
    return own


def _read(path: Path) -> References | None:
    """Read what is kept; None where it cannot be used."""
    try:
        told = json.loads(read_safetensors_metadata(path)["reference"])
        arrays = read_safetensors(path)
        if told["version"] != VERSION:
            return None
        return References(
            source=str(told["source"]),
            pictures=int(told["pictures"]),
            taps={tap: np.asarray(arrays[tap], np.float32) for tap in told["taps"]},
            taken_at=str(told.get("taken_at", "")),
        )
    except (MalformedCheckpoint, KeyError, TypeError, ValueError):
        return None  # They can be taken anew, and who asks is told that there are none.


def _write(references: References) -> bytes:
    told: dict[str, Any] = {
        "version": VERSION,
        "source": references.source,
        "pictures": references.pictures,
        "taps": list(references.taps),
        "taken_at": references.taken_at,
    }
    arrays = {tap: np.ascontiguousarray(codes) for tap, codes in references.taps.items()}
    metadata = {"reference": json.dumps(told)}
    return b"".join(write_safetensors(arrays, metadata=metadata))


def _batches(sight: Sight, path: Path, report: Report, source: str) -> Iterator[list[Pixels]]:
    """Read the pictures of a folder or archive as the network reads them, some at a time."""
    settings = sight.zoo.settings
    limits = Limits(total_bytes=settings.max_archive_bytes, member_bytes=settings.max_picture_bytes)
    with open_pictures(path, limits=limits, name=source) as opened:
        members = draw_members(opened.members, MOST_REFERENCE)
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


def _path(zoo: Zoo, key: str) -> Path:
    return zoo.settings.home / "references" / f"{key}.safetensors"


def _key(parent: Parent) -> str:
    weights = parent.revision.find_file(WEIGHTS)
    return body_key(
        {
            "weights": weights.digest if weights else None,
            "recipe": parent.config.recipe.as_json(),
            "preprocessing": parent.config.preprocessing.as_json(),
            "pixels": pixels_key(),
            "at": find_head(parent.network).layer,
        }
    )
