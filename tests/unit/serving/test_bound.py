"""Runs on buffers that stay on the device: the same rows as plain runs, and nobody else's."""

import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from zoo.serving.batches import BUCKETS
from zoo.serving.bound import GRAPH_ID, NO_GRAPH, PLAIN_RUN, Bound, Slot, run_options, way_of
from zoo.serving.lane import Lane
from zoo.serving.signature import IMAGES, PROBABILITIES

SHAPE = (2, 2, 3)
OUTPUTS = [PROBABILITIES]


@pytest.fixture
def session(graph):
    return onnxruntime.InferenceSession(graph(), providers=["CPUExecutionProvider"])


@pytest.fixture
def bind(session):
    """Bind a session to slots of so many pictures."""

    def bind(*counts, **more):
        bound = Bound(**{"session": session, "lane": Lane(), "way": "bound"} | more)
        for count in counts:
            bound.add((count, *SHAPE), 3, "cpu")
        return bound

    return bind


@pytest.fixture
def draw():
    random = np.random.default_rng(2)
    return lambda count: random.integers(0, 256, (count, *SHAPE), np.uint8)


def rows_of(session, images):
    (rows,) = session.run(OUTPUTS, {IMAGES: images})
    return rows


@pytest.mark.parametrize("count", [*BUCKETS, 3, 65, 127])
def test_rows_are_those_of_plain_runs(bind, session, draw, monkeypatch, count):
    bound, images = bind(*BUCKETS), draw(count)
    expected = rows_of(session, images)
    monkeypatch.setattr(session, "run", None)
    assert np.array_equal(rows_of(bound, images), expected)
    assert np.array_equal(rows_of(bound, images[::-1]), expected[::-1])


def test_what_lies_behind_the_pictures_is_not_given(bind, session, draw):
    bound = bind(4)
    rows_of(bound, draw(4))
    few = draw(3)
    assert np.array_equal(rows_of(bound, few), rows_of(session, few))
    (slot,) = bound.slots.values()
    # What a slot held before is not run again, and not left for who comes next.
    assert not slot.images.numpy()[3].any()


def test_rows_are_the_callers_own(bind, session, draw):
    bound = bind(2)
    first, second = draw(2), draw(2)
    rows = rows_of(bound, first)
    rows_of(bound, second)
    assert np.array_equal(rows, rows_of(session, first))
    assert not np.array_equal(rows, rows_of(session, second))


def test_many_threads_each_get_their_own_rows(bind, session, draw):
    bound = bind(1, 2, 4, 8)
    asked = [draw(count) for count in (1, 2, 3, 5, 8) * 20]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda images: rows_of(bound, images), asked))
    for images, rows in zip(asked, found, strict=True):
        assert np.array_equal(rows, rows_of(session, images))


def test_what_fits_no_slot_runs_plainly(bind, session, draw):
    bound = bind(2, 4)
    for images in (draw(1), draw(5), draw(2).astype(np.uint8, order="F")):
        assert np.array_equal(rows_of(bound, images), rows_of(session, images))
    faults = onnxruntime.capi.onnxruntime_pybind11_state
    for wrong in (np.zeros((2, 3, 2, 3), np.uint8), np.zeros((2, *SHAPE), np.float32)):
        with pytest.raises(faults.InvalidArgument):
            rows_of(bound, wrong)
    assert way_of(bound) == "bound"


def test_buffers_are_counted(bind):
    assert bind().size_bytes == 0
    picture, row = 2 * 2 * 3, 3 * 4
    assert bind(1, 8).size_bytes == 9 * (picture + row)


def test_a_bound_session_tells_its_ends(bind, session):
    bound = bind(1)
    assert [one.name for one in bound.get_inputs()] == [IMAGES]
    assert [one.name for one in bound.get_outputs()] == OUTPUTS
    assert way_of(session) == ""


