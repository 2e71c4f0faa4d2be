"""Adding datasets: every picture is read once, checked and kept; the rest is listed."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from zoo.catalog import audit, datasets
from zoo.catalog.tables import LONGEST_LABEL, LONGEST_PATH
from zoo.domain.access import Role
from zoo.domain.dataset import (
    Dataset,
    DatasetDescription,
    DatasetSummary,
    Picture,
    PictureWish,
    Skipped,
    Split,
)
from zoo.domain.revision import Blob, check_model_name, derive_name
from zoo.errors import (
    ClassesDiffer,
    DatasetNotFound,
    EmptyDataset,
    OneClass,
    TooFewPictures,
    TooLarge,
    UnreadablePicture,
)
from zoo.images.decode import decode
from zoo.images.layout import Layout, Place, arrange, list_hidden
from zoo.images.member import Limits, Member, PictureSource
from zoo.images.source import open_pictures
from zoo.images.split import draw_split
from zoo.images.turns import Turns
from zoo.operations.access import check_role
from zoo.operations.opening import Zoo
from zoo.operations.publish import check_still_kept, look_for
from zoo.operations.stamps import Stamps, keep_stamps, read_stamps
from zoo.planning import check_dataset
from zoo.settings import Settings

ARCHIVE_ENDINGS = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)


def add_dataset(  # noqa: PLR0913  # in whose turn is the last
    zoo: Zoo,
    path: Path,
    *,
    name: str | None = None,
    source_name: str | None = None,
    report: Callable[[int, int], None] = lambda _done, _total: None,
    turns: Turns | None = None,
) -> Dataset:
    """Add a folder of class folders, or a zip or tar of it, and return the dataset.

    Pictures keep the split their folders tell; otherwise a fifth of each class is drawn for
    validation. Files that are no readable pictures are listed in ``skipped``. ``report`` is told
    (done, total) after every file. Errors call the source ``source_name``, else its path. Files of
    a folder that were not changed since it was last added are not read again. Each is decoded in
    its turn, where ``turns`` are given.

    Raises:
        PathNotFound, UnsafeArchive, MalformedArchive, TooLarge: the source cannot be read.
        EmptyDataset, OneClass, TooFewPictures, ClassesDiffer: nothing can be learned from it.
        BadName: a dataset cannot be called so.
        Forbidden: the caller may not write what belongs to its owner.
        StorageFull: there is no room for the pictures.
        Conflict: a sweep took pictures because adding them took longer than its grace.
    """
    called = check_model_name(name or dataset_name(path))
    check_role(zoo, Role.WRITE, called)
    began_at = zoo.clock()
    with open_pictures(path, limits=_limits(zoo.settings), name=source_name) as source:
        passed = (*source.skipped, *list_hidden(source.paths))
        with _with_reasons(passed):
            layout = arrange(source.paths, name=source.name)
        before = read_stamps(zoo, path, _find_dataset(zoo, called))
        put = partial(_put, zoo, turns or Turns(zoo.settings.decoding_bytes))
        read, skipped = _keep(source, layout, before, put, report)
    consistent, contradicting = _without_contradictions([picture for _, picture in read])
    kept, leaked = _without_leaks(consistent)
    dataset = Dataset(
        name=called,
        classes=layout.classes,
        pictures=tuple(kept),
        skipped=(*passed, *layout.skipped, *skipped, *contradicting, *leaked),
        split_source="given",
    )
    if not kept:
        left = next(iter(dataset.skipped), None)
        raise EmptyDataset(
            f"{source.name}: none of its {len(dataset.skipped)} files is a picture that can be used"
            + (f"; the first: {_told(left)}." if left is not None else "."),
            path=source.name,
        )
    if not dataset.of_split(Split.VAL):
        dataset = replace(dataset, pictures=_split(dataset.pictures), split_source="drawn")
    with _with_reasons(dataset.skipped):
        check_dataset(dataset)
    now = zoo.clock()
    digests = [picture.digest for picture in dataset.pictures]
    # Rows refer to what was not put again, so that no sweep has taken it.
    fresh = set(digests) - before.held.keys()
    look = look_for(zoo, digests, put=fresh, began_at=began_at)
    with zoo.catalog.writing() as db:
        check_still_kept(zoo, db, digests, look)
        added = datasets.add_dataset(db, dataset, now=now)
        audit.add_entry(db, zoo.caller, "dataset.add", called, now=now, dataset=added.id)
    keep_stamps(zoo, path, read, before=before)
    return added


def dataset_name(path: Path) -> str:
    """Derive a dataset's name from its folder or archive."""
    return derive_name(ARCHIVE_ENDINGS.sub("", path.absolute().name), otherwise="dataset")


