"""/v1/models/NAME/compare and /lineage: what differs, and what came of what."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import MalformedCheckpoint, ModelNotFound, RevisionNotFound
from zoo.operations.compare import compare
from zoo.operations.lineage import get_lineage
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_query
from zoo.web.reference import tells
from zoo.web.shapes.comparisons import CompareQuery, ComparisonAnswer, LineageAnswer

bp = Blueprint("comparisons", __name__, url_prefix="/v1")


@bp.get("/models/<model:name>/compare")
@needs(Need.READ)
@tells(
    ComparisonAnswer,
    query=CompareQuery,
    refuses=(ModelNotFound, RevisionNotFound, MalformedCheckpoint),
)
def compare_revisions(name: str) -> ResponseReturnValue:
    """Say what differs between two revisions, of one model or of two.

    Both names may carry a ref or a revision: name:production, name@1a2b3c. The one in the address
    is the new one.
    """
    found = compare(current_zoo(), read_query(CompareQuery).against, name)
    return jsonify(ComparisonAnswer.of(found).model_dump(mode="json"))


@bp.get("/models/<model:name>/lineage")
@needs(Need.READ)
@tells(LineageAnswer, refuses=(ModelNotFound, RevisionNotFound))
def get_tree(name: str) -> ResponseReturnValue:
    """Give the tree of what a revision was made of, and of what was made of that.

    The name may carry a ref or a revision: name:production, name@1a2b3c. Models that the caller may
    not see are left out.
    """
    found = get_lineage(current_zoo(), name)
    return jsonify(LineageAnswer.of(found).model_dump(mode="json"))
