"""A process that is no child of this one: made by the fork server, or left by a dead worker."""

import contextlib
import os
import select
import signal
import subprocess
from dataclasses import dataclass, field

UNKNOWN = 0  # the code it ended with is told to its parent alone


@dataclass(slots=True)
class Watched:
    """A process by its descriptor, which stays its own when the number is another's by now."""

    pid: int
    descriptor: int
    returncode: int | None = None
    _poll: select.poll = field(init=False)

    def __post_init__(self) -> None:
        """Watch it."""
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLIN)

    def poll(self) -> int | None:
        """Give a code if it has ended; None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, for so many seconds at most.

        Raises:
            TimeoutExpired: it still runs then.
        """
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _look(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and self._poll.poll(
            None if timeout_s is None else 1000 * timeout_s
        ):
            os.close(self.descriptor)
            self.returncode = UNKNOWN
        return self.returncode

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.descriptor, number)