def get_dataset(zoo: Zoo, address: str) -> Dataset:
    """Give the newest dataset of a name, or the one at ``name@id``.

    Raises:
        DatasetNotFound: there is none.
    """
    with zoo.catalog.reading() as db:
        return datasets.get_dataset(db, address)


def describe_dataset(zoo: Zoo, address: str) -> DatasetDescription:
    """Give a dataset as ``get_dataset`` does, without its pictures, of which there may be many.

    Raises:
        DatasetNotFound: there is none.
    """
    with zoo.catalog.reading() as db:
        return datasets.get_description(db, address)


def list_pictures(zoo: Zoo, address: str, wish: PictureWish, *, limit: int) -> list[Picture]:
    """List so many of a dataset's pictures, in its order.

    Raises:
        DatasetNotFound: there is none.
    """
    with zoo.catalog.reading() as db:
        return datasets.list_pictures(db, address, wish, limit=limit)


def list_datasets(zoo: Zoo, *, after: str = "", limit: int | None = None) -> list[DatasetSummary]:
    """List datasets by name, the newest of a name first: all, or those after a name or address.

    Raises:
        DatasetNotFound: there is none at the address ``after``.
    """
    with zoo.catalog.reading() as db:
        return datasets.list_datasets(db, after=after, limit=limit)


def _limits(settings: Settings) -> Limits:
    return Limits(total_bytes=settings.max_archive_bytes, member_bytes=settings.max_picture_bytes)


def _find_dataset(zoo: Zoo, name: str) -> Dataset | None:
    with zoo.catalog.reading() as db:
        try:
            return datasets.get_dataset(db, name)
        except DatasetNotFound:
            return None


def _keep(
    source: PictureSource,
    layout: Layout,
    before: Stamps,
    put: Callable[[Member], Blob],
    report: Callable[[int, int], None],
) -> tuple[list[tuple[Member, Picture]], list[Skipped]]:
    """Check and keep the members that have a place; list those that are no pictures."""
    kept: list[tuple[Member, Picture]] = []
    skipped: list[Skipped] = []
    placed = list(_placed(source, layout))
    for done, (member, place) in enumerate(placed, 1):
        try:
            _check_length(member.path, place.label)
            blob = before.find(member) or put(member)
        except (UnreadablePicture, TooLarge) as error:
            skipped.append(Skipped(path=member.path, reason=_reason(error, member)))
        else:
            picture = Picture(
                path=member.path.removeprefix(layout.wrapper),
                label=place.label,
                split=place.split or Split.TRAIN,
                digest=blob.digest,
                size_bytes=blob.size_bytes,
            )
            kept.append((member, picture))
        report(done, len(placed))
    return kept, skipped


def _put(zoo: Zoo, turns: Turns, member: Member) -> Blob:
    """Keep the bytes of a member once they are seen to be a picture."""
    data = member.read()
    with turns.hold(is_patient=True) as take:
        decode(data, name=member.path, max_pixels=zoo.settings.max_picture_pixels, take=take)
    return zoo.blobs.put([data])


