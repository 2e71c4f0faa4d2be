"""The engine of a Ray cluster that this machine belongs to.

Each attempt has a small process here, its driver (``zoo.worker.ray_driver``), which has the cluster
run the body and looks after it there. Ray's own library ends a process whose cluster is gone; so it
is never the worker's, which lives on and finds the job waiting.
"""

import contextlib
import importlib.util
import socket
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from zoo.domain.job import Attempt
from zoo.errors import BadSetting, LeaseLost
from zoo.operations import jobs
from zoo.operations.opening import Zoo
from zoo.worker import processes
from zoo.worker.local import interpret
from zoo.worker.processes import JobProcess

CONNECT_S = 2.0
REST_S, LONGEST_REST_S = 2.0, 60.0  # between two looks whether a lost cluster is back


@dataclass(frozen=True, kw_only=True)  # with slots, super() would not find its class
class Driver(JobProcess):
    """The driver of an attempt; when it dies while its cluster is silent, that counts for nothing.

    A head that answers again before anybody looks cannot be told from a driver that died by itself:
    that is a loss, and so is what happens to a driver whose worker is gone.
    """

    zoo: Zoo

    @property
    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        if super().is_running:
            return True
        if self.process.poll() and not answers(self.zoo):
            with contextlib.suppress(LeaseLost):
                jobs.put_back(self.zoo, self.attempt)
        return False


@dataclass(slots=True, kw_only=True)
class RayEngine:
    """Has a cluster run attempts."""

    zoo: Zoo
    _looked_at: float = -LONGEST_REST_S
    _rest_s: float = 0.0
    _answers: bool = field(default=False)

    def __post_init__(self) -> None:
        """See whether the cluster is named, and Ray installed.

        Raises:
            BadSetting: one is missing.
        """
        address = self.zoo.settings.ray_address
        if not all(_parts(address)):
            raise BadSetting(
                f"ZOO_ENGINE=ray needs a cluster; ZOO_RAY_ADDRESS={address!r} names none.",
                hint="Give the HOST:PORT that `ray start --head` printed.",
            )
        if importlib.util.find_spec("ray") is None:
            raise BadSetting(
                "ZOO_ENGINE=ray needs ray, which is not installed.",
                hint="Install it: pip install 'zoo[ray]'",
            )

    @property
    def worker(self) -> str:
        """Name this worker; see ``Engine.worker``."""
        return processes.worker_name(self.zoo)

    @property
    def has_room(self) -> bool:
        """Tell whether the cluster answers; one that does not is asked less and less often."""
        now = time.monotonic()
        if now - self._looked_at >= self._rest_s:
            self._answers = answers(self.zoo)
            self._looked_at = now
            longer = min(max(REST_S, 2 * self._rest_s), LONGEST_REST_S)
            self._rest_s = REST_S if self._answers else longer
        return self._answers

    def submit(self, attempt: Attempt) -> Driver:
        """Start the driver of an attempt.

        Raises:
            OSError: the system cannot start another process.
        """
        module = ["zoo.worker.ray_driver", str(attempt.job), str(attempt.number)]
        with processes.opened_log(self.zoo, attempt) as log:
            process = interpret(self.zoo, module, log)
        return Driver(attempt=attempt, process=process, zoo=self.zoo)

    def is_dead(self, attempt: Attempt, worker: str) -> bool:
        """Tell whether the driver of an attempt is gone; Ray ends what it had in the cluster."""
        return processes.is_dead(self.zoo, attempt, worker)

    def find_orphan(self, attempt: Attempt, worker: str) -> JobProcess | None:
        """Give a driver whose worker is gone; see ``Engine.find_orphan``."""
        return processes.find_orphan(self.zoo, attempt, worker)

    def tend(self, *, is_idle: bool) -> None:
        """Keep nothing ready: the cluster's nodes do."""

    def close(self) -> None:
        """Let go of nothing."""


def answers(zoo: Zoo) -> bool:
    """Tell whether somebody listens at the head's address."""
    try:
        socket.create_connection(_parts(zoo.settings.ray_address), CONNECT_S).close()
    except OSError:
        return False
    return True


def _parts(address: str) -> tuple[str, int]:
    """Give host and port; port 0 where it is no address."""
    parts = urlsplit(f"//{address}")
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.hostname or "", port or 0
