"""A predictor runs the zoo's graphs as they say they want to be run, and no others."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

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


@pytest.mark.parametrize("data", [b"", b"garbage", bytes(100), b"\x08\x0a"], ids=repr)
@pytest.mark.parametrize("form", ["bytes", "file"])
def test_what_is_no_graph_is_not_runnable(tmp_path, data, form):
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(NotRunnable, match=r"does not take the graph|no ONNX file"):
        open_predictor(data if form == "bytes" else tmp_path / "model.onnx")


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
        {"zoo.labels": '"red"'},
        {"zoo.labels": "[1, 2, 3]"},
        {"zoo.labels": "[" * 100_000},
        {"zoo.preprocessing": "[]"},
        {"zoo.preprocessing": "{}"},
        {"zoo.preprocessing": json.dumps({"resize": "melt"})},
    ],
)
def test_a_graph_with_metadata_that_cannot_be_read_is_not_runnable(graph, ours, wrong):
    with pytest.raises(NotRunnable, match="does not say how"):
        open_predictor(graph(metadata=ours | wrong))


@pytest.mark.parametrize(
    "other",
    [
        {"images": ("pictures", TensorProto.UINT8, ["n", 2, 2, 3])},
        {"images": ("images", TensorProto.FLOAT, ["n", 2, 2, 3])},
        {"images": ("images", TensorProto.UINT8, ["n", 2, 2])},
        {"images": ("images", TensorProto.UINT8, ["n", 3, 2, 2])},
        {"images": ("images", TensorProto.UINT8, ["n", 2, 4, 3])},
        {"images": ("images", TensorProto.UINT8, [5, 2, 2, 3])},
        {"probabilities": ("scores", TensorProto.FLOAT, ["n", 3])},
        {"probabilities": ("probabilities", TensorProto.DOUBLE, ["n", 3])},
        {"probabilities": ("probabilities", TensorProto.FLOAT, ["n", 3, 1])},
        {"probabilities": ("probabilities", TensorProto.FLOAT, ["n", 4])},
    ],
    ids=str,
)
def test_a_graph_of_another_form_is_not_runnable(ends, other):
    with pytest.raises(NotRunnable, match="should be"):
        open_predictor(ends(**other))


def test_a_graph_with_a_second_input_is_not_runnable(ends):
    more = ("more", TensorProto.FLOAT, ["n"])
    with pytest.raises(NotRunnable, match="'more'"):
        open_predictor(ends(more=more))


def test_sides_of_pictures_that_a_graph_leaves_open_fit(ends):
    images = ("images", TensorProto.UINT8, ["n", "height", "width", "channels"])
    assert open_predictor(ends(images=images)).labels == ("red", "green", "blue")


OPEN = [
    helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
    helper.make_node("ReduceMean", ["floats", "axes"], ["scores"], keepdims=0),
    helper.make_node("Constant", [], ["kept"], value=numpy_helper.from_array(np.ones(3, np.bool_))),
    # How many are kept is known only when it runs.
    helper.make_node("Compress", ["scores", "kept"], ["probabilities"], axis=1),
]


@pytest.mark.parametrize("labels", [["red", "green", "blue"], ["red", "green"]], ids=len)
def test_a_count_of_classes_that_a_graph_leaves_open_is_checked_when_it_runs(graph, ours, labels):
    metadata = ours | {"zoo.labels": json.dumps(labels)}
    opened = open_predictor(graph(nodes=OPEN, metadata=metadata, shape=["n", "classes"]))
    if len(labels) == 3:
        assert opened.predict(make_pictures((1, 2, 3))).tolist() == [[1, 2, 3]]
        return
    with pytest.raises(NotRunnable, match=r"\(1, 3\), not \(1, 2\)"):
        opened.predict(make_pictures((1, 2, 3)))


def test_a_graph_that_fails_on_a_picture_is_not_runnable(graph):
    with pytest.raises(NotRunnable, match="cannot run the graph"):
        open_predictor(graph()).predict(np.zeros((1, 4, 4, 3), np.uint8))


def test_probabilities_that_are_no_numbers_are_not_given(graph):
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["scores"], keepdims=0),
        helper.make_node("Log", ["scores"], ["probabilities"]),
    ]
    with pytest.raises(NotRunnable, match="infinite or no numbers"):
        open_predictor(graph(nodes=nodes)).predict(make_pictures((0, 1, 2)))


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
