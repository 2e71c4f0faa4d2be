"""Some jobs of a zoo, run to their ends by the process that asked for them."""

import time
from collections.abc import Callable, Sequence

from zoo.domain.job import Attempt, Job, JobState
from zoo.errors import EngineUnavailable, Interrupted
from zoo.operations import jobs
from zoo.operations.opening import Zoo
from zoo.worker.supervisor import PAUSE_S, Supervisor


def run_jobs(zoo: Zoo, numbers: Sequence[int], look: Callable[[Job], None]) -> None:
    """Run jobs to their ends, or follow them where other workers were quicker.

    ``look`` is given each job with its events, now and then and at its end. Those that are put
    aside are left so once there is nothing else to wait for.

    Raises:
        Interrupted: this process was told to stop; the jobs are kept.
    """
    worker = _Some(zoo, numbers)
    try:
        while worker.unfinished:
            try:
                worker.step()
            except EngineUnavailable:
                time.sleep(PAUSE_S)
            worker.look(look)
            if not worker.has_work:
                return
            time.sleep(PAUSE_S)
    except KeyboardInterrupt as error:
        raise Interrupted(
            "Interrupted; the jobs are kept with what they have done.",
            hint="Run the same command again to go on.",
            jobs=list(numbers),
        ) from error
    finally:
        worker.close()


class _Some(Supervisor):
    """A worker that takes some jobs only, in the order they are given."""

    def __init__(self, zoo: Zoo, numbers: Sequence[int]) -> None:
        super().__init__(zoo)
        self.unfinished = {number: jobs.get_job(zoo, number).state for number in numbers}

    @property
    def has_work(self) -> bool:
        """Tell whether one of them will go on without being asked to."""
        return not all(state.is_at_rest for state in self.unfinished.values())

    @property
    def slots(self) -> int:
        """As many as a worker has, and one where no worker is to run here."""
        return max(1, self.zoo.settings.worker_slots)

    def claim(self) -> Attempt | None:
        """Take the first that waits; one that runs elsewhere is taken when its lease ran out."""
        held = {execution.attempt.job for execution in self.running}
        for number, state in self.unfinished.items():
            if number not in held and state in {JobState.QUEUED, JobState.RUNNING}:
                attempt = jobs.claim(self.zoo, worker=self.engine.worker, number=number)
                if attempt is not None:
                    return attempt
        return None

    def look(self, look: Callable[[Job], None]) -> None:
        """See how far each is."""
        for number in list(self.unfinished):
            job = jobs.get_job(self.zoo, number)
            look(job)
            self.unfinished[number] = job.state
            if job.state.is_final:
                del self.unfinished[number]
