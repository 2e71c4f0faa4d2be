"""Many pictures: in their order, in bounded memory, the unreadable ones answered too."""

import threading

import numpy as np
import pytest
from PIL import Image

from zoo.domain.prediction import Answered, Asked
from zoo.domain.preprocessing import Preprocessing, Resize
from zoo.errors import NotRunnable, PathNotFound, UnreadablePicture
from zoo.operations.bulk import AHEAD, in_chunks, in_order, predict_many, refuse_unreadable
from zoo.serving.predictor import CPU, CUDA, Predictor

LABELS = ("red", "green", "blue")
PREPROCESSING = Preprocessing(resize=Resize.SQUASH, resize_px=2, crop_px=(2, 2))


class Session:
    """Answers how much of each colour a picture has, and notes how many came at once."""

    def __init__(self, fault=None):
        self.sizes, self.fault = [], fault

    def run(self, _outputs, inputs):
        images = inputs["images"]
        self.sizes.append(len(images))
        return [np.full((len(images), 3), self.fault)] if self.fault else [images[:, 0, 0] / 255]


def make_predictor(provider=CPU, **more):
    return Predictor(
        session=Session(**more), labels=LABELS, preprocessing=PREPROCESSING, provider=provider
    )


@pytest.fixture
def asked(tmp_path):
    """A function that writes pictures whose red tells their number, and asks about them."""

    def write(count, *, broken=(), missing=()):
        for number in range(count):
            path = tmp_path / f"{number}.png"
            if number in broken:
                path.write_bytes(b"no picture")
            elif number not in missing:
                Image.new("RGB", (3, 3), (number, 0, 0)).save(path)
        return [Asked(name=f"{one}", path=tmp_path / f"{one}.png") for one in range(count)]

    return write


def numbers(answers):
    return [round(answer.scores[0].probability * 255) for answer in answers]


@pytest.mark.parametrize("provider", [CPU, CUDA])
@pytest.mark.parametrize("count", [0, 1, 8, 77])
def test_answers_come_in_the_order_of_the_pictures(asked, provider, count):
    predictor = make_predictor(provider)
    answers = list(predict_many(predictor, asked(count), top=1, max_pixels=99))
    assert [answer.asked.name for answer in answers] == [str(one) for one in range(count)]
    assert numbers(answers) == list(range(count))
    assert {answer.provider for answer in answers} <= {provider}


def test_pictures_run_alone_on_a_cpu_and_together_on_a_gpu(asked):
    for provider, most in ((CPU, 1), (CUDA, 32)):
        predictor = make_predictor(provider)
        list(predict_many(predictor, asked(40), top=1, max_pixels=99))
        assert max(predictor.session.sizes) == most
        assert sum(predictor.session.sizes) == 40


@pytest.mark.parametrize("provider", [CPU, CUDA])
def test_unreadable_pictures_are_answered_in_their_place(asked, provider):
    given = asked(20, broken={0, 7}, missing={19})
    answers = list(predict_many(make_predictor(provider), given, top=1, max_pixels=99))
    errors = {int(one.asked.name): type(one.error) for one in answers if one.error}
    assert errors == {0: UnreadablePicture, 7: UnreadablePicture, 19: PathNotFound}
    assert numbers(one for one in answers if not one.error) == [
        one for one in range(20) if one not in {0, 7, 19}
    ]


def test_a_chunk_of_nothing_but_unreadable_pictures_is_no_fault(asked):
    answers = list(
        predict_many(make_predictor(CUDA), asked(3, broken={0, 1, 2}), top=1, max_pixels=99)
    )
    assert [bool(one.error) for one in answers] == [True] * 3


def test_a_graph_that_fails_ends_it(asked):
    with pytest.raises(NotRunnable, match="infinite"):
        list(predict_many(make_predictor(fault=np.nan), asked(3), top=1, max_pixels=99))


def test_the_strict_end_at_the_first_unreadable_picture(asked):
    given = asked(9, broken={4, 6})
    answers = refuse_unreadable(predict_many(make_predictor(), given, top=1, max_pixels=99))
    assert [next(answers).asked.name for _ in range(4)] == ["0", "1", "2", "3"]
    with pytest.raises(UnreadablePicture, match=r"^4: "):
        next(answers)


def test_few_items_are_taken_before_the_first_is_given():
    taken = []
    results = in_order((taken.append(one) or one for one in range(100)), str, threads=2)
    assert next(results) == "0"
    assert len(taken) <= AHEAD * 2
    assert list(results) == [str(one) for one in range(1, 100)]


def test_a_slow_item_holds_its_place():
    others = threading.Event()

    def work(one):
        if one == 0:
            assert others.wait(10)
        if one == 1:
            others.set()
        return one

    assert list(in_order(range(6), work, threads=2)) == list(range(6))


def test_whoever_stops_asking_ends_the_work():
    done = []
    results = in_order(range(1000), done.append, threads=2)
    next(results)
    results.close()
    count = len(done)
    assert count <= AHEAD * 2 + 2
    assert not [one for one in threading.enumerate() if one.name.startswith("bulk")]


def test_chunks_are_full_but_for_the_last():
    assert list(in_chunks(range(5), 2)) == [(0, 1), (2, 3), (4,)]
    assert list(in_chunks([], 2)) == []


def test_an_answer_without_scores_is_one_with_a_reason(asked):
    (one,) = predict_many(make_predictor(), asked(1, missing={0}), top=1, max_pixels=99)
    assert isinstance(one, Answered)
    assert (one.scores, one.provider) == ((), "")
