"""Drawing a validation part from labelled pictures that came without one."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from zoo.domain.dataset import Split

VAL_SHARE = 0.2


def draw_split(
    labels_and_digests: Sequence[tuple[str, str]], *, seed: int = 0, val_share: float = VAL_SHARE
) -> tuple[Split, ...]:
    """Draw TRAIN or VAL for every (label, digest), stratified by label; answers in the same order.

    A picture's rank is a hash of its digest and the seed, and each class sends its first fifth (or
    ``val_share``) to VAL. So the draw depends on neither order nor names, and pictures added later
    move only those whose rank lies at the border.

    Equal digests come to the same side, whatever their labels. Every class of two or more different
    pictures has at least one on each side (unless pictures filed under several classes make that
    impossible); a class of one has it in TRAIN.
    """
    sides: dict[str, Split] = {}
    # Small classes first: they have the least choice where a picture is filed under two classes.
    for digests in sorted(_by_label(labels_and_digests), key=lambda found: (len(found), found)):
        ranked = sorted(digests, key=lambda digest: _rank(digest, seed))
        free = [digest for digest in ranked if digest not in sides]
        count = _val_count(ranked, sides, free=len(free), val_share=val_share)
        sides |= dict.fromkeys(free[:count], Split.VAL)
        sides |= dict.fromkeys(free[count:], Split.TRAIN)
    return tuple(sides[digest] for _, digest in labels_and_digests)


def _by_label(labels_and_digests: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Give the different digests of each class, sorted."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for label, digest in labels_and_digests:
        found[label].add(digest)
    return [sorted(digests) for digests in found.values()]


def _rank(digest: str, seed: int) -> bytes:
    """Give a picture its place in the draw, the same in every dataset."""
    return hashlib.sha256(f"{seed}:{digest}".encode()).digest()


def _val_count(
    digests: Sequence[str], sides: Mapping[str, Split], *, free: int, val_share: float
) -> int:
    """Tell how many of a class's free pictures go to VAL, given those that have a side."""
    in_val = sum(sides.get(digest) is Split.VAL for digest in digests)
    in_train = len(digests) - free - in_val
    wanted = round(val_share * len(digests)) - in_val
    least = 0 if in_val or len(digests) == 1 else 1
    most = free if in_train else free - 1
    return max(min(max(wanted, least), most), 0)
