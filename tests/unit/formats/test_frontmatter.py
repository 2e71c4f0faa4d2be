import json

import pytest

from zoo.errors import MalformedCard
from zoo.formats.frontmatter import read_front_matter


def read(text):
    return read_front_matter(text, name="readme.md")


def test_front_matter_stands_between_two_lines_of_dashes():
    text = "\n---\nname: LeNet\nlabels: [a, b]\n---\n\nProse.\n---\nmore"
    assert read(text) == ({"name": "LeNet", "labels": ["a", "b"]}, "Prose.\n---\nmore")


def test_empty_front_matter_says_nothing():
    assert read("---\n---\nProse.") == ({}, "Prose.")
    assert read("") == ({}, "")


def test_leading_pairs_stand_for_front_matter():
    text = (
        "##Information\n\nname: VGG 16\ncaffemodel: VGG_16\n\ngist_id: ab\n## On\nNote: x\nname: y"
    )
    front_matter, prose = read(text)
    assert front_matter == {"name": "VGG 16", "caffemodel": "VGG_16", "gist_id": "ab"}
    assert prose == text


def test_prose_alone_says_nothing():
    assert read("This net: good.\nname: x") == ({}, "This net: good.\nname: x")


@pytest.mark.parametrize("sha1", ["0" * 40, "12345678901234567890" * 2, "ab" * 20, "1e" * 20])
def test_a_checksum_is_text_even_of_digits_alone(sha1):
    assert read(f"---\nsha1: {sha1}\nyear: 2014\n---")[0] == {"sha1": sha1, "year": 2014}


def test_values_with_colons_need_no_quotes():
    front_matter, _ = read("---\nname: CIFAR: full\nsha1: 00\n---")
    assert front_matter == {"name": "CIFAR: full", "sha1": "00"}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("---\nname: x", 1, "second line '---' is missing"),
        ("---\nname: [x\n---", 3, "expected ',' or ']'"),
        ("---\nname: x\n\tlabels: y: z\n---", 3, "cannot start any token"),
        ("---\n- a\n---", 2, "should be lines of 'key: value'"),
        ("---\na: &x [1]\nb: *x\n---", 2, "aliases"),
        ("---\na: " + "[" * 900 + "]" * 900 + "\n---", 2, "it is not YAML"),
        ("---\na: " + "[" * 1001 + "]" * 1001 + "\n---", 2, "too many brackets"),
        ("---\na: " + "b" * 300_000 + "\n---", 2, "over 262144 characters"),
        ("---\na: 2020-99-99\nb: [\n---", 4, "the front matter cannot be read"),
    ],
)
def test_front_matter_that_is_not_yaml_is_refused_with_its_line(text, line, reason):
    with pytest.raises(MalformedCard) as caught:
        read(text)
    assert reason in str(caught.value)
    assert str(caught.value).startswith("readme.md, line ")
    assert abs(caught.value.detail["line"] - line) <= 1


@pytest.mark.parametrize(
    ("text", "front"),
    [
        ("meta:\n  2020-01-01: {1: x}", {"meta": {"2020-01-01": {"1": "x"}}}),
        ('license: "\\uD800"\ntags: ["\\uDC00x"]', {"license": "?", "tags": ["?x"]}),
        ('"\\uD800": {"\\uD800": a}', {"?": {"?": "a"}}),
        ("a: !!set {b}", {"a": ["b"]}),
        (f"a: 0x{'f' * 9000}", {"a": f"0x{'f' * 9000}"}),
        (f"? 0x{'f' * 9000}\n: b", {f"0x{'f' * 9000}": "b"}),
    ],
    ids=[
        "keys",
        "half letters",
        "half letters as keys",
        "a set",
        "a long number",
        "a long number as a key",
    ],
)
def test_what_is_read_can_be_told(text, front):
    found, _ = read(f"---\n{text}\n---")
    assert found == front
    json.dumps(found, ensure_ascii=False).encode()
