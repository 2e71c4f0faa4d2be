"""The shelf opens each predictor once, holds so many, and forgets failures."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from zoo.errors import NotRunnable
from zoo.serving.predictor import Predictor
from zoo.serving.shelf import Shelf


class Opener:
    """Opens predictors and counts how often."""

    def __init__(self, preprocessing):
        self.preprocessing = preprocessing
        self.opened = 0

    def __call__(self):
        self.opened += 1
        return Predictor(
            session=object(), labels=(), preprocessing=self.preprocessing, provider="none"
        )


@pytest.fixture
def opener(preprocessing):
    return Opener(preprocessing)


def fail():
    raise NotRunnable


def test_a_predictor_is_opened_once(opener):
    shelf = Shelf(size=2)
    assert shelf.take("a", opener) is shelf.take("a", opener)
    assert opener.opened == 1


def test_of_many_who_ask_at_once_one_opens_for_all(opener):
    shelf, count = Shelf(size=1), 8
    asked = threading.Semaphore(0)
    all_asked = threading.Event()

    def slowly():
        all_asked.wait()
        return opener()

    def take(_):
        asked.release()
        return shelf.take("a", slowly)

    with ThreadPoolExecutor(count) as pool:
        taken = pool.map(take, range(count))
        for _ in range(count):
            asked.acquire()
        all_asked.set()
        assert len(set(map(id, taken))) == 1
    assert opener.opened == 1


def test_the_one_that_was_not_used_for_longest_makes_room(opener):
    shelf = Shelf(size=2)
    first, second = shelf.take("a", opener), shelf.take("b", opener)
    shelf.take("a", opener)
    shelf.take("c", opener)
    assert shelf.take("a", opener) is first
    assert shelf.take("b", opener) is not second


def test_a_failure_is_told_and_forgotten(opener):
    shelf = Shelf(size=2)
    with pytest.raises(NotRunnable):
        shelf.take("a", fail)
    assert shelf.take("a", opener)


def test_a_failure_is_told_to_all_who_wait(opener):
    shelf = Shelf(size=2)
    waits, goes_on = threading.Event(), threading.Event()

    def fail_later():
        waits.set()
        goes_on.wait()
        raise NotRunnable

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shelf.take, "a", fail_later)
        waits.wait()
        held = shelf._held["a"]
        second = pool.submit(held.result)
        goes_on.set()
        for asked in (first, second):
            with pytest.raises(NotRunnable):
                asked.result()
    assert shelf.take("a", opener)


def test_a_failure_of_one_that_was_pushed_out_leaves_its_successor(opener):
    shelf = Shelf(size=1)

    def fail_when_pushed_out():
        shelf.take("b", opener)
        self_again = shelf.take("a", opener)
        assert self_again
        raise NotRunnable

    with pytest.raises(NotRunnable):
        shelf.take("a", fail_when_pushed_out)
    assert opener.opened == 2
    shelf.take("a", opener)
    assert opener.opened == 2
