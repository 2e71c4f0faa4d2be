import pytest

from zoo.errors import MalformedCard
from zoo.formats.labels import check_labels, read_labels


def test_labels_stand_one_a_line():
    assert read_labels("ant\n\n bee \n") == ("ant", "bee")


def test_wordnet_ids_are_not_part_of_labels():
    text = "n01440764 tench, Tinca tinca\nn01443537  goldfish\n"
    assert read_labels(text) == ("tench, Tinca tinca", "goldfish")


def test_wordnet_ids_alone_are_labels():
    assert read_labels("n01440764\nn01443537") == ("n01440764", "n01443537")


def test_equal_labels_are_told_apart_by_their_ids_or_indices():
    text = "n02012849 crane\nn03126707 crane\nn01443537 goldfish"
    assert read_labels(text) == ("crane (n02012849)", "crane (n03126707)", "goldfish")
    assert read_labels("a\nb\na") == ("a (0)", "b", "a (2)")


def test_a_list_of_names_and_numbers_is_taken():
    assert check_labels(["ant", 5, 1.5], name="readme.md") == ("ant", "5", "1.5")


@pytest.mark.parametrize("value", [None, [], "ant", {"a": 1}, [True], [["a"]]])
def test_anything_else_is_refused(value):
    with pytest.raises(MalformedCard, match=r"readme\.md: label"):
        check_labels(value, name="readme.md")
