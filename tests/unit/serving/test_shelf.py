"""The shelf loads each predictor once, keeps so many bytes of them, and forgets failures."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from zoo.errors import NotRunnable
from zoo.serving.predictor import Predictor
from zoo.serving.shelf import Served, Shelf


class Loader:
    """Loads predictors of ten bytes and counts how often."""

    def __init__(self, preprocessing):
        self.preprocessing = preprocessing
        self.loaded = 0

    def __call__(self):
        self.loaded += 1
        predictor = Predictor(
            session=object(), labels=(), preprocessing=self.preprocessing, provider="none"
        )
        return Served(predictor=predictor, size_bytes=10)


@pytest.fixture
def loader(preprocessing):
    return Loader(preprocessing)


@pytest.fixture
def trims():
    return []


@pytest.fixture
def make_shelf(trims):
    """Make a shelf with room for so many."""
    return lambda count: Shelf(most_bytes=10 * count, trim=lambda: trims.append(1))


def take(shelf, digest, load, **more):
    with shelf.hold(digest, load, **more) as served:
        return served


def fail():
    raise NotRunnable


def test_a_predictor_is_loaded_once(make_shelf, loader):
    shelf = make_shelf(2)
    assert take(shelf, "a", loader) is take(shelf, "a", loader)
    assert loader.loaded == 1


def test_of_many_who_ask_at_once_one_loads_for_all(make_shelf, loader):
    shelf, count = make_shelf(1), 8
    asked = threading.Semaphore(0)
    all_asked = threading.Event()

    def slowly():
        all_asked.wait()
        return loader()

    def ask(_):
        asked.release()
        return take(shelf, "a", slowly)

    with ThreadPoolExecutor(count) as pool:
        taken = pool.map(ask, range(count))
        for _ in range(count):
            asked.acquire()
        all_asked.set()
        assert len(set(map(id, taken))) == 1
    assert loader.loaded == 1


def test_the_one_that_was_not_used_for_longest_makes_room(make_shelf, loader, trims):
    shelf = make_shelf(2)
    first, second = take(shelf, "a", loader), take(shelf, "b", loader)
    take(shelf, "a", loader)
    assert not trims
    take(shelf, "c", loader)
    assert trims
    assert shelf.find("a") is first
    assert shelf.find("b") is None
    assert take(shelf, "b", loader) is not second


def test_the_bytes_measured_say_how_many_fit(make_shelf, loader):
    shelf = make_shelf(5)
    for round_ in range(3):
        for number in range(40):
            take(shelf, str(number), loader)
            assert shelf.size_bytes <= 50, round_
    assert shelf.size_bytes == 50


def test_room_is_made_before_a_graph_is_loaded(make_shelf, loader):
    shelf = make_shelf(2)
    take(shelf, "a", loader)
    take(shelf, "b", loader)
    there = []

    def look():
        there.extend(digest for digest in "ab" if shelf.find(digest))
        return loader()

    take(shelf, "c", look, about_bytes=10)
    assert there == ["b"]


def test_one_in_use_is_not_closed_and_goes_as_soon_as_it_is_let_go(make_shelf, loader):
    shelf = make_shelf(1)
    with shelf.hold("a", loader) as held:
        take(shelf, "b", loader)
        assert shelf.find("a") is held
        assert shelf.find("b") is None
        with shelf.hold("c", loader):
            assert shelf.size_bytes == 20
    assert shelf.size_bytes == 10


def test_one_that_is_put_away_lives_on_for_whoever_holds_it(make_shelf, loader, trims):
    shelf = make_shelf(2)
    with shelf.hold("a", loader) as held:
        assert shelf.put_away("a")
        assert shelf.find("a") is None
        assert held.predictor
    assert trims
    assert not shelf.put_away("a")


def test_a_failure_is_told_and_forgotten(make_shelf, loader):
    shelf = make_shelf(2)
    with pytest.raises(NotRunnable):
        take(shelf, "a", fail)
    assert take(shelf, "a", loader)


def test_a_failure_is_told_to_all_who_wait(make_shelf, loader):
    shelf = make_shelf(2)
    waits, goes_on = threading.Event(), threading.Event()

    def fail_later():
        waits.set()
        goes_on.wait()
        raise NotRunnable

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(take, shelf, "a", fail_later)
        waits.wait()
        assert shelf.is_loading("a")
        second = pool.submit(shelf._places["a"].future.result)
        goes_on.set()
        for asked in (first, second):
            with pytest.raises(NotRunnable):
                asked.result()
    assert not shelf.is_loading("a")
    assert take(shelf, "a", loader)


class Grown:
    """An arena that runs have made so large, of which they still use some."""

    def __init__(self, used=0):
        self.added_bytes, self.used, self.shrunk = 0, used, 0

    def shrink(self):
        self.shrunk += 1
        self.added_bytes = self.used


def load_grown(loader, arena):
    return lambda: replace(loader(), arena=arena)


def test_what_runs_add_counts_with_the_predictor(make_shelf, loader):
    shelf, arena = make_shelf(10), Grown()
    with shelf.hold("a", load_grown(loader, arena)):
        arena.added_bytes = 8
    assert shelf.size_bytes == shelf.read().size_bytes == 18
    with shelf.hold("a", loader):
        arena.added_bytes = 3
    assert shelf.size_bytes == shelf.read().size_bytes == 13
    assert shelf.put_away("a")
    assert shelf.size_bytes == 0


def test_a_predictor_that_is_put_away_while_it_grows_is_not_counted(make_shelf, loader):
    shelf, arena = make_shelf(10), Grown()
    with shelf.hold("a", load_grown(loader, arena)):
        shelf.put_away("a")
        arena.added_bytes = 50
    assert shelf.size_bytes == 0


def test_others_make_room_for_what_runs_add(make_shelf, loader):
    shelf, arena = make_shelf(4), Grown(used=20)
    for name in "bcd":
        take(shelf, name, loader)
    with shelf.hold("a", load_grown(loader, arena)):
        arena.added_bytes = 20
    assert [name for name in "abcd" if shelf.find(name)] == ["a", "d"]
    assert shelf.size_bytes == 40


def test_a_large_arena_is_shrunk_before_others_are_closed(make_shelf, loader):
    shelf, arena, small = make_shelf(4), Grown(), Grown()
    take(shelf, "b", loader)
    with shelf.hold("c", load_grown(loader, small)):
        small.added_bytes = 5  # an eighth of the shelf, which is not worth it
    with shelf.hold("a", load_grown(loader, arena)):
        arena.added_bytes = 200
    assert (arena.shrunk, small.shrunk) == (1, 0)
    assert [name for name in "abc" if shelf.find(name)] == ["a", "b", "c"]
    assert shelf.size_bytes == 35
    assert shelf.read().evictions == 0


def test_an_arena_is_left_alone_while_there_is_room(make_shelf, loader):
    shelf, arena = make_shelf(10), Grown()
    with shelf.hold("a", load_grown(loader, arena)):
        arena.added_bytes = 80
    take(shelf, "b", loader)
    assert arena.shrunk == 0
