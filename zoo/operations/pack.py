"""Packing a dataset into an archive that `zoo datasets add` takes for the same dataset."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from zoo.domain.dataset import ArchiveKind, Dataset
from zoo.errors import Invalid
from zoo.images.layout import arrange
from zoo.images.packing import Archive, Packed, pack_tar, pack_zip
from zoo.operations.datasets import get_dataset
from zoo.operations.opening import Zoo

LAYOUT = 1  # counts up when the bytes of archives change
# What some program would not take for a part of a name, or for more than one.
UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|(?<=^[A-Za-z]):")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedDataset:
    """A dataset as an archive that is made while it is read."""

    file_name: str
    tag: str  # the same for the same bytes
    archive: Archive
    is_faithful: bool  # added again it is the same dataset

    def read(self) -> Iterator[bytes]:
        """Give its bytes."""
        yield from self.archive.read()


class DatasetArchive(Protocol):
    """What is told of an archive, wherever it is made."""

    @property
    def file_name(self) -> str:
        """What it is called."""

    @property
    def is_faithful(self) -> bool:
        """Whether added again it is the same dataset."""

    def read(self) -> Iterator[bytes]:
        """Give its bytes."""


def pack_dataset(zoo: Zoo, address: str, kind: ArchiveKind) -> PackedDataset:
    """Pack the pictures of a dataset into its class folders; the same dataset gives the same bytes.

    Nothing is read yet, and never more than a piece of one picture is in memory.

    Raises:
        DatasetNotFound: there is none.
        BlobNotFound: while it is read: the bytes of a picture are gone.
    """
    dataset = get_dataset(zoo, address)
    pictures = sorted(dataset.pictures, key=lambda picture: picture.path)
    paths = safe_paths(picture.path for picture in pictures)
    files = [
        Packed(
            path=path,
            size_bytes=picture.size_bytes,
            open=partial(zoo.blobs.open, picture.digest),
        )
        for path, picture in zip(paths, pictures, strict=True)
    ]
    return PackedDataset(
        file_name=archive_name(dataset.name, dataset.id, kind),
        tag=f"{dataset.id}-{kind.value}-{LAYOUT}",
        archive=pack_zip(files) if kind is ArchiveKind.ZIP else pack_tar(files),
        is_faithful=_is_faithful(dataset, paths),
    )


def archive_name(dataset: str, identity: str, kind: ArchiveKind) -> str:
    """Say what the archive of a dataset is called."""
    return f"{dataset.replace('/', '-')}-{identity[:12]}.{kind.value}"


def safe_paths(paths: Iterable[str]) -> list[str]:
    """Give paths as every program can unpack them, no two the same."""
    found: dict[str, None] = {}
    for path in paths:
        safe = again = UNSAFE.sub("_", path)
        number = 1
        while again in found:
            number += 1
            folder, slash, name = safe.rpartition("/")
            again = f"{folder}{slash}{number}-{name}"
        found[again] = None
    return list(found)


def _is_faithful(dataset: Dataset, paths: list[str]) -> bool:
    """Tell whether folders of these paths mean what the dataset says.

    They do not where a name had to be changed, or where pictures were left out of the dataset
    without which its folders mean something else: all those of a class in test/, say.
    """
    pictures = {picture.path: picture for picture in dataset.pictures}
    try:
        layout = arrange(paths, name=dataset.name)
    except Invalid:
        return False
    return (
        not layout.wrapper
        and layout.classes == dataset.classes
        and layout.places.keys() == pictures.keys()
        and all(
            place.label == pictures[path].label and place.split in {None, pictures[path].split}
            for path, place in layout.places.items()
        )
    )
