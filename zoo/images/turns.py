"""The memory of pictures that are decoded at once is bounded: large ones take turns."""

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from zoo.errors import Overloaded

SMALL_BYTES = 32 * 2**20  # 4 megapixels; those of usual networks' inputs have a tenth of that
SMALL_SHARE = 4  # Small pictures have a fourth of the memory to themselves.
MOST_WAITING = 16  # large pictures; each may take seconds, and a thread of the server

Take = Callable[[int], None]
"""Told the bytes that decoding will take, before it begins; comes back when they are there."""


def take_any(_size_bytes: int) -> None:
    """Take memory without asking."""


@dataclass(slots=True, kw_only=True)
class Share:
    """Memory that is handed out in the order it was asked for."""

    most_bytes: int
    most_waiting: float = math.inf
    taken_bytes: int = 0
    holders: int = 0
    _waiting: deque[tuple[int, threading.Event]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, size_bytes: int, *, is_patient: bool = False) -> int:
        """Wait for memory and tell how much was taken; what asks for all there is gets that."""
        size_bytes = min(size_bytes, self.most_bytes)
        with self._lock:
            if not self._waiting and self.taken_bytes + size_bytes <= self.most_bytes:
                self.taken_bytes += size_bytes
                self.holders += 1
                return size_bytes
            if not is_patient and len(self._waiting) >= self.most_waiting:
                raise Overloaded(
                    f"{len(self._waiting)} large pictures wait to be decoded already.",
                    hint="Send it again after the seconds told, or send it smaller;"
                    " ZOO_DECODING_BYTES bounds what is decoded at once.",
                    retry_after_s=1,
                )
            turn = threading.Event()
            self._waiting.append((size_bytes, turn))
        try:
            turn.wait()
        except BaseException:
            self._leave(size_bytes, turn)
            raise
        return size_bytes

    def give(self, size_bytes: int) -> None:
        """Give memory back, to those who wait longest."""
        with self._lock:
            self.taken_bytes -= size_bytes
            self.holders -= 1
            if self._waiting:
                self._call_next()

    def keep(self, taken_bytes: int, size_bytes: int) -> int:
        """Give back what is not needed of what was taken, and tell how much is kept."""
        kept_bytes = min(taken_bytes, size_bytes)
        with self._lock:
            self.taken_bytes -= taken_bytes - kept_bytes
            self._call_next()
        return kept_bytes

    def _call_next(self) -> None:
        while self._waiting and self.taken_bytes + self._waiting[0][0] <= self.most_bytes:
            size, turn = self._waiting.popleft()
            self.taken_bytes += size
            self.holders += 1
            turn.set()

    def _leave(self, size_bytes: int, turn: threading.Event) -> None:
        """Wait no longer."""
        with self._lock:
            if turn.is_set():
                self.taken_bytes -= size_bytes
                self.holders -= 1
            else:
                self._waiting.remove((size_bytes, turn))
            self._call_next()


class Turns:
    """Memory for decoding: small pictures have a part of it that large ones never wait in."""

    def __init__(self, most_bytes: int, *, after_large: Callable[[], None] = lambda: None) -> None:
        small_bytes = most_bytes // SMALL_SHARE
        self._small = Share(most_bytes=small_bytes)
        self._large = Share(most_bytes=most_bytes - small_bytes, most_waiting=MOST_WAITING)
        self._after_large = after_large

    @property
    def holders(self) -> int:
        """Count those that decode just now, or work on what they decoded."""
        return self._small.holders + self._large.holders

    def hold(self, *, is_patient: bool = False) -> "Hold":
        """Give what takes memory for one picture; it is given back at the end.

        A picture that alone needs more than there is gets all of it, when nobody else has any. Who
        holds a turn asks for no other, so nobody waits for ever. Who is patient waits behind any
        number of others.

        Raises, when memory is taken:
            Overloaded: too many large pictures wait already.
        """
        return Hold(self, is_patient=is_patient)

    def take(self, size_bytes: int, *, is_patient: bool) -> tuple[Share, int]:
        """Wait for memory; tell where it was taken, and how much."""
        share = self._small if size_bytes <= SMALL_BYTES else self._large
        return share, share.take(size_bytes, is_patient=is_patient)

    def give(self, share: Share, size_bytes: int) -> None:
        """Give memory back to where it was taken."""
        share.give(size_bytes)
        if share is self._large:
            self._after_large()


class Hold:
    """Memory for one picture, while it is worked on; a generator would take longer to begin."""

    __slots__ = ("_held", "_is_patient", "_turns")

    def __init__(self, turns: Turns, *, is_patient: bool) -> None:
        self._turns, self._is_patient = turns, is_patient
        self._held: tuple[Share, int] | None = None

    def __enter__(self) -> Take:
        return self._take

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            self._turns.give(*self._held)

    def _take(self, size_bytes: int) -> None:
        assert self._held is None
        self._held = self._turns.take(size_bytes, is_patient=self._is_patient)
