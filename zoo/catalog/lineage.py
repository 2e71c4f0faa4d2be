"""What was made of a revision."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from zoo.catalog.models import is_visible_to
from zoo.catalog.rows import WHOLE, as_revision, get_revision_row
from zoo.catalog.tables import ModelRow, RevisionRow
from zoo.domain.access import Caller
from zoo.domain.revision import Revision, split_address


def list_made_of(db: Session, address: str, *, caller: Caller, limit: int) -> list[Revision]:
    """List the revisions that a revision is the parent of, the oldest first, as the caller may.

    Raises:
        ModelNotFound, RevisionNotFound: there is none.
    """
    parent = get_revision_row(db, *split_address(address))
    wanted = (
        select(RevisionRow)
        .join(ModelRow, ModelRow.pk == RevisionRow.model_pk)
        .where(RevisionRow.parent_pk == parent.pk, is_visible_to(caller))
        .order_by(RevisionRow.pk)
        .limit(limit)
        .options(*WHOLE)
    )
    return [as_revision(row) for row in db.scalars(wanted)]
