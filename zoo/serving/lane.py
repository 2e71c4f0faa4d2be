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
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="device")


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A thread that starts when it is first needed; what it is given runs in that order."""

    _thread: ThreadPoolExecutor = field(default_factory=_one_thread)

    def call(self, function: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Call a function on the thread and give what it gives, or raise what it raises.

        A function that runs there must not call this itself: it would wait for its own end.
        """
        return self._thread.submit(function, *given, **named).result()

    def let_go(self, held: list[object]) -> None:
        """Have the thread close things that nobody but this list holds."""
        with contextlib.suppress(RuntimeError):  # The process ends, and closes all.
            self._thread.submit(held.clear)
