"""What is tried again, how often and after how long: a row a kind of job.

A process that died without a word is tried again at once: often memory ran out, or the machine was
started anew, and what it had kept is gone on with. An attempt whose lease ran out counts apart: its
machine is gone, or the network to it, which is no failure of the job; only one that takes machine
after machine with it, by their memory, is ended at last. An error of what a job stands on
(database, store, disk) is tried again after a pause that doubles. Any other error says that the job
would end so again, and ends it.
"""

from dataclasses import dataclass

from zoo.domain.job import JobKind
from zoo.errors import CatalogUnavailable, StorageFull, StoreUnavailable, ZooError

TRANSIENT: tuple[type[ZooError], ...] = (CatalogUnavailable, StoreUnavailable, StorageFull)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a job of some kind is tried again."""

    most_lost: int = 3  # attempts whose process died, before the job has failed
    most_lapsed: int = 10  # attempts whose lease ran out, before the job has failed
    most_retries: int = 6  # of an error of what it stands on
    first_pause_s: float = 5.0
    longest_pause_s: float = 600.0
    is_resumed: bool = False  # from a checkpoint, which is lost where the job fails

    def pause_s(self, retries: int) -> float:
        """Say how long to wait after so many retries."""
        return min(self.longest_pause_s, self.first_pause_s * 2.0**retries)


QUICK = RetryPolicy()
# What goes on from its checkpoint loses little by another try.
RESUMED = RetryPolicy(most_lost=5, most_retries=10, is_resumed=True)
# What reads and computes alone ends the same way each time its process is ended by the system.
READING = RetryPolicy(most_lost=2)

POLICIES: dict[JobKind, RetryPolicy] = {
    JobKind.IMPORT: QUICK,
    JobKind.FINETUNE: RetryPolicy(most_lost=3, most_retries=10, is_resumed=True),
    JobKind.ADVISE: QUICK,
    JobKind.PREDICT: RESUMED,
    JobKind.SURGERY: QUICK,
    JobKind.QUANTIZE: QUICK,
    JobKind.EVALUATE: QUICK,
    JobKind.CODES: QUICK,
    JobKind.INIT_STUDY: QUICK,
    JobKind.TRANSFER_STUDY: RESUMED,
    JobKind.REFERENCE: QUICK,
    JobKind.VERIFY: READING,
    JobKind.ALIAS: QUICK,
}


def is_transient(error: ZooError) -> bool:
    """Tell whether the same may succeed a little later."""
    return isinstance(error, TRANSIENT)
