"""Datasets of another zoo: described, and added from folders and archives of this machine."""

import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from zoo.client.reading import Asking
from zoo.domain.dataset import FAITHFUL, ArchiveKind, DatasetDescription, DatasetSummary, Skipped
from zoo.domain.revision import check_model_name
from zoo.errors import MalformedArchive, PathNotFound, UnreadablePicture
from zoo.images.file import open_plain
from zoo.images.folder import read_folder
from zoo.images.member import Limits
from zoo.operations.datasets import dataset_name
from zoo.operations.pack import archive_name

ANY = Limits(
    total_bytes=2**63, member_bytes=2**63
)  # What is too large is for the other zoo to say.
PIECE_BYTES = 2**20

StepReport = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Datasets:
    datasets: list[DatasetSummary]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedThere:
    """An archive that the other zoo makes while it is read."""

    file_name: str
    is_faithful: bool
    read: Callable[[], Iterator[bytes]]


class Datasets(Asking):
    """Datasets of labelled pictures there."""

    __slots__ = ()

    def list_datasets(self) -> list[DatasetSummary]:
        """List all datasets by name."""
        pages = self.pages(_Datasets, "/v1/datasets")
        return [dataset for page in pages for dataset in page.datasets]

    def get_dataset(self, address: str) -> DatasetDescription:
        """Describe the newest dataset of a name, or the one at ``name@id``."""
        return self.ask(DatasetDescription, "GET", f"/v1/datasets/{quote(address, safe='/@:')}")

    def add_dataset(
        self, path: Path, *, name: str | None = None, report: StepReport
    ) -> DatasetDescription:
        """Send the folder or archive at a path, a folder as a tar of its files.

        Raises:
            PathNotFound: there is nothing at that path.
        """
        called = check_model_name(name or dataset_name(path))
        with _packed(path, report) as (file, skipped):
            size_bytes = file.seek(0, io.SEEK_END)
            file.seek(0)
            told = self.remote.post(
                "/v1/datasets",
                _pieces(file, size_bytes, report),
                media="application/octet-stream",
                size_bytes=size_bytes,
                query={"name": called, "source": str(path)},
            )
        found = self.read(DatasetDescription, told)
        return replace(found, skipped=(*skipped, *found.skipped))

    def pack_dataset(self, address: str, kind: ArchiveKind) -> PackedThere:
        """Give the pictures of a dataset as an archive; nothing is read yet."""
        dataset = self.get_dataset(address)
        identity = f"{dataset.name}@{dataset.id}"
        path = f"/v1/datasets/{quote(identity, safe='/@:')}/archive"
        told = self.remote.head(path, query={"format": kind.value})
        return PackedThere(
            file_name=archive_name(dataset.name, dataset.id, kind),
            is_faithful=told.get(FAITHFUL) == "true",
            read=partial(self.remote.fetch, path, query={"format": kind.value}),
        )


@contextmanager
def _packed(path: Path, report: StepReport) -> Iterator[tuple[BinaryIO, tuple[Skipped, ...]]]:
    """Open an archive, or pack a folder into one; give also what is left out of it."""
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:
        raise PathNotFound(f"{path}: {error.strerror}.", path=str(path)) from error
    if not is_there:
        raise PathNotFound(f"{path}: there is no such file or folder.", path=str(path))
    if not is_folder:
        if not path.is_file():
            raise MalformedArchive(f"{path}: neither a folder nor a plain file.", archive=str(path))
        with open_plain(path) as opened:
            yield opened, ()
        return
    with tempfile.TemporaryFile() as file:
        yield file, _pack(path, file, report)


def _pack(folder: Path, file: BinaryIO, report: StepReport) -> tuple[Skipped, ...]:
    """Write the files of a folder into a tar; give those that could not be read."""
    source = read_folder(folder, ANY)
    skipped = list(source.skipped)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for done, member in enumerate(source.members, 1):
            try:
                data = member.read()
            except UnreadablePicture as error:
                reason = str(error).removeprefix(f"{member.path}: ")
                skipped.append(Skipped(path=member.path, reason=reason))
            else:
                info = tarfile.TarInfo(member.path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            report("pack", "files", done, len(source.members))
    return tuple(skipped)


def _pieces(file: BinaryIO, size_bytes: int, report: StepReport) -> Iterator[bytes]:
    sent = 0
    while piece := file.read(PIECE_BYTES):
        yield piece
        sent += len(piece)
        report("send", "bytes", sent, size_bytes)
