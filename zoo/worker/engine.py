"""What an engine promises. Keepers: ``local``, ``ray``; one test file tries both.

An engine only executes. The catalog owns what becomes of a job: whatever an engine loses, the
lease of its attempt runs out, or the supervisor sees that its process is gone.
"""

from typing import Protocol

from zoo.domain.job import Attempt


class Execution(Protocol):
    """An attempt that was started."""

    @property
    def attempt(self) -> Attempt:
        """Which one it is."""
        ...

    @property
    def is_running(self) -> bool:
        """Tell whether it has not ended yet; once it has, nothing that it started runs either."""
        ...

    def await_end(self, timeout_s: float) -> None:
        """Wait for its end, but no longer than so many seconds."""
        ...

    def ask_to_stop(self) -> None:
        """Ask it to put its job back, and do not wait for that."""
        ...

    def stop(self) -> None:
        """Ask it to put its job back and wait for that; end it if it does not."""
        ...

    def kill(self) -> None:
        """End it and everything it started."""
        ...


class Engine(Protocol):
    """What runs attempts for the worker of this process."""

    @property
    def worker(self) -> str:
        """The name of this worker, for people who read the catalog and for ``is_dead``."""
        ...

    @property
    def has_room(self) -> bool:
        """Tell whether a job should be taken now; not while what runs them does not answer."""
        ...

    def submit(self, attempt: Attempt) -> Execution:
        """Start an attempt that was claimed; what it prints goes to the job's log."""
        ...

    def is_dead(self, attempt: Attempt, worker: str) -> bool:
        """Tell whether an attempt of a worker of this machine and home is gone."""
        ...

    def find_orphan(self, attempt: Attempt, worker: str) -> Execution | None:
        """Give an attempt that lives on though its worker, of this machine and home, is gone."""
        ...

    def tend(self, *, is_idle: bool) -> None:
        """Get ready for the next job; called often, with whether there is nothing to do."""
        ...

    def close(self) -> None:
        """Let go of what is held ready."""
        ...
