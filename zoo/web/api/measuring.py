"""/v1/evaluations, codes, studies, verifications: what is measured by jobs, and their files."""

import re

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.domain.job import Job
from zoo.errors import (
    BadName,
    BadRequest,
    Conflict,
    DatasetNotFound,
    DigestMismatch,
    EmptyDataset,
    FileNotFound,
    Invalid,
    JobNotFound,
    LayerNotFound,
    MalformedCheckpoint,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
    StorageFull,
    Unsupported,
)
from zoo.operations import measuring
from zoo.operations.made import get_job_file
from zoo.operations.scrub import put_back
from zoo.web.access import Need, needs
from zoo.web.body import read_pieces
from zoo.web.context import current_zoo, read_body, read_query, zoo_on
from zoo.web.downloads import send_kept
from zoo.web.reference import Body, tells
from zoo.web.shapes.jobs import JobAnswer
from zoo.web.shapes.measuring import (
    BlobAnswer,
    CodesBody,
    EvaluationBody,
    InitStudyBody,
    ReferenceQuery,
    TransferStudyBody,
    VerificationBody,
)

bp = Blueprint("measuring", __name__, url_prefix="/v1")

DIGEST = re.compile(r"[0-9a-f]{64}")
PICTURES = Body(
    media=("application/zip", "application/x-tar", "application/gzip"),
    description="A zip or tar of pictures, in any folders.",
)
BYTES = Body(media=("application/octet-stream",), description="The bytes.")


@bp.post("/evaluations")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=EvaluationBody,
    refuses=(
        BadName,
        ModelNotFound,
        RevisionNotFound,
        DatasetNotFound,
        NotRunnable,
        EmptyDataset,
    ),
)
def post_evaluation() -> ResponseReturnValue:
    """Queue the evaluation of a model on a dataset, as it is served, and of another beside it.

    The same job that is not finished yet is given instead of a second. Its report is among the
    files of the job: `eval.json` with all figures, `eval.md`, `confusion.png` and, of wrong
    pictures, `wrong.png` and `gradcam.png`. Where classes are of unequal size, `unequal` in its
    result has the share of the largest and the balanced accuracy.
    """
    body = read_body(EvaluationBody)
    job = measuring.enqueue_evaluation(
        zoo_on(body.terms),
        body.model,
        body.dataset,
        split=body.split,
        against=body.against,
        has_pictures=body.has_pictures,
    )
    return _accepted(job)


@bp.post("/codes")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=CodesBody,
    refuses=(
        BadName,
        ModelNotFound,
        RevisionNotFound,
        DatasetNotFound,
        LayerNotFound,
        NotRunnable,
        Invalid,
        MalformedCheckpoint,
    ),
)
def post_codes() -> ResponseReturnValue:
    """Queue the writing of the codes of a dataset's pictures; `codes.npz` is the job's file.

    The same job that is not finished yet is given instead of a second.
    """
    body = read_body(CodesBody)
    job = measuring.enqueue_codes(
        zoo_on(body.terms),
        body.model,
        body.dataset,
        layers=body.layers,
        is_all=body.is_all,
        splits=body.splits,
    )
    return _accepted(job)


@bp.post("/references")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    query=ReferenceQuery,
    body=PICTURES,
    refuses=(
        BadName,
        ModelNotFound,
        RevisionNotFound,
        NotRunnable,
        Unsupported,
        MalformedCheckpoint,
        StorageFull,
    ),
)
def post_reference() -> ResponseReturnValue:
    """Queue the taking of a reference: what pictures like those of a model's training are to it.

    Some hundred are enough; of more files than 400 so many are drawn. Their codes are kept, not the
    pictures, and advice on any model with these weights then tells how far a dataset lies from
    them. It takes the role of a writer of the model. The same job that is not finished yet is given
    instead of a second.
    """
    query = read_query(ReferenceQuery)
    job = measuring.enqueue_reference(
        current_zoo(), query.model, read_pieces(), source=query.source
    )
    return _accepted(job)


@bp.post("/studies/init")
@needs(Need.WRITE)
@tells(JobAnswer, status=202, body=InitStudyBody, refuses=(BadName, DatasetNotFound, Invalid))
def post_init_study() -> ResponseReturnValue:
    """Queue a study of how filters may begin; its report is among the files of the job.

    The same job that is not finished yet is given instead of a second.
    """
    body = read_body(InitStudyBody)
    return _accepted(measuring.enqueue_init_study(zoo_on(body.terms), body.dataset, body.study))


@bp.post("/studies/transfer")
@needs(Need.WRITE)
@tells(
    JobAnswer,
    status=202,
    body=TransferStudyBody,
    refuses=(
        BadName,
        ModelNotFound,
        RevisionNotFound,
        DatasetNotFound,
        NotRunnable,
        Invalid,
        MalformedCheckpoint,
    ),
)
def post_transfer_study() -> ResponseReturnValue:
    """Queue a study of how far the layers of a network transfer; the job's files are its report.

    The same job that is not finished yet is given instead of a second. Trainings that were done
    before an interruption are not done again.
    """
    body = read_body(TransferStudyBody)
    job = measuring.enqueue_transfer_study(
        zoo_on(body.terms), body.model, body.datasets, body.study
    )
    return _accepted(job)


@bp.post("/verifications")
@needs(Need.WRITE)
@tells(
    JobAnswer, status=202, body=VerificationBody, refuses=(BadName, ModelNotFound, RevisionNotFound)
)
def post_verification() -> ResponseReturnValue:
    """Queue the proof that a revision is what it says, or that every byte of the zoo is.

    A job that succeeds has looked; whether all is sound stands in its result. Every byte is for
    admins.
    """
    body = read_body(VerificationBody)
    job = measuring.enqueue_verification(
        zoo_on(body.terms), body.model, quarantines=body.quarantine
    )
    return _accepted(job)


@bp.get("/jobs/<int:number>/files/<path:path>")
@needs(Need.READ)
@tells("application/octet-stream", refuses=(JobNotFound, FileNotFound, Conflict), is_ranged=True)
def get_file_of_job(number: int, path: str) -> ResponseReturnValue:
    """Download a file that came of a job.

    Ranges are served; the ETag is the file's sha256.
    """
    zoo = current_zoo()
    return send_kept(zoo, get_job_file(zoo, number, path))


@bp.put("/blobs/<digest>")
@needs(Need.ADMIN)
@tells(BlobAnswer, body=BYTES, refuses=(FileNotFound, DigestMismatch, StorageFull))
def put_blob(digest: str) -> ResponseReturnValue:
    """Put bytes back that are missing or damaged, by their sha256.

    Only bytes that a file or a picture of this zoo consists of are taken.
    """
    if not DIGEST.fullmatch(digest):
        raise BadRequest("Bytes are named by their sha256, 64 hex digits in small letters.")
    blob = put_back(current_zoo(), digest, read_pieces())
    return jsonify(BlobAnswer.model_validate(blob).model_dump(mode="json"))


def _accepted(job: Job) -> ResponseReturnValue:
    return jsonify(JobAnswer.of(job).model_dump(mode="json")), 202
