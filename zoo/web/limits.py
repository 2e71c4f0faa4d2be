"""How often one caller may ask: a bucket of requests for each, refilled by the minute."""

import threading
import time
from dataclasses import dataclass, field

from zoo.domain.access import Caller
from zoo.errors import TooManyRequests

RATES = "zoo_rates"
MINUTE_S = 60.0
MOST_BUCKETS = 10_000  # Full ones are forgotten above this; they say nothing.


@dataclass(slots=True)
class Rates:
    """The buckets of all who asked lately."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    buckets: dict[str, tuple[float, float]] = field(default_factory=dict)  # requests left, since

    def take(self, key: str, per_minute: int, now_s: float) -> float:
        """Take one request out of a bucket; give the seconds to wait where it is empty, else 0."""
        with self.lock:
            if len(self.buckets) > MOST_BUCKETS:
                self._forget(per_minute, now_s)
            left = self._left(key, per_minute, now_s)
            if left < 1:
                return (1 - left) * MINUTE_S / per_minute
            self.buckets[key] = (left - 1, now_s)
            return 0.0

    def _left(self, key: str, per_minute: int, now_s: float) -> float:
        left, since_s = self.buckets.get(key, (float(per_minute), now_s))
        return min(per_minute, left + (now_s - since_s) * per_minute / MINUTE_S)

    def _forget(self, per_minute: int, now_s: float) -> None:
        full = [key for key in self.buckets if self._left(key, per_minute, now_s) >= per_minute]
        for key in full:
            del self.buckets[key]


def check_rate(rates: Rates, caller: Caller, per_minute: int) -> None:
    """Refuse a caller who has asked more than so often within a minute.

    Raises:
        TooManyRequests: they have; the seconds to wait are told.
    """
    if per_minute == 0:
        return
    key = f"from {caller.address}" if caller.is_anonymous else caller.account
    wait_s = rates.take(key, per_minute, time.monotonic())
    if wait_s > 0:
        raise TooManyRequests(
            f"{key} has asked more than {per_minute} times within a minute.",
            retry_after_s=int(wait_s) + 1,
        )
