"""Surgeries as recipes write them down."""

import json

import pytest

from zoo.domain.surgery import (
    READERS,
    AttachHead,
    Convolutionalize,
    Cut,
    FoldBatchNorm,
    Pads,
    ReplaceHead,
    read_surgery,
    surgery_as_json,
)
from zoo.errors import Unsupported

ALL = [
    ReplaceHead(at="fc8", classes=2),
    ReplaceHead(at="loss3/classifier", classes=2, also=("loss1/classifier",)),
    AttachHead(taps=("fire8/concat", "codes"), shape=(3, 227, 227), classes=2),
    Convolutionalize(shape=(3, 227, 227)),
    Convolutionalize(shape=(1, 28, 32), pads=Pads.REMOVE, border_px=100),
    Cut(at="relu7"),
    FoldBatchNorm(),
]


@pytest.mark.parametrize("surgery", ALL, ids=repr)
def test_what_is_written_is_read_back(surgery):
    assert read_surgery(json.loads(json.dumps(surgery_as_json(surgery)))) == surgery


def test_every_kind_is_tried_here():
    assert {surgery.kind for surgery in ALL} == set(READERS)


def test_a_surgery_of_a_newer_zoo_is_refused_by_its_name():
    with pytest.raises(Unsupported, match="knows no surgery 'graft', only replace_head"):
        read_surgery({"kind": "graft", "at": "fc8"})


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "cut"},
        {"kind": "attach_head", "taps": [], "shape": [3, 9, 9], "classes": 2},
        {"kind": "attach_head", "taps": "codes", "shape": [3, 9, 9], "classes": 2},
        {"kind": "cut", "at": 3},
        {"kind": "cut", "at": "x", "more": 1},
        {"kind": "convolutionalize", "shape": [3, 227]},
        {"kind": "convolutionalize", "shape": [3, 0, 227]},
        {"kind": "convolutionalize", "shape": [3, 8, 8], "pads": "some"},
        {"kind": "convolutionalize", "shape": [3, 8, 8], "border_px": -1},
        {"kind": "replace_head", "at": "fc", "classes": 2, "also": "fc2"},
        {"at": "fc8"},
        "cut",
    ],
)
def test_a_surgery_that_cannot_be_is_refused(data):
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_surgery(data)
