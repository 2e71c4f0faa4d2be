"""The tree of what was made of what."""

from dataclasses import dataclass, field, replace

from zoo.catalog.lineage import list_made_of
from zoo.domain.comparison import Change, Lineage, LineageNode
from zoo.domain.config import WEIGHTS
from zoo.domain.revision import Revision
from zoo.errors import ModelNotFound, RevisionNotFound
from zoo.operations.compare import compare_prints
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo
from zoo.operations.prints import find_prints

MOST_NODES = 1000  # of a tree
DEEPEST = 100  # steps up or down


def get_lineage(zoo: Zoo, address: str) -> Lineage:
    """Give where a revision comes from and what was made of its oldest ancestor, down to it all.

    Models that the caller may not see, and all that is known through them alone, are left out.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such revision.
    """
    revision = get_revision(zoo, address)
    root, is_whole = _find_root(zoo, revision)
    tree = _Tree(zoo, is_whole=is_whole)
    node = tree.grow(root, None, DEEPEST)
    return Lineage(revision=revision.address, root=node, is_whole=tree.is_whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The nearest kin of a revision, as the caller may see them."""

    ancestors: tuple[Revision, ...]  # the oldest first
    children: tuple[Revision, ...]  # what was made of it, the oldest first
    has_more: bool  # of one or the other


def get_family(zoo: Zoo, revision: Revision, *, limit: int) -> Family:
    """Give so many ancestors and children of a revision: far less to read than the whole tree."""
    ancestors: list[Revision] = []
    above = revision
    while above.parent is not None and len(ancestors) < limit:
        try:
            above = get_revision(zoo, above.parent)
        except (ModelNotFound, RevisionNotFound):
            break
        ancestors.insert(0, above)
    with zoo.catalog.reading() as db:
        children = list_made_of(db, revision.address, caller=zoo.caller, limit=limit + 1)
    is_cut = len(ancestors) == limit and above.parent is not None
    return Family(
        ancestors=tuple(ancestors),
        children=tuple(children[:limit]),
        has_more=is_cut or len(children) > limit,
    )


def _find_root(zoo: Zoo, revision: Revision) -> tuple[Revision, bool]:
    """Go up as far as there are ancestors that the caller may see; tell whether that was all."""
    for _ in range(DEEPEST):
        if revision.parent is None:
            return revision, True
        try:
            revision = get_revision(zoo, revision.parent)
        except (ModelNotFound, RevisionNotFound):
            return revision, True
    return revision, False


@dataclass(slots=True)
class _Tree:
    """Grows a tree of at most so many nodes."""

    zoo: Zoo
    is_whole: bool
    left: int = MOST_NODES
    seen: set[str] = field(default_factory=set)

    def grow(self, revision: Revision, parent: Revision | None, depth: int) -> LineageNode:
        self.left -= 1
        self.seen.add(revision.address)
        node = _as_node(self.zoo, revision, parent)
        if depth <= 0 or self.left <= 0:
            self.is_whole = False
            return node
        with self.zoo.catalog.reading() as db:
            most = self.left + 1
            made = list_made_of(db, revision.address, caller=self.zoo.caller, limit=most)
        children = []
        for child in made:
            if self.left <= 0:
                self.is_whole = False
                break
            if child.address not in self.seen:
                children.append(self.grow(child, revision, depth - 1))
        return replace(node, children=tuple(children))


def _as_node(zoo: Zoo, revision: Revision, parent: Revision | None) -> LineageNode:
    changed, tensors = _count_changed(zoo, revision, parent)
    accuracy = revision.summary.get("accuracy")
    return LineageNode(
        address=revision.address,
        message=revision.message,
        created_at=revision.created_at,
        accuracy=accuracy.get("value") if isinstance(accuracy, dict) else None,
        dataset=revision.dataset,
        changed_tensors=changed,
        tensors=tensors,
    )


def _count_changed(
    zoo: Zoo, revision: Revision, parent: Revision | None
) -> tuple[int | None, int | None]:
    """Count the tensors that are not the parent's, as far as digests are known: reading is dear."""
    own = revision.find_file(WEIGHTS)
    prints = find_prints(zoo, own.digest) if own else None
    if prints is None:
        return None, None
    other = parent.find_file(WEIGHTS) if parent else None
    before = find_prints(zoo, other.digest) if other else None
    if before is None:
        return None, len(prints)
    changes = compare_prints(before, prints)
    return sum(one.change is not Change.SAME for one in changes), len(prints)
