"""What is advised: the scenario's strategy, its own classes, or nothing."""

import pytest

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.training.level import Level
from zoo.training.quadrant import Quadrant, Size
from zoo.worker.arms import list_arms

PICTURES = tuple(
    Picture(path=f"{split}{n}", label="ab"[n % 2], split=split, digest=f"{split}{n}", size_bytes=1)
    for split in (Split.TRAIN, Split.VAL)
    for n in range(4)
)
DATASET = Dataset(name="d", classes=("a", "b"), pictures=PICTURES)


def advise(*, tap="fire2", size=Size.SMALL, is_similar=False, is_borrowed=False):
    quadrant = Quadrant(
        size=size, is_similar=is_similar, tap=tap, twin_gain=0.0, known_share=None, because=()
    )
    weighed = Level(accuracy=0.9, standard_error=0.1, balanced_accuracy=0.7, balanced_error=0.1)
    return list_arms(
        quadrant,
        ("model", "data"),
        DATASET,
        best=weighed if tap else None,
        zero_shot=Level(accuracy=0.8, standard_error=0.1),
        is_borrowed=is_borrowed,
        pass_s=0.01,
    )


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({}, "zoo finetune model data --layer fire2"),
        ({"is_borrowed": True}, "zoo finetune model data --strategy zero-shot"),
        ({"is_borrowed": True, "tap": None}, "zoo finetune model data --strategy zero-shot"),
        ({"is_borrowed": True, "size": Size.LARGE}, "zoo finetune model data --strategy lp-ft"),
        ({"tap": None, "size": Size.MEDIUM}, "zoo finetune model data --strategy full"),
    ],
)
def test_a_command_is_advised(given, command):
    arms, advised = advise(**given)
    assert advised["command"] == command
    assert advised in arms


def test_where_a_probe_would_guess_nothing_is_advised():
    arms, advised = advise(tap=None)
    assert advised is None
    assert {arm["accuracy"] for arm in arms} == {None, 0.8}


def test_measured_arms_tell_what_they_are_judged_by():
    arms, advised = advise()
    assert (advised["accuracy"], advised["balanced_accuracy"]) == (0.9, 0.7)
    assert all("balanced_accuracy" not in arm for arm in arms if arm is not advised)
