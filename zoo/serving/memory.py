"""What this process has taken from the C library's memory, and giving back what it freed.

Sessions allocate there. After one is closed the library keeps its memory until it is told to give
it back: six sessions of ResNet-18 left 472 MB behind without that, and nothing with it.
"""

import ctypes
from functools import cache


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


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
