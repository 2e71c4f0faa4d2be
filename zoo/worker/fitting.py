"""The body of a fine-tune: by what is kept where all of it is there, else with torch."""

from zoo.domain.job import Job
from zoo.operations.opening import Zoo
from zoo.worker import refit
from zoo.worker.importing import uncollected
from zoo.worker.progress import Progress


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Fit a network to a dataset and publish it, as ``zoo.worker.finetune`` says."""
    if refit.run(zoo, job, progress):
        return
    # torch takes seconds to import.
    with uncollected():
        from zoo.worker import finetune  # noqa: PLC0415

    finetune.run(zoo, job, progress)
