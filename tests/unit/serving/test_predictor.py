"""A predictor runs the zoo's graphs as they say they want to be run, and no others."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from zoo.errors import NotRunnable, Unsupported
from zoo.serving import predictor
from zoo.serving.predictor import CPU, CUDA, open_predictor


def make_pictures(*colours):
    return np.stack([np.full((2, 2, 3), colour, np.uint8) for colour in colours])


@pytest.fixture(autouse=True)
def _no_driver(monkeypatch):
    """Be on a machine without a GPU."""
    monkeypatch.setattr(predictor, "NVIDIA_DRIVER", Path("nowhere"))


@pytest.mark.parametrize("form", ["bytes", "file"])
def test_a_graph_is_opened_with_what_it_carries(graph, preprocessing, tmp_path, form):
    (tmp_path / "model.onnx").write_bytes(graph())
    opened = open_predictor(graph() if form == "bytes" else tmp_path / "model.onnx")
    assert opened.labels == ("red", "green", "blue")
    assert opened.preprocessing == preprocessing
    assert opened.provider == CPU


def test_each_picture_gets_its_probabilities(graph):
    answers = open_predictor(graph()).predict(make_pictures((9, 0, 0), (0, 0, 9), (4, 4, 4)))
    assert answers.dtype == np.float32
    assert answers.shape == (3, 3)
    assert answers[:2].argmax(axis=1).tolist() == [0, 2]
    assert answers[2] == pytest.approx([1 / 3] * 3)


def test_a_predictor_may_be_used_by_many_threads(graph):
    opened = open_predictor(graph())
    pictures = [make_pictures((number, 0, 100)) for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(opened.predict, pictures))
    assert np.array_equal(together, [opened.predict(picture) for picture in pictures])


@pytest.mark.parametrize("data", [b"", b"garbage", bytes(100), b"\x08\x0a"])
def test_what_is_no_graph_is_not_runnable(data):
    with pytest.raises(NotRunnable, match="does not take the graph"):
        open_predictor(data)


def test_a_graph_that_is_cut_short_is_not_runnable(graph):
    whole = graph()
    with pytest.raises(NotRunnable):
        open_predictor(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("NoSuchOperator", ["images"], ["probabilities"])],
        [helper.make_node("Softmax", ["nothing"], ["probabilities"])],
        [helper.make_node("Softmax", ["images"], ["probabilities"])],
        [helper.make_node("Softmax", ["images"], ["probabilities"], domain="of.another")],
    ],
)
def test_a_graph_that_cannot_be_run_is_not_runnable(graph, nodes):
    with pytest.raises(NotRunnable):
        open_predictor(graph(nodes=nodes))


@pytest.mark.parametrize("missing", ["zoo.labels", "zoo.preprocessing"])
def test_a_graph_of_others_is_not_runnable(graph, ours, missing):
    del ours[missing]
    with pytest.raises(NotRunnable, match="does not say how"):
        open_predictor(graph(metadata=ours))


@pytest.mark.parametrize(
    "wrong",
    [
        {"zoo.labels": "{"},
        {"zoo.labels": "3"},
        {"zoo.preprocessing": "[]"},
        {"zoo.preprocessing": "{}"},
        {"zoo.preprocessing": json.dumps({"resize": "melt"})},
    ],
)
def test_a_graph_with_metadata_that_cannot_be_read_is_not_runnable(graph, ours, wrong):
    with pytest.raises(NotRunnable, match="does not say how"):
        open_predictor(graph(metadata=ours | wrong))


def test_cuda_that_did_not_come_up_is_said(graph, monkeypatch):
    # A session falls back to the CPU with no more than a line of log.
    monkeypatch.setattr(predictor, "_providers", lambda *_: [CPU])
    with pytest.raises(Unsupported, match=CPU):
        open_predictor(graph(), device="cuda")


class Runtime:
    """ONNX Runtime, as far as the choice of providers goes."""

    def __init__(self):
        self.preloaded = 0

    def preload_dlls(self):
        self.preloaded += 1


@pytest.mark.parametrize(
    ("device", "driver", "providers"),
    [
        ("cpu", ".", [CPU]),
        ("auto", "nowhere", [CPU]),
        ("auto", ".", [CUDA, CPU]),
        ("cuda", "nowhere", [CUDA, CPU]),
    ],
)
def test_cuda_is_asked_for_where_a_driver_is_or_it_was_wished_for(
    monkeypatch, device, driver, providers
):
    monkeypatch.setattr(predictor, "NVIDIA_DRIVER", Path(driver))
    runtime = Runtime()
    assert predictor._providers(device, runtime) == providers
    assert runtime.preloaded == (CUDA in providers)
