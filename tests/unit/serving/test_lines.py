"""A served name goes on with its revision while the next one is loaded, and never fails for it."""

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from zoo.errors import NotRunnable
from zoo.serving.lines import NICENESS, RESTING_S, Lines, Target
from zoo.serving.predictor import Predictor
from zoo.serving.shelf import Served, Shelf

NAME = "net:production"


class Loading:
    """Loads predictors whose only label is their digest; waits or fails where it is told to."""

    def __init__(self, preprocessing):
        self.preprocessing = preprocessing
        self.loaded = []
        self.prepared = []
        self.bad = set()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def prepare(self, digest, _graph):
        self.prepared.append((digest, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))

    def load(self, digest, _graph):
        self.loaded.append(digest)
        assert self.goes_on.wait(60)
        if digest in self.bad:
            raise NotRunnable(f"{digest} is damaged")
        predictor = Predictor(
            session=object(), labels=(digest,), preprocessing=self.preprocessing, provider="none"
        )
        return Served(predictor=predictor, size_bytes=10)


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def loading(preprocessing):
    return Loading(preprocessing)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(loading, clock):
    shelf = Shelf(most_bytes=1000, trim=lambda: None)
    return Lines(shelf=shelf, loading=loading, clock_s=clock)


@pytest.fixture
def target(tmp_path):
    return lambda digest: Target(
        model="net", revision=digest * 40, digest=digest, graph=tmp_path / digest
    )


@pytest.fixture
def ask(lines, target):
    """Ask the name while it points to a revision; give which one answers."""

    def ask(digest, name=NAME):
        with lines.hold(name, target(digest)) as (answering, served):
            assert served.predictor.labels == (answering.digest,)
            return answering.digest

    return ask


def wait_for_loader(lines):
    while lines.read()[NAME].upcoming is not None:
        time.sleep(0.001)


def test_the_first_revision_is_loaded_on_demand(ask, loading):
    assert [ask("a"), ask("a")] == ["a", "a"]
    assert loading.loaded == ["a"]


def test_the_old_revision_answers_until_the_new_one_is_loaded(ask, lines, loading):
    ask("a")
    loading.goes_on.clear()
    assert [ask("b") for _ in range(20)] == ["a"] * 20
    loading.goes_on.set()
    wait_for_loader(lines)
    assert ask("b") == "b"
    assert loading.loaded == ["a", "b"]
    assert lines.read()[NAME].swaps == 1
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    assert loading.prepared == [("b", min(usual + NICENESS, 19))]


def test_a_name_that_rested_waits_for_its_new_revision(ask, clock, loading):
    ask("a")
    clock.now_s += RESTING_S + 1
    assert ask("b") == "b"
    assert loading.loaded == ["a", "b"]


@pytest.mark.parametrize("rests", [False, True])
def test_a_new_revision_that_cannot_be_loaded_leaves_the_old_one(ask, lines, clock, caplog, rests):
    loading = lines.loading
    caplog.set_level(logging.WARNING)
    loading.bad.add("b")
    ask("a")
    clock.now_s += rests * (RESTING_S + 1)
    assert ask("b") == "a"
    wait_for_loader(lines)
    assert [ask("b") for _ in range(20)] == ["a"] * 20
    clock.now_s += RESTING_S + 1
    assert ask("b") == "a"
    assert loading.loaded == ["a", "b"]
    assert "b is damaged" in lines.read()[NAME].reason
    assert [record.getMessage() for record in caplog.records] == [
        f"net@{'b' * 40} could not be loaded, so net@{'a' * 40} goes on: b is damaged"
    ]
    clock.now_s += RESTING_S + 1
    assert ask("c") == "c"
    assert lines.read()[NAME].reason == ""


def test_a_revision_that_another_name_serves_takes_over_at_once(ask, loading):
    ask("a")
    ask("b", name="net@b")
    assert ask("b") == "b"
    assert loading.loaded == ["a", "b"]


def test_one_revision_is_loaded_at_a_time_and_the_newest_comes_in_the_end(ask, lines, loading):
    ask("a")
    loading.goes_on.clear()
    assert {ask(digest) for digest in "bcdef"} == {"a"}
    loading.goes_on.set()
    wait_for_loader(lines)
    assert ask("f") in {"b", "f"}
    wait_for_loader(lines)
    assert ask("f") == "f"
    assert loading.loaded == ["a", "b", "f"]


def test_an_old_revision_that_is_closed_already_is_not_loaded_again(ask, lines, loading):
    ask("a")
    lines.shelf.put_away("a")
    assert ask("b") == "b"
    assert loading.loaded == ["a", "b"]


def test_a_first_revision_that_cannot_be_loaded_is_told(ask, loading):
    loading.bad.add("a")
    with pytest.raises(NotRunnable, match="a is damaged"):
        ask("a")
    loading.bad.clear()
    assert ask("a") == "a"


def test_fifty_revisions_swapped_under_requests_fail_none(ask, lines, loading):
    revisions = [chr(ord("A") + number) for number in range(50)]
    wanted = [revisions[0]]
    stop = threading.Event()

    def keep_asking():
        said = []
        while not stop.is_set():
            said.append(ask(wanted[0]))
        return said

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(keep_asking) for _ in range(4)]
        for revision in revisions:
            wanted[0] = revision
            while ask(revision) != revision:
                time.sleep(0.001)
        stop.set()
        said = [one.result() for one in asking]
    assert loading.loaded == revisions
    assert {answer for answers in said for answer in answers} <= set(revisions)
    assert ask(revisions[-1]) == revisions[-1]
    assert lines.read()[NAME].swaps >= 49


def test_closing_waits_for_what_is_being_loaded(ask, lines, loading):
    ask("a")
    loading.goes_on.clear()
    ask("b")
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(lines.close)
        assert not closing.done()
        loading.goes_on.set()
        closing.result(60)
    assert ask("b") == "b"
    assert lines._loaders == set()
