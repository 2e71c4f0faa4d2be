"""Running sessions in the order they were asked: one queue, and a bound on what runs at once.

A semaphore would let whoever comes just then go first. Here nobody does: a request waits for those
before it and for nothing else. Whose turn it is runs on the thread that waits for the answer, so
nothing is handed from one thread to another and back. What is taken in is answered, also while the
process ends.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from zoo.errors import DeadlinePassed, GoneAway, NotReady
from zoo.serving.batcher import run_together
from zoo.serving.pair import Runners
from zoo.serving.queue import Piece, Queue, Ran

Watch = Callable[[tuple[str, str], int, int], None]
"""Hears of each run: whose it was, its pictures, its nanoseconds."""


@dataclass(slots=True, eq=False)
class Turn:
    """One request: its thread waits until it is to run something, or all is done.

    Whoever calls any of this holds the dispatcher's lock.
    """

    pieces: Sequence[Piece]
    left: int  # pieces that are not done
    work: Sequence[Piece] = ()  # what its thread is to run now
    is_free: bool = True  # whether its thread can be given something to run
    is_woken: bool = False
    has_waited: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.lock.acquire()  # Whoever wakes the thread releases it.

    def give(self, work: Sequence[Piece]) -> None:
        """Have its thread run something."""
        self.is_free, self.work = False, work
        self.wake()

    def take_work(self) -> Sequence[Piece]:
        """Take what its thread is to run, on this thread or in its place."""
        work, self.work = self.work, ()
        return work

    def wake(self) -> None:
        """Have its thread look."""
        if not self.is_woken:
            self.is_woken = True
            self.lock.release()

    def hear(self) -> None:
        """Note that its thread looks now, whether it was woken or not."""
        if self.is_woken:
            self.is_woken = False
            self.lock.acquire(blocking=False)


@dataclass(slots=True, kw_only=True, eq=False)
class Dispatcher:
    """Runs pieces of work, so many at once; safe to be used by many threads.

    A piece runs on the thread of its request. Only where a request has several that run side by
    side do threads of the dispatcher's own help, which start when they are first needed.
    """

    runners: Runners
    queue: Queue
    watch: Watch = lambda *_: None
    clock_ns: Callable[[], int] = time.monotonic_ns
    _turns: dict[Piece, Turn] = field(default_factory=dict)  # of all pieces that are not done
    _helped: deque[Sequence[Piece]] = field(default_factory=deque)  # what helpers are to run
    _helpers: list[threading.Thread] = field(default_factory=list)
    # A plain one, for it is taken some times for each request; nobody takes it twice.
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _changed: threading.Condition = field(init=False)
    _is_closed: bool = False

    def __post_init__(self) -> None:
        self._changed = threading.Condition(self._lock)

    def run(self, pieces: Sequence[Piece]) -> list[Ran]:
        """Run the pieces of a request and wait for them.

        Raises:
            Overloaded: too much waits already.
            TooLarge: there are more pictures than ever may wait.
            NotReady: the process ends.
            DeadlinePassed: a deadline passed before all of them were begun.
            GoneAway: the client did not wait.
            NotRunnable: the graph failed.
        """
        if len(pieces) == 1 and self._begins_at_once(pieces[0]):
            self._run_alone(pieces[0])
            return [_result_of(pieces[0])]
        turn = Turn(pieces, len(pieces))
        self._add(turn)
        try:
            while turn.left and (work := self._wait(turn)):
                self._run(work)
        finally:
            if turn.left:
                self._give_up(turn)
        return [_result_of(piece) for piece in pieces]

    def close(self) -> None:
        """Take nothing more, and return when all that was taken is done."""
        with self._lock:
            self._is_closed = True
            self._changed.notify_all()
            while self.runners.busy or self.queue:
                self._changed.wait()
        for helper in self._helpers:
            helper.join()

    @property
    def waiting(self) -> int:
        """Count the pictures that wait."""
        with self._lock:
            return self.queue.pictures

    @property
    def waiting_bytes(self) -> int:
        """Count the bytes of the pictures that wait."""
        with self._lock:
            return self.queue.size_bytes

    def _begins_at_once(self, piece: Piece) -> bool:
        """Begin a piece that has nothing to wait for; whatever else is to be said of it is not.

        A third of the calls that a request takes are those for its way through the queue.
        """
        now_ns = self.clock_ns()
        with self._lock:
            if (
                self._is_closed
                or self.queue
                or self.runners.are_all_busy
                or (piece.deadline_ns is not None and now_ns >= piece.deadline_ns)
                or not self.queue.could_take(piece)
            ):
                return False
            self.runners.busy += 1
        piece.arrived_ns, piece.is_begun = now_ns, True
        return True

    def _run_alone(self, piece: Piece) -> None:
        """Run a piece that is begun and that no turn knows of, and begin what is next."""
        try:
            run_together([piece], watch=self.watch, clock_ns=self.clock_ns)
        finally:
            with self._lock:
                self._end()

    def _add(self, turn: Turn) -> None:
        now_ns = self.clock_ns()
        with self._lock:
            if self._is_closed:
                raise NotReady
            for piece in turn.pieces:
                piece.arrived_ns = now_ns
            self.queue.add(turn.pieces)
            for piece in turn.pieces:
                self._turns[piece] = turn

    def _hand_out(self) -> None:
        """Begin what is next, as long as more may run; whoever calls this holds the lock."""
        while self.queue and not self.runners.are_all_busy:
            first = self.queue.pop()
            more = self.queue.pop_alike(first) if first.most_together > first.pictures else []
            work = (first, *more)
            for piece in work:
                piece.is_begun = True
            self.runners.busy += 1
            turn = self._turns[first]
            if turn.is_free:
                turn.give(work)
            else:
                self._help(work)

    def _wait(self, turn: Turn) -> Sequence[Piece]:
        """Wait for a request's turn and give what its thread is to run; nothing when all is done.

        Raises:
            DeadlinePassed: a deadline passed in the queue; what is still there is not run.
            BaseException: a piece failed, which the others are not waited for.
        """
        is_late = False
        while True:
            with self._lock:
                turn.is_free = True
                self._hand_out()
                turn.hear()
                if work := turn.take_work():
                    return work
                if turn.left == 0:
                    return ()
                if failed := next((piece for piece in turn.pieces if piece.error), None):
                    raise _take_error(failed)
                if is_late and any(_is_late(piece, self.clock_ns()) for piece in turn.pieces):
                    raise DeadlinePassed
            is_late = not self._sleep(turn)

    def _sleep(self, turn: Turn) -> bool:
        """Sleep until a request is woken; tell whether it was, or a deadline passes before."""
        turn.has_waited = True
        deadlines = [
            piece.deadline_ns
            for piece in turn.pieces
            if piece.deadline_ns is not None and not piece.is_begun
        ]
        if not deadlines:
            return turn.lock.acquire()
        left_ns = min(deadlines) - self.clock_ns()
        return turn.lock.acquire(timeout=min(max(left_ns, 0) / 1e9, threading.TIMEOUT_MAX))

    def _give_up(self, turn: Turn) -> None:
        """Make room for others where pieces have not begun, and where the turn had just come."""
        with self._lock:
            for piece in turn.pieces:
                if not piece.is_begun:
                    self.queue.drop(piece)
                    self._forget(piece)
            work = turn.take_work()
        if work:
            self._run(work)

    def _run(self, work: Sequence[Piece]) -> None:
        """Run pieces that are begun, tell those who wait for them, and begin what is next."""
        try:
            if pieces := [piece for piece in work if self._is_to_run(piece)]:
                run_together(pieces, watch=self.watch, clock_ns=self.clock_ns)
        finally:
            with self._lock:
                for piece in work:
                    self._forget(piece)
                self._end()

    def _end(self) -> None:
        """Count a run as done, and begin what is next; whoever calls this holds the lock."""
        self.runners.busy -= 1
        self._hand_out()
        if self._is_closed:
            self._changed.notify_all()

    def _forget(self, piece: Piece) -> None:
        """Count a piece as done."""
        turn = self._turns.pop(piece)
        turn.left -= 1
        if turn.left == 0 or piece.error is not None:
            turn.wake()

    def _is_to_run(self, piece: Piece) -> bool:
        """Tell whether a piece is still to be run; else note why not."""
        if piece.deadline_ns is not None and self.clock_ns() > piece.deadline_ns:
            piece.error = DeadlinePassed()
        # One whose turn came at once was there just now.
        elif self._turns[piece].has_waited and not piece.is_wanted():
            piece.error = GoneAway()
        return piece.error is None

    def _help(self, work: Sequence[Piece]) -> None:
        """Have a thread of the dispatcher's own run something; holds the lock."""
        self._helped.append(work)
        if len(self._helpers) < self.runners.count:
            # A thread that is no daemon would keep the interpreter from ending.
            helper = threading.Thread(
                target=self._work, name=f"runner-{len(self._helpers)}", daemon=True
            )
            self._helpers.append(helper)
            helper.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while work := self._take():
            self._run(work)
            del work  # Else it would hold the predictor and its pictures until there is more.

    def _take(self) -> Sequence[Piece]:
        """Wait for something to help with; nothing when all is done and closed."""
        with self._lock:
            while not self._helped:
                if self._is_closed and not (self.runners.busy or self.queue):
                    return ()
                self._changed.wait()
            return self._helped.popleft()


def _is_late(piece: Piece, now_ns: int) -> bool:
    return not piece.is_begun and piece.deadline_ns is not None and now_ns >= piece.deadline_ns


def _result_of(piece: Piece) -> Ran:
    if piece.error is not None:
        raise _take_error(piece)
    assert piece.ran is not None
    return piece.ran


def _take_error(piece: Piece) -> BaseException:
    """Give what a piece failed by, which then keeps its pictures no longer than somebody hears it.

    By its traceback it holds the piece, and each would keep the other.
    """
    assert piece.error is not None
    error, piece.error = piece.error, None
    return error