@contextmanager
def _with_reasons(skipped: Sequence[Skipped]) -> Iterator[None]:
    """Have an error about what a dataset lacks tell what was left out, and the first reason.

    Where classes are short of pictures, that is what lay in their folders.
    """
    try:
        yield
    except (ClassesDiffer, EmptyDataset, OneClass, TooFewPictures) as error:
        short = error.detail.get("missing") or error.detail.get("label")
        labels = set(short) if isinstance(short, list) else {short} - {None}
        left = [one for one in skipped if not labels or labels & set(_folders(one.path))]
        if not left:
            raise
        count = f"{len(left)} files or folders were left out, the first"
        raise type(error)(
            f"{error} {count if left[1:] else 'One was left out'}: {_told(left[0])}.",
            hint=_hint(left[0], error.hint),
            **error.detail | {"skipped": len(left), "reason": left[0].reason},
        ) from error


def _told(left: Skipped) -> str:
    return f"{left.path}: {left.reason.removesuffix('.')}"


def _folders(path: str) -> list[str]:
    """Give the folders of a path, and itself, which may be one, as classes are called."""
    return unicodedata.normalize("NFC", path).split("/")


def _hint(left: Skipped, hint: str) -> str:
    """Give the next step where what was left out is no fault of the pictures."""
    if left.reason.startswith("a link"):
        return "Put copies of the pictures there in place of links: cp -rL FOLDER COPY"
    if left.reason.startswith("a hidden folder"):
        return "Call the folder otherwise, without a dot before its name."
    return hint


def _check_length(path: str, label: str) -> None:
    """Refuse names that the catalog's columns would not hold."""
    if len(path) > LONGEST_PATH or len(label) > LONGEST_LABEL:
        raise UnreadablePicture(
            f"{path}: its path has more than {LONGEST_PATH} characters, "
            f"or its class more than {LONGEST_LABEL}."
        )


def _placed(source: PictureSource, layout: Layout) -> Iterator[tuple[Member, Place]]:
    for member in source.members:
        place = layout.places.get(member.path)
        if place is not None:
            yield member, place


def _reason(error: UnreadablePicture | TooLarge, member: Member) -> str:
    """Give an error's reason without the file's name, which stands beside it."""
    return str(error).removeprefix(f"{member.path}: ")


def _without_contradictions(pictures: list[Picture]) -> tuple[list[Picture], list[Skipped]]:
    """Leave out pictures that lie, to the byte, in the folders of several classes."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        labels[picture.digest].add(picture.label)
    kept = [picture for picture in pictures if len(labels[picture.digest]) == 1]
    skipped = [
        Skipped(
            path=picture.path,
            reason="the same picture is called " + " and ".join(sorted(labels[picture.digest])),
        )
        for picture in pictures
        if len(labels[picture.digest]) > 1
    ]
    return kept, skipped


def _without_leaks(pictures: list[Picture]) -> tuple[list[Picture], list[Skipped]]:
    """Leave out the copies of training pictures that lie among those to be measured on."""
    training = {p.digest: p.path for p in pictures if p.split is Split.TRAIN}
    kept: list[Picture] = []
    leaked: list[Skipped] = []
    for picture in pictures:
        twin = training.get(picture.digest)
        if twin is None or picture.split is Split.TRAIN:
            kept.append(picture)
        else:
            reason = f"it is the same picture as {twin}, which is for training"
            leaked.append(Skipped(path=picture.path, reason=reason))
    return kept, leaked


def _split(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Draw the validation part from the training pictures; test pictures stay test pictures."""
    training = [picture for picture in pictures if picture.split is Split.TRAIN]
    drawn = draw_split([(picture.label, picture.digest) for picture in training])
    splits = {picture.path: split for picture, split in zip(training, drawn, strict=True)}
    return tuple(
        replace(picture, split=splits.get(picture.path, picture.split)) for picture in pictures
    )
