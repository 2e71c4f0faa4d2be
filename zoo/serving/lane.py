"""The one thread that everything on a GPU runs on.

Several threads on one CUDA session do not overlap; they only take turns. A CUDA graph belongs to
the thread that captured it: ONNX Runtime keeps graphs by thread, and another thread that runs the
same session captures them anew. While one is captured, no other thread may allocate memory of the
device. And a session that is closed on one thread clears what others keep of it, unlocked. With
one thread for all of them, in the order they come, none of that can go wrong.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="device")


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A thread that starts when it is first needed; what it is given runs in that order."""

    _thread: ThreadPoolExecutor = field(default_factory=_one_thread)
    _left: "SimpleQueue[list[object]]" = field(default_factory=SimpleQueue)

    def call(self, function: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Call a function on the thread and give what it gives, or raise what it raises.

        A function that runs there must not call this itself: it would wait for its own end.
        """
        return self._thread.submit(self._run, partial(function, *given, **named)).result()

    def let_go(self, held: list[object]) -> None:
        """Leave things that nobody but this list holds for the thread to close.

        It does so before it runs anything else, and when it is told to tidy. This may be called
        while objects are destroyed, at any moment of any thread, so it takes no lock.
        """
        self._left.put(held)

    def tidy(self) -> None:
        """Have the thread close what was left to it."""
        if not self._left.empty():
            with contextlib.suppress(RuntimeError):  # The process ends, and closes all.
                self._thread.submit(self._close)

    def _run(self, function: Callable[[], T]) -> T:
        self._close()
        return function()

    def _close(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._left.get_nowait().clear()
