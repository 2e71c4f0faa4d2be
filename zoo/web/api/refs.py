"""/v1/models/NAME/refs: tags that stay, aliases that move, and who may move them."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.domain.revision import RefKind
from zoo.errors import BadName, Conflict, ModelNotFound, RevisionNotFound
from zoo.operations import fetch, refs
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body, read_query
from zoo.web.reference import tells
from zoo.web.shapes.models import RevisionAnswer
from zoo.web.shapes.refs import ProtectionBody, RefAnswer, RefBody, RefsAnswer, RefsQuery

bp = Blueprint("refs", __name__, url_prefix="/v1/models")

REFUSES = (ModelNotFound, RevisionNotFound)


@bp.get("/<model:name>/refs")
@needs(Need.READ)
@tells(RefsAnswer, query=RefsQuery, refuses=(ModelNotFound,))
def list_refs(name: str) -> ResponseReturnValue:
    """List a model's refs, and the moves they made."""
    zoo, query = current_zoo(), read_query(RefsQuery)
    moves = fetch.list_moves(zoo, name, before=query.before, limit=query.limit + 1)
    answer = RefsAnswer.of(refs.list_refs(zoo, name), moves, limit=query.limit)
    return jsonify(answer.model_dump(mode="json"))


@bp.put("/<model:name>/refs/<path:ref>")
@needs(Need.WRITE)
@tells(RevisionAnswer, body=RefBody, refuses=(*REFUSES, BadName, Conflict))
def put_ref(name: str, ref: str) -> ResponseReturnValue:
    """Add a tag, or point an alias to a revision."""
    zoo, body = current_zoo(), read_body(RefBody)
    if body.kind is RefKind.TAG:
        revision = refs.add_ref(zoo, name, ref, target=body.revision, kind=RefKind.TAG)
    else:
        revision = refs.move_alias(zoo, name, ref, target=body.revision, expected=body.expected)
    return jsonify(RevisionAnswer.of(revision).model_dump(mode="json"))


@bp.patch("/<model:name>/refs/<path:ref>")
@needs(Need.WRITE)
@tells(RefAnswer, body=ProtectionBody, refuses=REFUSES)
def patch_ref(name: str, ref: str) -> ResponseReturnValue:
    """Protect a ref, or take its protection away; admins of the model's owner may."""
    body = read_body(ProtectionBody)
    found = refs.protect_ref(current_zoo(), name, ref, is_protected=body.is_protected)
    return jsonify(RefAnswer.of(found).model_dump(mode="json"))


@bp.delete("/<model:name>/refs/<path:ref>")
@needs(Need.WRITE)
@tells(RefAnswer, refuses=(*REFUSES, BadName))
def delete_ref(name: str, ref: str) -> ResponseReturnValue:
    """Delete a ref; its revision and its history stay."""
    found = refs.delete_ref(current_zoo(), name, ref)
    return jsonify(RefAnswer.of(found).model_dump(mode="json"))
