"""Which body does which kind of job."""

from collections.abc import Callable

from zoo.domain.job import Job, JobKind
from zoo.operations.opening import Zoo
from zoo.worker import finetune, import_, surgery
from zoo.worker.progress import Progress

BODIES: dict[JobKind, Callable[[Zoo, Job, Progress], None]] = {
    JobKind.IMPORT: import_.run,
    JobKind.FINETUNE: finetune.run,
    JobKind.SURGERY: surgery.run,
}
