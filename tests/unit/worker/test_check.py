"""Holding an accuracy against what is claimed."""

import pytest

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.errors import Invalid
from zoo.training.metrics import wilson
from zoo.worker.check import is_suspicious, match_classes, other_feedings

CAFFE = Preprocessing(
    channels=Channels.BGR, scale=1.0, mean=(104.0, 117.0, 123.0), std=(1.0, 1.0, 1.0)
)


@pytest.mark.parametrize(
    ("right", "claimed", "expected"),
    [(57, 0.57, False), (48, 0.57, False), (30, 0.57, True), (80, None, True), (99, None, False)],
)
def test_a_result_is_suspicious_below_its_claim_or_without_one(right, claimed, expected):
    assert is_suspicious(wilson(right, 100), claimed) is expected


def test_classes_are_matched_by_name_and_synonym():
    labels = ("tench, Tinca tinca", "goldfish", "great_white shark")
    found, by_order = match_classes(["Goldfish", "tinca tinca", "great white_shark"], labels)
    assert found == {"Goldfish": 1, "tinca tinca": 0, "great white_shark": 2}
    assert not by_order


def test_classes_of_other_names_are_matched_by_order_where_the_counts_agree():
    assert match_classes(["a", "b"], ["0", "1"]) == ({"a": 0, "b": 1}, True)


def test_classes_that_cannot_be_matched_are_named():
    with pytest.raises(Invalid, match="no output for 1 of the dataset's 2 classes: bee") as caught:
        match_classes(["ant", "bee"], ["ant", "cat", "dog"])
    assert "--labels" in caught.value.hint


def test_the_other_order_takes_its_mean_along():
    other = dict(other_feedings(CAFFE))["channels RGB"]
    assert other.channels is Channels.RGB
    assert other.mean == (123.0, 117.0, 104.0)


def test_other_scales_are_tried_with_their_mean_and_never_the_same_one():
    scaled = dict(other_feedings(CAFFE))
    assert "scale 1" not in scaled
    assert scaled["scale 0.017"].mean == pytest.approx((104 * 0.017, 117 * 0.017, 123 * 0.017))
    assert len(scaled) == 7


def test_a_gray_network_has_no_other_order():
    gray = Preprocessing(channels=Channels.GRAY, scale=1 / 255, mean=(0.0,), std=(1.0,))
    assert all(other.channels is Channels.GRAY for _, other in other_feedings(gray))
