"""/v1/models/NAME/uploads: large files, a piece at a time, then a revision that names them."""

import re

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import (
    BadName,
    BadRequest,
    DigestMismatch,
    QuotaExceeded,
    RefMoved,
    StorageFull,
    UploadMoved,
)
from zoo.operations.uploads import (
    Manifest,
    ask_standing,
    continue_upload,
    publish_manifest,
)
from zoo.web.access import Need, needs
from zoo.web.body import read_pieces
from zoo.web.context import current_zoo, read_body, read_query
from zoo.web.reference import Body, tells
from zoo.web.shapes.models import RevisionAnswer
from zoo.web.shapes.uploads import (
    DigestsBody,
    ManifestBody,
    StandingAnswer,
    StandingsAnswer,
    UploadQuery,
)

bp = Blueprint("uploads", __name__, url_prefix="/v1/models")

DIGEST = re.compile(r"[0-9a-f]{64}")
BYTES = Body(media=("application/octet-stream",), description="The bytes from the offset on.")


@bp.post("/<model:name>/uploads")
@needs(Need.WRITE)
@tells(StandingsAnswer, body=DigestsBody, refuses=(BadName,))
def post_uploads(name: str) -> ResponseReturnValue:
    """Tell what of some files is here already, and how far the others are."""
    found = ask_standing(current_zoo(), name, read_body(DigestsBody).digests)
    answer = StandingsAnswer(uploads=[StandingAnswer.of(standing) for standing in found])
    return jsonify(answer.model_dump(mode="json"))


@bp.put("/<model:name>/uploads/<digest>")
@needs(Need.WRITE)
@tells(
    StandingAnswer,
    query=UploadQuery,
    body=BYTES,
    refuses=(BadName, UploadMoved, DigestMismatch, QuotaExceeded, StorageFull),
)
def put_upload(name: str, digest: str) -> ResponseReturnValue:
    """Take in a file of this sha256, or its bytes from an offset on.

    What was received stays when the connection breaks; ask how far it came and go on there. At its
    end the digest is checked.
    """
    query, zoo = read_query(UploadQuery), current_zoo()
    if not DIGEST.fullmatch(digest):
        raise BadRequest("A file is named by its sha256, 64 hex digits in small letters.")
    if query.size_bytes > zoo.settings.max_upload_bytes:
        raise BadRequest(f"A file has at most {zoo.settings.max_upload_bytes} bytes here.")
    standing = continue_upload(
        zoo, name, digest, read_pieces(), offset=query.offset, size_bytes=query.size_bytes
    )
    return jsonify(StandingAnswer.of(standing).model_dump(mode="json"))


@bp.put("/<model:name>/revisions/<ref>")
@needs(Need.WRITE)
@tells(
    RevisionAnswer, body=ManifestBody, refuses=(BadName, DigestMismatch, QuotaExceeded, RefMoved)
)
def put_revision(name: str, ref: str) -> ResponseReturnValue:
    """Publish a revision of files that were uploaded; its id is that of its files."""
    body = read_body(ManifestBody)
    manifest = Manifest(
        model=name,
        id=ref,
        files=body.files,
        message=body.message,
        summary=body.summary,
        ref=body.ref,
        on_top_of=body.on_top_of,
    )
    revision = publish_manifest(current_zoo(), manifest)
    return jsonify(RevisionAnswer.of(revision).model_dump(mode="json"))
