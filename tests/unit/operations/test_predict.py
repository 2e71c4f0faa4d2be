"""Predicting: each picture gets the best classes, by the graph of the revision asked."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from zoo.domain.access import ANONYMOUS
from zoo.domain.config import GRAPH
from zoo.domain.preprocessing import Preprocessing, Resize
from zoo.errors import (
    BadRequest,
    DeadlinePassed,
    ModelNotFound,
    NotReady,
    NotRunnable,
    PathNotFound,
    TooLarge,
    UnreadablePicture,
)
from zoo.operations import predict as predicting
from zoo.operations.fetch import get_revision
from zoo.operations.models import set_private
from zoo.operations.predict import infer, open_service, predict, rank
from zoo.serving.asking import Terms
from zoo.serving.figures import Reason

LABELS = ("red", "green", "blue")
PREPROCESSING = Preprocessing(resize=Resize.SQUASH, resize_px=2, crop_px=(2, 2))


def make_graph(most=255):
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
            numpy_helper.from_array(np.array(most, np.float32), "most"),
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


def make_images(*colours):
    return np.array(colours, np.uint8).reshape(-1, 1, 1, 3).repeat(2, 1).repeat(2, 2)


def test_prepared_pictures_are_inferred(zoo, colours):
    service = open_service(zoo)
    found = infer(zoo, service, "colours", make_images((255, 0, 0), (0, 51, 0)))
    assert found.probabilities == pytest.approx(np.array([[1, 0, 0], [0, 0.2, 0]]))
    assert (found.model, found.labels) == (colours.address, LABELS)
    tally = service.figures.read()["colours", colours.id]
    assert (tally.success.count, tally.inferences, tally.executions) == (1, 2, 1)
    assert (tally.pending, tally.failures) == (0, {})
    assert tally.batches[2].count == 1
    assert tally.success.total_ns >= tally.infer.total_ns > 0


@pytest.mark.usefixtures("colours")
def test_more_pictures_than_one_run_holds_are_answered_in_their_order(zoo):
    images = make_images(*[(number, 0, 0) for number in range(50)])
    found = infer(zoo, open_service(zoo), "colours", images)
    assert found.probabilities[:, 0] * 255 == pytest.approx(np.arange(50))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 3, 2, 3), np.uint8),
        np.zeros((1, 2, 2, 4), np.uint8),
        np.zeros((0, 2, 2, 3), np.uint8),
        np.zeros((2, 2, 3), np.uint8),
        np.zeros((1, 2, 2, 3), np.float32),
    ],
)
def test_pictures_of_another_form_are_refused_and_counted(zoo, colours, images):
    service = open_service(zoo)
    with pytest.raises(BadRequest, match="uint8 of N x 2 x 2 x 3"):
        infer(zoo, service, "colours", images)
    tally = service.figures.read()["colours", colours.id]
    assert tally.failures[Reason.OTHER].count == 1
    assert tally.pending == 0


def test_what_is_refused_or_late_is_counted_as_such(zoo, colours):
    service = open_service(zoo)
    with pytest.raises(DeadlinePassed):
        infer(zoo, service, "colours", make_images((1, 2, 3)), terms=Terms(deadline_s=-1))
    with pytest.raises(TooLarge):
        infer(zoo, service, "colours", np.zeros((1025, 2, 2, 3), np.uint8))
    service.close()
    with pytest.raises(NotReady):
        infer(zoo, service, "colours", make_images((1, 2, 3)))
    failures = service.figures.read()["colours", colours.id].failures
    assert {reason: one.count for reason, one in failures.items()} == {Reason.REJECTED: 3}


def test_an_answer_that_is_no_number_is_counted_and_the_next_is_answered(zoo, published):
    published("colours", files={GRAPH: make_graph(most=0)})
    service = open_service(zoo)
    for _ in range(2):
        with pytest.raises(NotRunnable, match="no numbers"):
            infer(zoo, service, "colours", make_images((0, 0, 0)))
    assert list(service.figures.read()) == []  # it fails while it is warmed, before any request


def test_a_name_follows_its_revision(zoo, published):
    service = open_service(zoo)
    images = make_images((51, 0, 0))
    for most, said in ((255, 0.2), (510, 0.1), (255, 0.2)):
        revision = published("colours", files={GRAPH: make_graph(most=most)})
        deadline = time.monotonic() + 60
        while (found := infer(zoo, service, "colours", images)).model != revision.address:
            assert time.monotonic() < deadline
        assert found.probabilities[0, 0] == pytest.approx(said)


@pytest.mark.usefixtures("colours")
def test_what_was_found_is_known_until_the_catalog_changes(zoo, published, monkeypatch):
    service, looked = open_service(zoo), []
    monkeypatch.setattr(predicting, "get_revision", lambda *a: looked.append(1) or get_revision(*a))
    images = make_images((1, 2, 3))
    for _ in range(5):
        infer(zoo, service, "colours", images)
    assert len(looked) == 1
    published("another")
    infer(zoo, service, "colours", images)
    assert len(looked) == 2


def test_what_one_caller_found_is_not_known_to_another(zoo, published):
    published("own/colours", files={GRAPH: make_graph()})
    set_private(zoo, "own/colours", is_private=True)
    service, images = open_service(zoo), make_images((1, 2, 3))
    infer(zoo, service, "own/colours", images)
    with pytest.raises(ModelNotFound):
        infer(replace(zoo, caller=ANONYMOUS), service, "own/colours", images)


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=1, max_size=12),
    st.one_of(st.none(), st.integers(0, 14)),
)
def test_the_best_are_those_of_all_in_order(probabilities, top):
    labels = tuple(map(str, range(len(probabilities))))
    best = rank(np.array(probabilities, np.float32), labels, top)
    in_order = sorted(range(len(probabilities)), key=lambda place: -probabilities[place])
    assert [score.index for score in best] == in_order[:top]
