"""Datasets of another zoo: described, and added from folders and archives of this machine."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

from zoo.client.packing import packed, pieces_of
from zoo.client.reading import Asking
from zoo.domain.dataset import FAITHFUL, ArchiveKind, DatasetDescription, DatasetSummary
from zoo.domain.revision import check_model_name
from zoo.operations.datasets import dataset_name
from zoo.operations.pack import archive_name

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
        with packed(path, report) as (file, skipped):
            size_bytes = file.seek(0, io.SEEK_END)
            file.seek(0)
            told = self.remote.post(
                "/v1/datasets",
                pieces_of(file, size_bytes, report),
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
