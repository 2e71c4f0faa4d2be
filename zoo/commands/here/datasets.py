"""Datasets of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.commands.here.opened import OverZoo

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.domain.dataset import ArchiveKind, DatasetDescription, DatasetSummary
    from zoo.operations.pack import PackedDataset
    from zoo.operations.verbs import StepReport


class Datasets(OverZoo):
    """Datasets of labelled pictures."""

    __slots__ = ()

    def list_datasets(self) -> list[DatasetSummary]:
        """List all datasets by name."""
        from zoo.operations.datasets import list_datasets  # noqa: PLC0415

        return list_datasets(self.zoo)

    def get_dataset(self, address: str) -> DatasetDescription:
        """Describe the newest dataset of a name, or the one at ``name@id``."""
        from zoo.operations.datasets import get_dataset  # noqa: PLC0415

        return get_dataset(self.zoo, address).describe()

    def add_dataset(
        self, path: Path, *, name: str | None = None, report: StepReport
    ) -> DatasetDescription:
        """Add the folder or archive at a path."""
        from zoo.operations.datasets import add_dataset  # noqa: PLC0415

        added = add_dataset(
            self.zoo, path, name=name, report=lambda *far: report("read", "pictures", *far)
        )
        return added.describe()

    def pack_dataset(self, address: str, kind: ArchiveKind) -> PackedDataset:
        """Give the pictures of a dataset as an archive."""
        from zoo.operations.pack import pack_dataset  # noqa: PLC0415

        return pack_dataset(self.zoo, address, kind)
