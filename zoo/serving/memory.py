"""What this process has taken from the C library's memory, and giving back what it freed.

Sessions allocate there. After one is closed the library keeps its memory until it is told to give
it back: six sessions of ResNet-18 left 472 MB behind without that, and nothing with it.
"""

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

LARGE_BYTES = 32 * 2**20  # of a body: less is soon used again
PAUSE_S = 1.0  # The last who holds some of it lets go meanwhile, and more may come.


class _Figures(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",  # bytes in blocks of their own
            "usmblks",
            "fsmblks",
            "uordblks",  # bytes in use among the others
            "fordblks",
            "keepcost",
        )
    )


def used_bytes() -> int:
    """Count the bytes that are allocated; 0 where the C library does not tell."""
    library = _library()
    if not hasattr(library, "mallinfo2"):
        return 0
    library.mallinfo2.restype = _Figures
    figures = library.mallinfo2()
    return int(figures.hblkhd + figures.uordblks)


def give_back() -> None:
    """Give freed memory back to the system, where the C library knows how."""
    library = _library()
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


@dataclass(slots=True, kw_only=True)
class Trimming:
    """Gives memory back a moment after something large was done, however often that is told.

    Pixels of large pictures and large bodies are freed in pieces that the library keeps: three
    pictures of 100 megapixels left 4 GB behind on a server that then did nothing.
    """

    pause_s: float = PAUSE_S
    trim: Callable[[], None] = give_back
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_due: bool = False

    def after(self, size_bytes: int) -> None:
        """Trim soon, if what was done was large."""
        if size_bytes >= LARGE_BYTES:
            self.soon()

    def soon(self) -> None:
        """Trim in a moment."""
        with self._lock:
            if self._is_due:
                return
            self._is_due = True
        timer = threading.Timer(self.pause_s, self._run)
        timer.daemon = True
        timer.start()

    def _run(self) -> None:
        with self._lock:
            self._is_due = False
        self.trim()


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
