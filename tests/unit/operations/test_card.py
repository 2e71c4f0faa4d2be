"""Cards: front matter that machines read, prose that tells the numbers."""

import pytest
import yaml

from zoo.domain.preprocessing import Channels, Preprocessing, Resize
from zoo.operations.card import tell_preprocessing, write_card


def test_a_card_is_front_matter_and_prose():
    text = write_card({"license": "mit", "tags": ["a"]}, "Net", ["One.", " ", "Two.\n"])
    _, matter, prose = text.split("---\n")
    assert yaml.safe_load(matter) == {"license": "mit", "tags": ["a"]}
    assert prose == "\n# Net\n\nOne.\n\nTwo.\n"


def test_front_matter_without_a_value_is_left_out_and_false_and_zero_are_values():
    front = {"a": None, "b": [], "c": {}, "d": "", "e": False, "f": 0}
    assert yaml.safe_load(write_card(front, "Net", []).split("---\n")[1]) == {"e": False, "f": 0}


def test_labels_of_any_language_and_form_are_read_back():
    labels = ["蚁", "no", "1e3", "a: b", "x" * 300, "---"]
    matter = write_card({"labels": labels}, "Net", []).split("---\n", 1)[1].rsplit("\n---\n")[0]
    assert yaml.safe_load(matter)["labels"] == labels


@pytest.mark.parametrize(
    ("preprocessing", "words"),
    [
        ({}, ["the shorter side is resized to 256", "middle 224 x 224", "RGB"]),
        ({"resize": Resize.SQUASH}, ["256 pixels a side, whatever its shape"]),
        ({"channels": Channels.BGR, "scale": 1.0}, ["BGR", "(x * 1 - "]),
        ({"mean": (104.0, 117.0, 123.0)}, ["- (104, 117, 123)"]),
        ({"mean": (0.5, 0.5, 0.5), "std": (1.0, 1.0, 1.0)}, ["- 0.5) / 1."]),
        ({"mean_tensor": "mean"}, ["- the mean image)"]),
        ({"source": "given at the import"}, ["Known from: given at the import."]),
    ],
)
def test_preprocessing_is_told_in_words(preprocessing, words):
    told = tell_preprocessing(Preprocessing(**preprocessing))
    assert [word for word in words if word not in told] == []
