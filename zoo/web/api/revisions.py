"""/v1/models/NAME/revisions: uploading revisions, and downloading their files."""

import re
from collections.abc import Collection

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.domain.revision import COMMIT, MAIN
from zoo.errors import (
    BadName,
    BadRequest,
    DigestMismatch,
    FileNotFound,
    Invalid,
    ModelNotFound,
    QuotaExceeded,
    RevisionNotFound,
    StorageFull,
)
from zoo.operations import fetch
from zoo.operations.upload import Upload, upload_revision
from zoo.web.access import Need, needs
from zoo.web.context import check_fields, current_zoo, read_query
from zoo.web.counting import count_download
from zoo.web.downloads import send_kept
from zoo.web.forms import check_form
from zoo.web.reference import Body, tells
from zoo.web.shapes.models import (
    MOST_LETTERS,
    RevisionAnswer,
    RevisionsAnswer,
    RevisionsQuery,
    UploadAnswer,
    UploadForm,
)

bp = Blueprint("revisions", __name__, url_prefix="/v1/models")

CHUNK_BYTES = 2**20
FOREVER = "max-age=31536000, immutable"
SUFFIX = ".sha256"
DIGEST = re.compile(r"[0-9a-fA-F]{64}")
UPLOAD = Body(
    media=("multipart/form-data",),
    description=(
        "One part per file, named by its path in the revision (or `file`, then its file name is "
        "the path). A text part `<path>.sha256` announces a file's digest, 64 hex digits. A text "
        f"part `message` of at most {MOST_LETTERS} letters is kept. There are no other text parts."
    ),
)


@bp.get("/<model:name>/revisions")
@needs(Need.READ)
@tells(RevisionsAnswer, query=RevisionsQuery, refuses=(ModelNotFound, RevisionNotFound))
def list_revisions(name: str) -> ResponseReturnValue:
    """List the revisions of a model, a page at a time, the newest first."""
    query = read_query(RevisionsQuery)
    found = fetch.list_revisions(current_zoo(), name, after=query.after, limit=query.limit + 1)
    told = found[: query.limit]
    answer = RevisionsAnswer(
        revisions=[RevisionAnswer.of(revision) for revision in told],
        next=told[-1].id if len(found) > len(told) else None,
    )
    return jsonify(answer.model_dump(mode="json"))


@bp.post("/<model:name>/revisions")
@needs(Need.WRITE)
@tells(
    UploadAnswer,
    status=201,
    body=UPLOAD,
    refuses=(Invalid, BadName, DigestMismatch, QuotaExceeded, StorageFull),
)
def post_revision(name: str) -> ResponseReturnValue:
    """Publish uploaded files as a new revision of a model.

    A checkpoint that `zoo import` knows is read before it is published, and a job is queued that
    adds its ONNX graph in a further revision.
    """
    zoo = current_zoo()
    check_form()
    parts = [
        ((part.filename or "") if field in {"file", "files"} else field, part.stream)
        for field, part in request.files.items(multi=True)
    ]
    if not parts:
        raise BadRequest("No file was sent.", hint="Send multipart/form-data: curl -F file=@PATH")
    form, digests = _read_texts({path for path, _ in parts})
    uploads = [
        Upload(
            path=path,
            chunks=iter(lambda stream=stream: stream.read(CHUNK_BYTES), b""),  # type: ignore[misc]  # the default binds the loop's stream
            announced=digests.get(path),
        )
        for path, stream in parts
    ]
    published = upload_revision(zoo, name, uploads, message=form.message)
    answer = UploadAnswer(
        revision=RevisionAnswer.of(published.revision), job=published.job, note=published.note
    )
    return jsonify(answer.model_dump(mode="json")), 201


def _read_texts(paths: Collection[str]) -> tuple[UploadForm, dict[str, str]]:
    """Read the text parts: what is said of the upload, and the digests announced for paths."""
    said: dict[str, str] = {}
    digests: dict[str, str] = {}
    for field, value in request.form.items(multi=True):
        path = field.removesuffix(SUFFIX)
        if field in UploadForm.model_fields:
            said[field] = value
        elif path != field and path in paths and path not in digests:
            digests[path] = _read_digest(field, value)
        else:
            raise BadRequest(
                f"The text part {field!r} belongs to no file of the upload, or is given twice.",
                hint="Text parts are `message` and, for a file sent, its path with '.sha256'.",
                field=field,
            )
    return check_fields(UploadForm, said), digests


def _read_digest(field: str, value: str) -> str:
    digest = value.strip()
    if not DIGEST.fullmatch(digest):
        raise BadRequest(
            f"{field} is not a sha256, which has 64 hex digits.",
            hint="Announce what sha256sum says of the file.",
            field=field,
        )
    return digest.lower()


@bp.get("/<model:name>/revisions/<ref>")
@needs(Need.READ)
@tells(RevisionAnswer, refuses=(ModelNotFound, RevisionNotFound))
def get_revision(name: str, ref: str) -> ResponseReturnValue:
    """Give a revision by its id, the beginning of it, or a ref."""
    found = fetch.get_revision(current_zoo(), f"{name}@{ref}")
    return jsonify(RevisionAnswer.of(found).model_dump(mode="json"))


@bp.get("/<model:name>/revisions/<ref>/files/<path:path>")
@needs(Need.READ)
@tells(
    "application/octet-stream",
    refuses=(ModelNotFound, RevisionNotFound, FileNotFound),
    is_ranged=True,
)
def get_revision_file(name: str, ref: str, path: str) -> ResponseReturnValue:
    """Download a file of a revision.

    Ranges are served; the ETag is the file's sha256. Where blobs are in S3, GET of a large file
    leads there. By a whole revision id it may be kept for ever, in caches that many share only
    where everyone may read it without a token.
    """
    zoo = current_zoo()
    revision = fetch.get_revision(zoo, f"{name}@{ref}")
    response = send_kept(zoo, revision.get_file(path))
    count_download(zoo, revision, path, response)
    if COMMIT.fullmatch(ref) and "Location" not in response.headers:
        is_shared = fetch.is_for_everyone(zoo, revision.model)
        response.headers["Cache-Control"] = f"{'public' if is_shared else 'private'}, {FOREVER}"
        if not is_shared:  # Nor does one browser give it to whoever signs in to it next.
            response.vary.update(("Authorization", "Cookie"))
    return response


@bp.get("/<model:name>/files/<path:path>")
@needs(Need.READ)
@tells("application/octet-stream", refuses=(ModelNotFound, FileNotFound), is_ranged=True)
def get_file(name: str, path: str) -> ResponseReturnValue:
    """Download a file of the revision that main points to."""
    return get_revision_file(name, MAIN, path)
