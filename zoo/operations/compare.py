"""Comparing two revisions: tensor by tensor, file by file, value by value."""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping

from zoo.domain.comparison import (
    Change,
    Comparison,
    FileChange,
    TensorChange,
    TensorPrint,
    ValueChange,
)
from zoo.domain.config import CONFIG
from zoo.domain.filters import Drift, Match, Tensor
from zoo.domain.revision import Revision
from zoo.errors import FileNotFound
from zoo.filters.drift import compare_tensors
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import Zoo
from zoo.operations.prints import take_prints
from zoo.operations.tensors import open_tensors

CHANGES = {
    Match.SAME: Change.CHANGED,
    Match.RESHAPED: Change.RESHAPED,
    Match.RESIZED: Change.RESIZED,
}
Prints = Mapping[str, TensorPrint]


def compare(zoo: Zoo, old: str, new: str) -> Comparison:
    """Say what differs between the revisions at two addresses, of one model or of two.

    Only tensors whose digests differ are read. A tensor is renamed where one of the same bits and
    shape went and one of another name came.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such revision.
        MalformedCheckpoint: weights cannot be read.
    """
    before, after = get_revision(zoo, old), get_revision(zoo, new)
    return Comparison(
        old=before,
        new=after,
        tensors=_compare_weights(zoo, before, after),
        files=tuple(_compare_files(before, after)),
        values=tuple(_compare_values(_values(zoo, before), _values(zoo, after))),
    )


def compare_prints(old: Prints, new: Prints) -> list[TensorChange]:
    """Say what became of each tensor as far as digests tell, in the new order; removed ones last.

    Those of other numbers are told as changed, reshaped or resized by their shapes.
    """
    gone = {name: one for name, one in old.items() if name not in new}
    changes = []
    for name, one in new.items():
        was, other = name, old.get(name)
        if other is None:
            was = next((k for k, each in gone.items() if each == one and one.shape), "")
            other = gone.pop(was, None)
        changes.append(
            TensorChange(
                name=name,
                change=_judge(other, one, is_renamed=bool(was) and was != name),
                old=other,
                new=one,
                old_name=was if other is not None and was != name else None,
                relative=0.0 if other is not None and other.digest == one.digest else None,
                changed_share=0.0 if other is not None and other.digest == one.digest else None,
            )
        )
    return changes + [
        TensorChange(name=name, change=Change.REMOVED, old=one, new=None)
        for name, one in gone.items()
    ]


def _judge(old: TensorPrint | None, new: TensorPrint, *, is_renamed: bool) -> Change:
    if old is None:
        return Change.ADDED
    if old == new:
        return Change.RENAMED if is_renamed else Change.SAME
    if old.shape == new.shape:
        return Change.CHANGED
    return Change.RESHAPED if math.prod(old.shape) == math.prod(new.shape) else Change.RESIZED


def _compare_weights(zoo: Zoo, old: Revision, new: Revision) -> tuple[TensorChange, ...] | None:
    try:
        old_file, before = open_tensors(zoo, old)
        new_file, after = open_tensors(zoo, new)
    except FileNotFound:
        return None
    found = compare_prints(
        take_prints(zoo, old_file.digest, before), take_prints(zoo, new_file.digest, after)
    )
    return tuple(_measured(one, before, after) for one in found)


def _measured(
    one: TensorChange, before: Mapping[str, Tensor], after: Mapping[str, Tensor]
) -> TensorChange:
    """Say by how much a tensor changed, which takes its numbers."""
    if one.relative is not None or one.change not in {Change.CHANGED, Change.RESHAPED}:
        return one
    drift: Drift = compare_tensors({one.name: after[one.name]}, {one.name: before[one.name]})[0]
    return TensorChange(
        name=one.name,
        change=CHANGES[drift.match],
        old=one.old,
        new=one.new,
        relative=drift.change,
        changed_share=drift.changed_share,
    )


def _compare_files(old: Revision, new: Revision) -> Iterator[FileChange]:
    before, after = ({file.path: file for file in each.files} for each in (old, new))
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path), after.get(path)
        if was is not None and now is not None and was.digest == now.digest:
            continue
        change = Change.ADDED if was is None else Change.REMOVED if now is None else Change.CHANGED
        yield FileChange(
            path=path,
            change=change,
            old_digest=was.digest if was else None,
            new_digest=now.digest if now else None,
            old_size_bytes=was.size_bytes if was else None,
            new_size_bytes=now.size_bytes if now else None,
        )


def _values(zoo: Zoo, revision: Revision) -> dict[str, object]:
    """Give what a revision says of itself, by paths of keys."""
    found = dict(_flatten("summary", dict(revision.summary)))
    if revision.find_file(CONFIG) is not None:
        _, path = get_file(zoo, revision, CONFIG)
        # What came from elsewhere and is no JSON is compared as a file.
        with contextlib.suppress(ValueError, RecursionError):
            found |= dict(_flatten("config", json.loads(path.read_bytes())))
    return found


def _flatten(key: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from _flatten(f"{key}.{name}", one)
    else:
        yield key, value


def _compare_values(old: dict[str, object], new: dict[str, object]) -> Iterator[ValueChange]:
    for key in [*new, *(key for key in old if key not in new)]:
        if old.get(key) != new.get(key):
            yield ValueChange(key=key, old=old.get(key), new=new.get(key))
