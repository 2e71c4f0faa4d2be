"""Imports without collections of garbage meanwhile."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Import within: what modules make stays, and collections would walk all of it for nothing.

    That is a fifth of what torch and the zoo beside it cost to import. What is there afterwards is
    not walked by later collections either.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
