"""Which pictures are meant: files as they are named, folders and patterns by endings, lists."""

import os
from pathlib import Path

import pytest

from zoo.errors import PathNotFound
from zoo.images.chosen import choose_pictures, read_list


@pytest.fixture
def album(tmp_path):
    for name in (
        "b.jpg",
        "a.PNG",
        "notes.txt",
        ".hidden.jpg",
        "deep/er/c.webp",
        "__MACOSX/b.jpg",
        "deep/Thumbs.db",
        "empty/notes.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(chosen, album):
    return [path.relative_to(album).as_posix() for path in chosen.paths]


def test_a_folder_means_the_pictures_of_any_depth_by_their_paths(album):
    chosen = choose_pictures([str(album)])
    assert names(chosen, album) == ["a.PNG", "b.jpg", "deep/er/c.webp"]
    assert chosen.passed_over == 2


def test_a_named_file_is_taken_whatever_it_is_called_and_wherever_it_is(album):
    given = [str(album / name) for name in ("notes.txt", "nowhere.jpg", ".hidden.jpg", "b.jpg")]
    assert choose_pictures(given).paths == tuple(map(type(album), given))


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["b.jpg"]),
        ("**/*", ["a.PNG", "b.jpg", "deep/er/c.webp", "__MACOSX/b.jpg"]),
        ("deep/*/c.webp", ["deep/er/c.webp"]),
        ("[ab].*", ["a.PNG", "b.jpg"]),
    ],
)
def test_a_pattern_means_what_it_matches(album, pattern, found):
    assert sorted(names(choose_pictures([str(album / pattern)]), album)) == sorted(found)


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(album):
    odd = album / "x[1].jpg"
    odd.touch()
    assert choose_pictures([str(odd)]).paths == (odd,)


def test_the_order_of_what_is_given_is_kept(album):
    given = [str(album / "b.jpg"), str(album / "deep"), str(album / "a.PNG")]
    assert names(choose_pictures(given), album) == ["b.jpg", "deep/er/c.webp", "a.PNG"]


@pytest.mark.parametrize("nothing", ["empty", "*.gif", "nowhere/**/*.jpg"])
def test_a_folder_or_pattern_without_a_picture_is_said(album, nothing):
    with pytest.raises(PathNotFound, match="picture"):
        choose_pictures([str(album / nothing)])


def test_links_to_folders_are_not_followed(album):
    (album / "deep" / "again").symlink_to(album, target_is_directory=True)
    assert names(choose_pictures([str(album / "deep")]), album) == ["deep/er/c.webp"]


def test_a_pattern_takes_each_file_once_also_through_links_that_lead_back(album):
    (album / "deep" / "again").symlink_to(album, target_is_directory=True)
    (album / "same.jpg").symlink_to(album / "b.jpg")
    found = names(choose_pictures([str(album / "**" / "[a-z]*.[jw]*")]), album)
    assert len(found) == len({(album / one).parent.resolve() / Path(one).name for one in found})
    assert {"b.jpg", "deep/er/c.webp", "same.jpg"} <= set(found)
    assert found == sorted(found, key=Path)


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"a.jpg\r\n\r\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"a\nb.jpg\0c.jpg\0", ["a\nb.jpg", "c.jpg"]),
        (b"caf\xe9.jpg\n", [os.fsdecode(b"caf\xe9.jpg")]),
        (b"", []),
    ],
)
def test_a_list_is_of_lines_or_ended_by_nuls(data, paths):
    assert read_list(data) == paths
