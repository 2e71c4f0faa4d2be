"""The body of a job that moves an alias."""

from zoo.domain.job import Job
from zoo.operations.alias import move_alias
from zoo.operations.opening import Zoo
from zoo.worker.progress import Progress


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Point the alias to its revision."""
    progress.say("alias", f"{job.params['alias']} of {job.params['model']}")
    move_alias(zoo, job, progress.attempt)
