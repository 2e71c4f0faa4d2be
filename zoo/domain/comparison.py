"""What differs between two revisions, and how revisions came from each other."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from zoo.domain.revision import Revision


class Change(StrEnum):
    """What became of a tensor or a file."""

    SAME = "same"  # to the bit
    CHANGED = "changed"  # other numbers in the same shape
    RESHAPED = "reshaped"  # as many numbers in another shape
    RESIZED = "resized"  # another number of numbers
    RENAMED = "renamed"  # the same bits under another name
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorPrint:
    """What a tensor is told by, without its numbers."""

    kind: str  # of number, as stored: float32, bfloat16
    shape: tuple[int, ...]
    digest: str  # SHA-256 of the numbers as they are stored, row by row


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorChange:
    """What became of a tensor; of one that was added there is no old one, and so on."""

    name: str  # in the new revision, unless it was removed
    change: Change
    old: TensorPrint | None
    new: TensorPrint | None
    old_name: str | None = None  # where it was renamed
    # ||new - old|| / ||old||, None where nothing is compared or the norm is 0 or not finite.
    relative: float | None = None
    changed_share: float | None = None  # of the numbers, whose bits are others

    @property
    def stage(self) -> str:
        """The part of the network that it belongs to: the first word of its name."""
        return self.name.replace("/", ".").partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """What became of a file."""

    path: str
    change: Change
    old_digest: str | None
    new_digest: str | None
    old_size_bytes: int | None
    new_size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """A value of config.json or of the summary that differs; None is 'not there'."""

    key: str  # a path of keys: config.pretrained_cfg.mean, summary.accuracy.value
    old: object
    new: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between two revisions."""

    old: Revision
    new: Revision
    # Of every tensor, in the order of the new network; None where a side has no weights that
    # are read.
    tensors: tuple[TensorChange, ...] | None
    files: tuple[FileChange, ...]  # all but the same ones
    values: tuple[ValueChange, ...]

    @property
    def changed(self) -> int:
        """How many tensors are not the same, wherever they are."""
        return sum(one.change is not Change.SAME for one in self.tensors or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """A revision in the tree of what was made of what."""

    address: str
    message: str
    created_at: datetime
    accuracy: float | None
    dataset: str | None
    # Against the parent: how many tensors are not the same, of how many; None where their digests
    # are not known yet.
    changed_tensors: int | None
    tensors: int | None
    children: tuple["LineageNode", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a revision comes from, and what was made of it."""

    revision: str  # the address that was asked for
    root: LineageNode  # the oldest ancestor that the caller may see
    is_whole: bool  # False where the tree was cut, being too large
