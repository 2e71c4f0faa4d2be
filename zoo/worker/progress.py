"""What a job's process says while it works, and how it hears that it should stop."""

import threading
import time
from dataclasses import dataclass, field

from zoo.domain.job import Attempt
from zoo.errors import Interrupted, LeaseLost, ZooError
from zoo.operations import jobs
from zoo.operations.opening import Zoo

QUIET_S = 0.5  # counts are written down no more often than this
BEATS = 4  # in the time of a lease
LOOK_S = 1.0  # between two looks at what is wanted of the job


@dataclass(slots=True)
class Progress:
    """The voice of one attempt; every word is a chance to stop."""

    zoo: Zoo
    attempt: Attempt
    stop: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)
    is_spread: bool = False  # over machines, of which any may be lost without a fault of the job
    is_awaited: bool = False  # by the command that started it, which tells what becomes of it
    _last: float = 0.0

    def say(self, step: str, message: str) -> None:
        """Write down one sentence.

        Raises:
            Interrupted: the process was asked to stop.
            LeaseLost: another attempt counts now.
        """
        self.check()
        jobs.tell(self.zoo, self.attempt, step, message)

    def count(self, step: str, message: str, done: int, total: int) -> None:
        """Write down how far a step is, unless that was just done."""
        self.check()
        now = time.monotonic()
        if done < total and now - self._last < QUIET_S:
            return
        self._last = now
        jobs.tell(self.zoo, self.attempt, step, message, done=done, total=total)

    def check(self) -> None:
        """Stop here if that was asked for."""
        if self.lost.is_set():
            raise LeaseLost
        if self.stop.is_set():
            raise Interrupted

    def beat(self) -> None:
        """Keep the lease until the process ends; meant for a thread of its own.

        In between it looks whether the job was cancelled, or is to be put aside.
        """
        lease_s = self.zoo.settings.lease_s
        held_until = time.monotonic() + lease_s
        due = time.monotonic() + lease_s / BEATS
        while not self.stop.wait(min(LOOK_S, lease_s / BEATS)):
            try:
                if jobs.is_pausing(self.zoo, self.attempt):
                    self.stop.set()
                    return
                if time.monotonic() < due:
                    continue
                jobs.keep_alive(self.zoo, self.attempt)
                held_until = time.monotonic() + lease_s
                due = time.monotonic() + lease_s / BEATS
            except LeaseLost:
                self.lost.set()
                return
            except ZooError:
                # A catalog that does not answer for a moment takes no lease away.
                if time.monotonic() > held_until:
                    self.lost.set()
                    return