def test_every_run_is_on_the_one_thread(bind, session, draw, monkeypatch):
    used = set()
    for name in ("run", "run_with_iobinding"):
        plainly = getattr(session, name)

        def noted(*given, plainly=plainly):
            used.add(threading.current_thread())
            return plainly(*given)

        monkeypatch.setattr(session, name, noted)
    bound = bind(2)
    for count in (1, 2, 3):
        rows_of(bound, draw(count))
    assert len(used) == 1
    assert threading.current_thread() not in used


class Watched:
    """Stands in for a session; tells on which thread it is closed, and what its runs are told."""

    def __init__(self):
        self.closed_by = []
        self.graphs = []

    def make(self):
        watched = self

        class Session:
            def run(self, _outputs, inputs, options):
                watched.graphs.append(options and options.get_run_config_entry(GRAPH_ID))
                return [np.zeros((len(inputs[IMAGES]), 3), np.float32)]

            def __del__(self):
                watched.closed_by.append(threading.current_thread())

        return Session()


def test_the_thread_that_ran_a_session_closes_it():
    lane, watched = Lane(), Watched()
    bound = Bound(session=watched.make(), lane=lane)
    del bound
    gc.collect()
    (thread,) = {lane.call(threading.current_thread)}
    assert watched.closed_by == [thread]


def test_what_is_let_go_is_closed_when_the_lane_is_tidied():
    lane, watched = Lane(), Watched()
    bound = Bound(session=watched.make(), lane=lane)
    thread = lane.call(threading.current_thread)
    del bound
    gc.collect()
    assert not watched.closed_by
    lane.tidy()
    assert lane.call(threading.current_thread) is thread
    assert watched.closed_by == [thread]


def test_objects_may_be_destroyed_while_their_lane_is_given_something():
    lane = Lane()
    with lane._thread._shutdown_lock:  # as the collector may begin anywhere, in `submit` too
        lane.let_go([object()])


@pytest.mark.parametrize(("has_graphs", "expected"), [(True, NO_GRAPH), (False, None)])
def test_plain_runs_of_a_session_with_graphs_are_not_captured(draw, has_graphs, expected):
    watched = Watched()
    bound = Bound(session=watched.make(), lane=Lane(), has_graphs=has_graphs)
    rows_of(bound, draw(2))
    assert watched.graphs == [expected]


def test_each_slot_is_a_graph_of_its_own(bind):
    slots = bind(1, 2, 4).slots
    told = {count: one.options.get_run_config_entry(GRAPH_ID) for count, one in slots.items()}
    assert told == {1: "1", 2: "2", 4: "4"}
    assert NO_GRAPH not in told.values()
    assert run_options("7").get_run_config_entry(GRAPH_ID) == "7"


@pytest.fixture
def break_slots(monkeypatch):
    def break_slots(error):
        def run(*_):
            raise error

        monkeypatch.setattr(Slot, "run", run)

    return break_slots


FAULTS = (
    RuntimeError("CUDA error: out of memory"),
    onnxruntime.capi.onnxruntime_pybind11_state.EPFail("CUDA failure 700"),
)


@pytest.mark.parametrize("error", FAULTS)
def test_after_a_run_on_buffers_failed_all_are_plain(bind, draw, break_slots, caplog, error):
    bound, images = bind(2, is_tried=True), draw(2)
    expected = rows_of(bound, images)
    break_slots(error)
    with caplog.at_level(logging.WARNING, "zoo.serving.bound"):
        for _ in range(3):
            assert np.array_equal(rows_of(bound, images), expected)
    (line,) = caplog.messages
    assert str(error) in line
    assert (bound.slots, bound.way) == ({}, PLAIN_RUN)


def test_what_fails_while_it_is_tried_is_told(bind, draw, break_slots):
    bound = bind(2)
    break_slots(FAULTS[0])
    with pytest.raises(RuntimeError, match="out of memory"):
        rows_of(bound, draw(2))
