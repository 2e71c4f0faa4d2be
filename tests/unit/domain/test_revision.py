"""Names, addresses and the ids of revisions."""

import hashlib
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.revision import (
    MAIN,
    File,
    Revision,
    check_file_path,
    check_model_name,
    check_ref_name,
    derive_name,
    is_plain,
    revision_id,
    split_address,
)
from zoo.errors import BadName

FILES = st.lists(
    st.builds(
        File,
        path=st.text(min_size=1, max_size=8),
        digest=st.text("0123456789abcdef", min_size=64, max_size=64),
        size_bytes=st.integers(0, 2**40),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda file: file.path,
)


def make_file(path="a", digest="0" * 64, size_bytes=1):
    return File(path=path, digest=digest, size_bytes=size_bytes)


def make_revision(*files):
    return Revision(
        model="caffe/net",
        id="0" * 40,
        files=files,
        message="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@given(files=FILES, data=st.data())
def test_the_order_of_files_does_not_change_the_id(files, data):
    assert revision_id(data.draw(st.permutations(files))) == revision_id(files)


@pytest.mark.parametrize(
    "other", [make_file(path="b"), make_file(digest="1" * 64), make_file(size_bytes=2)]
)
def test_any_change_of_a_file_changes_the_id(other):
    assert revision_id([other]) != revision_id([make_file()])


def test_an_id_is_the_hash_of_the_manifest():
    manifest = b'[["a","%s",1]]' % (b"0" * 64)
    assert revision_id([make_file()]) == hashlib.sha256(manifest).hexdigest()[:40]


def test_a_revision_knows_its_size_address_and_files():
    revision = make_revision(make_file("a"), make_file("b", size_bytes=2))
    assert revision.size_bytes == 3
    assert revision.address == f"caffe/net@{'0' * 40}"
    assert revision.find_file("b") is revision.files[1]
    assert revision.find_file("c") is None


@pytest.mark.parametrize(
    "name", ["a", "LeNet-5", "caffe/alexnet", "a_b", "v1.0", "0", "x" * 96, f"{'x' * 96}/y"]
)
def test_a_model_may_be_called_so(name):
    assert check_model_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b/c",
        "/a",
        "a/",
        ".a",
        "-a",
        "a-",
        "a.",
        "a--b",
        "a..b",
        "../a",
        "a.git",
        "a b",
        "a\n",
        "a\x00",
        "é",
        "a\udcff",
        "x" * 97,
        "a:b",
        "a@b",
    ],
)
def test_a_model_may_not_be_called_so(name):
    with pytest.raises(BadName):
        check_model_name(name)


@pytest.mark.parametrize("word", ["revisions", "predict", "files"])
def test_a_word_of_an_address_is_no_second_part_of_a_name(word):
    assert check_model_name(word) == word
    assert check_model_name(f"{word}/net") == f"{word}/net"
    with pytest.raises(BadName, match="something else over REST") as caught:
        check_model_name(f"net/{word}")
    assert word in caught.value.hint


@pytest.mark.parametrize("name", ["main", "v1.0", "release/2026+1", "0" * 39, "a" * 128])
def test_a_ref_may_be_called_so(name):
    assert check_ref_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "a..b", "a//b", "/a", "a b", "a\n", "é", "a" * 129, "0123456789" * 4, "a:b"]
)
def test_a_ref_may_not_be_called_so(name):
    with pytest.raises(BadName):
        check_ref_name(name)


@pytest.mark.parametrize("path", ["a", "a/b.c", ".hidden", "Größe/模型.txt", "a b", "a:b/c:d"[2:]])
def test_a_file_may_lie_there(path):
    assert check_file_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        ".",
        "C:/a",
        "a\\b",
        "a\nb",
        "a\x00",
        "a\x7f",
        "a\u202eb",
        "a\udcff",
        "a" * 1025,
    ],
)
def test_a_file_may_not_lie_there(path):
    with pytest.raises(BadName) as caught:
        check_file_path(path)
    assert "relative" in caught.value.hint


@given(path=st.text(st.characters(codec=None), max_size=12))
def test_no_path_that_passes_leaves_its_folder_or_hides_a_control_character(path):
    try:
        check_file_path(path)
    except BadName:
        return
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert not any(unicodedata.category(letter).startswith("C") for letter in path)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("net", ("net", MAIN)),
        ("net:", ("net", MAIN)),
        ("net:v1.0", ("net", "v1.0")),
        ("caffe/net@012345", ("caffe/net", "012345")),
        (f"net@{'0' * 40}", ("net", "0" * 40)),
    ],
)
def test_an_address_is_a_model_and_a_ref_or_revision(address, parts):
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", ":main", "a b", "net:a b", "net@\x00", "net:v1@x"])
def test_a_malformed_address_is_refused(address):
    with pytest.raises(BadName):
        split_address(address)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ants-bees", "ants-bees"),
        ("ants - bees", "ants-bees"),
        ("Ameisen & Bienen (2026)", "Ameisen-Bienen-2026"),
        ("..a..b..", "a.b"),
        ("flowers.git", "flowers"),
        ("模型", "other"),
        ("", "other"),
    ],
)
def test_a_name_is_made_of_any_text(text, name):
    assert derive_name(text, otherwise="other") == name


@given(text=st.text(max_size=120) | st.text("a.-_git ", max_size=120))
def test_a_name_made_of_text_is_always_well_formed(text):
    assert is_plain(derive_name(text, otherwise="other"))


@given(name=st.from_regex(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*", fullmatch=True).filter(is_plain))
def test_a_good_name_stays_as_it_is(name):
    assert derive_name(name, otherwise="other") == name
