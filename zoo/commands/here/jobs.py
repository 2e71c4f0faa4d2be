"""Jobs of this machine, and how they come to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.commands.here.opened import OverZoo
from zoo.operations import jobs, logs, steering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zoo.domain.job import Job, JobEvent, JobWish


class Jobs(OverZoo):
    """Jobs, and how they come to an end."""

    __slots__ = ()

    def list_jobs(self) -> list[Job]:
        """List the newest jobs."""
        return jobs.list_jobs(self.zoo)

    def go_through_jobs(self, wish: JobWish) -> Iterator[Job]:
        """Go through all jobs that are as ``wish`` says, the newest first."""
        return jobs.go_through_jobs(self.zoo, wish)

    def get_job(self, number: int) -> Job:
        """Give a job with its events."""
        return jobs.get_job(self.zoo, number)

    def cancel_job(self, number: int) -> Job:
        """Cancel a job."""
        return steering.cancel(self.zoo, number)

    def pause_job(self, number: int) -> Job:
        """Put a job aside."""
        return steering.pause(self.zoo, number)

    def resume_job(self, number: int) -> Job:
        """Queue a job again that was put aside."""
        return steering.resume(self.zoo, number)

    def set_priority(self, number: int, priority: int) -> Job:
        """Have a job come earlier, or later."""
        return steering.set_priority(self.zoo, number, priority)

    def rerun_job(self, number: int, changes: Mapping[str, str]) -> Job:
        """Queue once more what a job was to do, with changes."""
        from zoo.operations.rerun import rerun  # noqa: PLC0415

        return rerun(self.zoo, number, changes)

    def read_log(self, number: int, *, attempt: int | None, offset: int) -> logs.LogPart:
        """Give a part of what an attempt printed."""
        return logs.read_log(self.zoo, number, attempt=attempt, offset=offset)

    def finish_job(self, number: int, listen: Callable[[JobEvent], None]) -> Job:
        """Run a job to its end, or follow it where another worker was quicker."""
        # The job's process is started from here; torch stays out of this one.
        from zoo.worker.supervisor import run_job

        return run_job(self.zoo, number, listen)

    def finish_jobs(self, numbers: Sequence[int], look: Callable[[Job], None]) -> None:
        """Run jobs to their ends, as many at once as a worker would, or follow others' workers."""
        from zoo.worker.several import run_jobs

        run_jobs(self.zoo, numbers, look)
