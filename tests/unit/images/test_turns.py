"""Large pictures take turns in memory; small ones never wait for them."""

import threading

import pytest

from zoo.errors import Overloaded
from zoo.images.turns import MOST_WAITING, SMALL_BYTES, Turns

LARGE = SMALL_BYTES + 1
DEADLINE_S = 60


class Taker(threading.Thread):
    """Holds memory until it is told to let go."""

    def __init__(self, turns, size_bytes, done=None):
        super().__init__(daemon=True)
        self.turns, self.size_bytes, self.done = turns, size_bytes, done
        self.has_it, self.may_go = threading.Event(), threading.Event()
        self.start()

    def run(self):
        with self.turns.hold() as take:
            take(self.size_bytes)
            if self.done is not None:
                self.done.append(self)
            self.has_it.set()
            assert self.may_go.wait(DEADLINE_S)

    def leave(self):
        self.may_go.set()
        self.join(DEADLINE_S)


def waiting(turns):
    return len(turns._large._waiting)


def take_once_waiting(turns, size_bytes, done):
    """Start one who has to wait, and come back when it does."""
    before = waiting(turns)
    taker = Taker(turns, size_bytes, done)
    while waiting(turns) == before:
        assert taker.is_alive()
    return taker


def test_one_picture_that_needs_more_than_there_is_gets_it():
    turns = Turns(2**20)
    for size in (LARGE, 2**40, 2**21):
        with turns.hold() as take:
            take(size)
    assert turns._large.taken_bytes == turns._small.taken_bytes == 0


def test_large_ones_wait_in_the_order_they_came_and_small_ones_do_not():
    turns, done = Turns(4 * LARGE), []  # 3 for large ones
    first = Taker(turns, 2 * LARGE, done)
    assert first.has_it.wait(DEADLINE_S)
    second = take_once_waiting(turns, 3 * LARGE, done)
    third = take_once_waiting(turns, LARGE, done)  # It would fit, but came later.
    with turns.hold() as take:
        take(SMALL_BYTES)
        assert turns.holders == 2
    assert turns.holders == 1
    first.leave()
    assert second.has_it.wait(DEADLINE_S)
    assert not third.has_it.is_set()
    assert turns.holders == 1
    second.leave()
    assert third.has_it.wait(DEADLINE_S)
    third.leave()
    assert done == [first, second, third]
    assert turns._large.taken_bytes == 0


def test_when_many_wait_the_next_is_told_to_come_again():
    turns, done = Turns(LARGE), []
    first = Taker(turns, LARGE)
    assert first.has_it.wait(DEADLINE_S)
    others = [take_once_waiting(turns, LARGE, done) for _ in range(MOST_WAITING)]
    with pytest.raises(Overloaded, match="16 large pictures wait") as told, turns.hold() as take:
        take(LARGE)
    assert told.value.detail["retry_after_s"] == 1
    assert "ZOO_DECODING_BYTES" in told.value.hint
    for taker in (first, *others):
        taker.leave()
    assert done == others
    assert turns._large.taken_bytes == turns.holders == 0


def test_an_error_gives_memory_back_and_only_large_ones_are_told_of():
    large = []
    turns = Turns(2**30, after_large=lambda: large.append(1))
    for size in (SMALL_BYTES, LARGE):
        with pytest.raises(KeyError), turns.hold() as take:
            raise KeyError(take(size))
    with turns.hold():
        pass  # It was refused before it needed any.
    assert large == [1]
    assert turns._large.taken_bytes == turns._small.taken_bytes == turns.holders == 0
