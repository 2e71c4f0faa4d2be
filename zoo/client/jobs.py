"""Jobs of another zoo, which its workers run: asked for, followed, cancelled."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from zoo.client.reading import Asking
from zoo.domain.job import Job, JobEvent
from zoo.errors import Interrupted, ServerUnreachable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0  # between two looks at a job
PATIENCE = 30  # looks in a row that may fail before the other zoo counts as gone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jobs:
    jobs: list[Job]


class Jobs(Asking):
    """Jobs there, and how they come to an end."""

    __slots__ = ()

    def list_jobs(self) -> list[Job]:
        """List the newest jobs."""
        return self.ask(_Jobs, "GET", "/v1/jobs").jobs

    def get_job(self, number: int) -> Job:
        """Give a job with its events."""
        return self._look(number, after=0)

    def cancel_job(self, number: int) -> Job:
        """Cancel a job."""
        return self.ask(Job, "POST", f"/v1/jobs/{number}/cancel")

    def finish_job(self, number: int, listen: Callable[[JobEvent], None]) -> Job:
        """Follow a job until it has ended; that zoo's worker runs it, whoever looks on.

        Raises:
            Interrupted: this process was told to stop; the job goes on.
            ServerUnreachable: the other zoo is gone for longer than a restart takes.
        """
        try:
            return self._follow(number, listen)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"Job {number} goes on at {self.remote.url}.",
                hint=f"Follow it again: zoo jobs follow {number} --at {self.remote.url}"
                f" (or end it: zoo jobs cancel {number} --at {self.remote.url})",
                job=number,
            ) from error

    def _follow(self, number: int, listen: Callable[[JobEvent], None]) -> Job:
        seen, failed, pause_s = 0, 0, FIRST_PAUSE_S
        while True:
            try:
                job = self._look(number, after=seen)
                failed = 0
            except ServerUnreachable:
                failed += 1
                if failed == PATIENCE:
                    raise
            else:
                for event in job.events:
                    listen(event)
                    seen, pause_s = max(seen, event.number), FIRST_PAUSE_S
                if job.state.is_final:
                    return job
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _look(self, number: int, *, after: int) -> Job:
        return self.ask(Job, "GET", f"/v1/jobs/{number}", query={"after": after})
