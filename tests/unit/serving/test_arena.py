"""The memory of runs: measured, bounded, and given back."""

import gc

import numpy as np
import pytest
from onnx import TensorProto, helper

from zoo.errors import TooLarge
from zoo.serving import arena as arenas
from zoo.serving.arena import Watched, opening_arena
from zoo.serving.memory import used_bytes
from zoo.serving.predictor import Opening, open_bare, run_session

MIB = 2**20


def make_graph():
    """Make a graph that gives as many zeros as it is told."""
    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["shape"], ["zeros"])],
        "zeros",
        [helper.make_tensor_value_info("shape", TensorProto.INT64, [1])],
        [helper.make_empty_tensor_value_info("zeros")],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def open_watched(most_bytes):
    with opening_arena(most_bytes) as arena:
        session = open_bare(make_graph(), Opening(device="cpu", is_in_arena=True))
    return Watched(session, arena)


@pytest.fixture
def watched():
    return open_watched(200 * MIB)


def fill(watched, mib):
    """Have a run take so much, and let go of it."""
    (zeros,) = run_session(watched, ["zeros"], {"shape": np.array([mib * MIB // 4])})
    assert zeros.nbytes == mib * MIB


def test_what_runs_add_is_measured(watched):
    assert watched.arena.added_bytes == 0
    fill(watched, 1)
    small = watched.arena.added_bytes
    assert MIB <= small <= 8 * MIB
    fill(watched, 100)
    assert 100 * MIB <= watched.arena.added_bytes <= 200 * MIB
    fill(watched, 1)
    assert watched.arena.added_bytes >= 100 * MIB
    watched.arena.shrink()
    assert watched.arena.added_bytes < MIB


def test_what_other_sessions_take_is_not_mixed_in(watched):
    other = open_watched(500 * MIB)
    fill(other, 300)
    fill(watched, 1)
    assert watched.arena.size_bytes <= 8 * MIB
    assert other.arena.size_bytes >= 300 * MIB


def test_a_run_that_needs_more_than_the_bound_is_refused_and_the_next_runs(watched):
    with pytest.raises(TooLarge, match="more memory") as refused:
        fill(watched, 300)
    assert "ZOO_RUN_BYTES" in refused.value.hint
    assert "onnxruntime_src" not in str(refused.value)
    fill(watched, 1)
    with pytest.raises(TooLarge):
        run_session(watched, ["zeros"], {"shape": np.array([2**40])})
    fill(watched, 150)


def test_what_earlier_runs_left_does_not_stand_in_the_way_of_a_larger_one(watched):
    fill(watched, 80)
    fill(watched, 150)  # Neither is it in what is there, nor beside it.


def test_an_arena_that_long_needed_far_less_is_shrunk(watched, monkeypatch):
    monkeypatch.setattr(arenas, "CALM_RUNS", 5)
    fill(watched, 100)
    for _ in range(4):
        fill(watched, 1)
    assert watched.arena.size_bytes >= 100 * MIB
    fill(watched, 40)  # is not far less, so the counting begins anew
    for _ in range(5):
        fill(watched, 1)
    assert watched.arena.size_bytes >= 100 * MIB
    fill(watched, 1)
    assert watched.arena.size_bytes <= 8 * MIB
    fill(watched, 100)
    assert watched.arena.size_bytes >= 100 * MIB


def test_a_small_arena_is_left_as_it_is(watched, monkeypatch):
    monkeypatch.setattr(arenas, "CALM_RUNS", 2)
    fill(watched, 20)
    grown = watched.arena.size_bytes
    for _ in range(5):
        fill(watched, 1)
    assert watched.arena.size_bytes == grown


def test_what_runs_take_whose_inputs_and_outputs_are_small_is_seen_a_little_later(
    watched, monkeypatch
):
    fill(watched, 1)
    before = watched.arena.size_bytes
    watched.session.run(["zeros"], {"shape": np.array([20 * MIB])})  # which nobody watches
    fill(watched, 1)
    fill(watched, 1)
    monkeypatch.setattr(watched, "_look_s", 0.0)
    fill(watched, 1)
    assert watched.arena.size_bytes >= before + 80 * MIB


def test_an_arena_goes_with_its_sessions():
    before = used_bytes()
    watched = open_watched(200 * MIB)
    fill(watched, 150)
    assert used_bytes() - before > 100 * MIB
    del watched
    gc.collect()
    assert used_bytes() - before < 20 * MIB
