"""Publishing what a fine-tune made, with all that is written down about it."""

from zoo.domain.config import CARD, CONFIG, GRAPH, LAYERS, PARITY, REPORT, TRAINING, WEIGHTS
from zoo.domain.job import Job
from zoo.domain.revision import Blob, Revision
from zoo.operations.fetch import carried_files
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish, put_json, put_text
from zoo.worker.progress import Progress
from zoo.worker.record import Record

# What a user decides.
REQUEST = ("seed", "layer", "classifier", "strategy", "precision", "training")


def publish_record(  # noqa: PLR0913  # what is published, as what
    zoo: Zoo,
    job: Job,
    progress: Progress,
    record: Record,
    files: dict[str, Blob],
    *,
    refs: tuple[str, ...],
    ends_job: bool,
) -> Revision:
    """Publish the files of a fine-tune; where it ends the job, that succeeds with it."""
    progress.check()
    return publish(
        zoo,
        Publication(
            model=job.params["name"],
            files=files,
            message=f"fine-tuned from {record.parent.model} on {record.dataset.name}",
            summary=record.summary(),
            parent=record.parent.address,
            dataset=record.dataset.address,
            refs=refs,
            attempt=progress.attempt,
            ends_job=ends_job,
        ),
    )


def write_files(
    zoo: Zoo, record: Record, *, weights: Blob, graph: bytes, layers: Blob | None
) -> dict[str, Blob]:
    """Keep all files of the revision that a fine-tune becomes."""
    files = {
        WEIGHTS: weights,
        GRAPH: zoo.blobs.put([graph]),
        CONFIG: put_json(zoo, record.config.as_json()),
        TRAINING: put_json(zoo, record.training()),
        PARITY: put_json(zoo, record.parity.as_json()),
        CARD: put_text(zoo, record.card()),
        REPORT: put_text(zoo, record.report()),
    }
    if layers is not None:
        files[LAYERS] = layers
    return carried_files(zoo, record.parent) | files
