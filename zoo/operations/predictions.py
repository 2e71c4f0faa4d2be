"""Predictions of a dataset as a job: queued, and its file of answers found again."""

from typing import Any

from zoo.domain.config import GRAPH
from zoo.domain.dataset import Split
from zoo.domain.job import Job, JobKind, JobState
from zoo.domain.revision import Blob, File, Revision
from zoo.errors import Conflict, FileNotFound, NotRunnable
from zoo.operations import jobs
from zoo.operations.answer_lines import Form
from zoo.operations.bulk import list_splits
from zoo.operations.datasets import get_dataset
from zoo.operations.draft import NETWORK
from zoo.operations.fetch import get_revision
from zoo.operations.later import Request, enqueue_request
from zoo.operations.opening import Zoo
from zoo.operations.tally import Tally


def enqueue_predictions(  # noqa: PLR0913  # what is predicted, and how that is told
    zoo: Zoo,
    model: str,
    dataset: str,
    *,
    split: Split | None = None,
    top: int = 5,
    form: Form = Form.JSONL,
) -> Job:
    """Queue the predictions of a dataset's pictures; the same ones, not finished, are taken up.

    Raises:
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is no such thing.
        NotRunnable: the revision is no classifier with a graph.
        EmptyDataset: the dataset has no pictures of the split.
    """
    request = {
        "model": model,
        "dataset": get_dataset(zoo, dataset).address,
        "split": split.value if split else None,
        "top": top,
        "form": form.value,
    }
    return enqueue_request(zoo, JobKind.PREDICT, request, settle_predictions)


def settle_predictions(zoo: Zoo, request: Request) -> dict[str, Any]:
    """Check a request for predictions, and name revision and dataset for good.

    Raises:
        As ``enqueue_predictions``.
    """
    revision = get_revision(zoo, request["model"])
    _check_predicts(revision)
    pictures = get_dataset(zoo, request["dataset"])
    list_splits(pictures, Split(request["split"]) if request["split"] else None)
    return {**request, "model": revision.address, "dataset": pictures.address}


def tell_predictions(blob: Blob, form: Form, tally: Tally) -> dict[str, Any]:
    """Give the result of a job: its file, and what the answers come to."""
    return {
        "file": f"predictions.{form.value}",
        "digest": blob.digest,
        "size_bytes": blob.size_bytes,
        **tally.as_json(),
    }


def get_predictions(zoo: Zoo, number: int) -> File:
    """Give the file of answers that a job wrote.

    Raises:
        JobNotFound: there is no job of that number.
        FileNotFound: it predicts nothing.
        Conflict: it has not succeeded.
    """
    job = jobs.get_job(zoo, number)
    if job.kind is not JobKind.PREDICT:
        raise FileNotFound(
            f"Job {number} is of the kind {job.kind.value} and writes no predictions.",
            hint=f"See what came of it: zoo jobs show {number}",
            job=number,
        )
    if job.state is not JobState.SUCCEEDED or job.result is None:
        raise Conflict(
            f"Job {number} has no predictions to give: it is {job.state.value}.",
            hint=f"See how far it is: zoo jobs show {number}",
            job=number,
            state=job.state.value,
        )
    told = job.result
    return File(path=told["file"], digest=told["digest"], size_bytes=told["size_bytes"])


def _check_predicts(revision: Revision) -> None:
    if revision.find_file(GRAPH) is None or revision.summary.get("runs") == NETWORK:
        raise NotRunnable(
            f"{revision.address} is no classifier with a {GRAPH}.", revision=revision.address
        )
