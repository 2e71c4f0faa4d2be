"""Predicting: each picture gets the best classes, by the graph of the revision asked."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from zoo.domain.config import GRAPH
from zoo.domain.preprocessing import Preprocessing, Resize
from zoo.errors import ModelNotFound, NotRunnable, PathNotFound, UnreadablePicture
from zoo.operations.predict import open_service, predict

LABELS = ("red", "green", "blue")
PREPROCESSING = Preprocessing(resize=Resize.SQUASH, resize_px=2, crop_px=(2, 2))


def make_graph():
    """Make a graph whose answer is how much of each colour a picture has."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
            helper.make_node("Div", ["means", "most"], ["probabilities"]),
        ],
        "colours",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 2, 2, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [
            numpy_helper.from_array(np.array([1, 2]), "axes"),
            numpy_helper.from_array(np.array(255, np.float32), "most"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    carried = {"labels": list(LABELS), "preprocessing": PREPROCESSING.as_json()}
    helper.set_model_props(
        model, {f"zoo.{key}": json.dumps(value) for key, value in carried.items()}
    )
    return model.SerializeToString()


@pytest.fixture
def colours(published):
    return published("colours", files={GRAPH: make_graph()})


@pytest.fixture
def picture(tmp_path):
    def picture(*colour):
        path = tmp_path / "picture.png"
        Image.new("RGB", (5, 7), colour).save(path)
        return path

    return picture


def ask(zoo, picture, **more):
    return next(predict(zoo, open_service(zoo), "colours", [("p", picture)], **more))


def test_the_best_classes_come_first(zoo, colours, picture):
    answer = ask(zoo, picture(51, 255, 0))
    assert [(score.label, score.index) for score in answer.scores] == [
        ("green", 1),
        ("red", 0),
        ("blue", 2),
    ]
    assert [score.probability for score in answer.scores] == pytest.approx([1.0, 0.2, 0.0])
    assert (answer.picture, answer.model) == ("p", colours.address)
    assert answer.provider == "CPUExecutionProvider"


@pytest.mark.usefixtures("colours")
def test_only_so_many_are_told(zoo, picture):
    assert [score.label for score in ask(zoo, picture(1, 2, 3), top=2).scores] == ["blue", "green"]


@pytest.mark.usefixtures("colours")
def test_of_equal_classes_the_first_comes_first(zoo, picture):
    assert [score.index for score in ask(zoo, picture(9, 9, 9)).scores] == [0, 1, 2]


@pytest.mark.usefixtures("colours")
def test_a_picture_may_be_bytes(zoo, picture):
    path = picture(0, 0, 9)
    assert ask(zoo, path.read_bytes()).scores == ask(zoo, path).scores


@pytest.mark.usefixtures("colours")
def test_pictures_are_read_one_after_the_other(zoo, picture):
    path = picture(0, 0, 9)
    answers = predict(zoo, open_service(zoo), "colours", [("good", path), ("bad", b"no picture")])
    assert next(answers).picture == "good"
    with pytest.raises(UnreadablePicture, match="bad"):
        next(answers)


@pytest.mark.usefixtures("colours")
def test_a_picture_that_is_not_there_is_said(zoo, tmp_path):
    with pytest.raises(PathNotFound):
        ask(zoo, tmp_path / "nowhere.png")


def test_a_model_without_a_graph_is_not_runnable(zoo, published):
    published("colours")
    with pytest.raises(NotRunnable, match=r"has no model\.onnx"):
        ask(zoo, b"")


def test_an_unknown_model_is_not_found(zoo):
    with pytest.raises(ModelNotFound):
        ask(zoo, b"")


@pytest.mark.usefixtures("colours")
def test_a_predictor_is_opened_once(zoo, picture):
    service = open_service(zoo)
    path = picture(1, 2, 3)
    for _ in range(2):
        list(predict(zoo, service, "colours", [("p", path)]))
    assert len(service.shelf._places) == 1
    assert service.shelf.most_bytes == zoo.settings.served_bytes
