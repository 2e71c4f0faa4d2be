"""Memory goes back to the system soon after something large, once for many."""

import threading

from zoo.serving.memory import LARGE_BYTES, Trimming

DEADLINE_S = 60


def test_many_large_things_are_followed_by_one_trim():
    trimmed = threading.Semaphore(0)
    trimming = Trimming(pause_s=0.05, trim=trimmed.release)
    for _ in range(5):
        trimming.soon()
    trimming.after(LARGE_BYTES)
    assert trimmed.acquire(timeout=DEADLINE_S)
    assert trimming._is_due is False
    trimming.soon()
    assert trimmed.acquire(timeout=DEADLINE_S)


def test_after_small_things_nothing_is_done():
    trimming = Trimming(pause_s=0)
    trimming.after(LARGE_BYTES - 1)
    assert trimming._is_due is False
