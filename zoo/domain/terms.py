"""The terms on which a job is queued, beside what it is to do."""

from dataclasses import dataclass, field

from zoo.domain.resources import Needs

# An account orders its own jobs by going below 0. Only who looks after the zoo puts jobs before
# those of others, so that nobody passes the rest by calling all that they ask for urgent.
LOWEST, OWN_HIGHEST, HIGHEST = -100, 0, 100
USUAL = 0  # of a job for which none is asked
MOST_AFTER = 100
MOST_THREADS = 4096
MOST_MEMORY_BYTES = 2**50


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How soon a job is done, after which others, and with how much of a machine."""

    priority: int | None = None  # the higher comes first; None asks for none
    after: tuple[int, ...] = ()  # jobs that have to succeed before
    needs: Needs = field(default_factory=Needs)
    rerun_of: int | None = None  # the job that is asked for again
