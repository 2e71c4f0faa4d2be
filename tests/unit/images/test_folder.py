"""Files of a folder: sorted, named, and never from outside it."""

import os

import pytest

from zoo.domain.dataset import Skipped
from zoo.errors import PathNotFound, TooLarge, UnreadablePicture
from zoo.images.folder import read_folder
from zoo.images.layout import arrange
from zoo.images.member import Limits

LIMITS = Limits(total_bytes=100, member_bytes=20)


def make_files(root, **files):
    for path, data in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return root


def test_files_come_sorted_by_path_with_their_bytes(tmp_path):
    make_files(tmp_path, **{"b/1.jpg": b"one", "a/2.jpg": b"two", "a/deep/3.jpg": b"", "c": b"x"})
    source = read_folder(tmp_path, LIMITS)
    assert [(member.path, member.read(), member.size_bytes) for member in source.members] == [
        ("a/2.jpg", b"two", 3),
        ("a/deep/3.jpg", b"", 0),
        ("b/1.jpg", b"one", 3),
        ("c", b"x", 1),
    ]
    assert source.paths == ("a/2.jpg", "a/deep/3.jpg", "b/1.jpg", "c")
    assert source.name == str(tmp_path)


def test_a_file_above_the_limit_is_named_and_the_others_can_be_read(tmp_path):
    make_files(tmp_path, large=bytes(21), small=bytes(20))
    large, small = read_folder(tmp_path, LIMITS).members
    with pytest.raises(TooLarge, match="large: 21 bytes") as caught:
        large.read()
    assert "ZOO_MAX_PICTURE_BYTES" in caught.value.hint
    assert small.read() == bytes(20)


def test_a_file_that_is_gone_is_named(tmp_path):
    make_files(tmp_path, **{"a/1.jpg": b"1"})
    (member,) = read_folder(tmp_path, LIMITS).members
    (tmp_path / "a/1.jpg").unlink()
    with pytest.raises(UnreadablePicture, match=r"a/1\.jpg: No such file") as caught:
        member.read()
    assert caught.value.detail == {"name": "a/1.jpg"}


def test_a_link_to_a_file_inside_is_that_file(tmp_path):
    make_files(tmp_path, **{"a/1.jpg": b"1"})
    (tmp_path / "a/2.jpg").symlink_to("1.jpg")
    assert [member.read() for member in read_folder(tmp_path, LIMITS).members] == [b"1", b"1"]


def test_links_that_lead_elsewhere_are_skipped_with_the_reason(tmp_path):
    root = tmp_path / "root"
    make_files(tmp_path, **{"secret": b"s", "root/a/1.jpg": b"1", "outside/2.jpg": b"2"})
    (root / "a/broken").symlink_to("absent")
    (root / "a/circle").symlink_to("circle")
    (root / "a/out").symlink_to(tmp_path / "secret")
    (root / "b").symlink_to(tmp_path / "outside")
    (root / "c").symlink_to("a")
    source = read_folder(root, LIMITS)
    assert source.paths == ("a/1.jpg",)
    assert source.skipped == (
        Skipped(path="a/broken", reason="a link to nothing"),
        Skipped(path="a/circle", reason="a link to nothing"),
        Skipped(path="a/out", reason="a link that leads out of the folder"),
        Skipped(path="b", reason="a link that leads out of the folder"),
        Skipped(path="c", reason="a link to a folder"),
    )


def test_the_folder_itself_may_be_a_link(tmp_path):
    make_files(tmp_path, **{"real/a/1.jpg": b"1"})
    (tmp_path / "link").symlink_to("real")
    assert read_folder(tmp_path / "link", LIMITS).paths == ("a/1.jpg",)


def test_what_is_no_plain_file_is_skipped_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert read_folder(tmp_path, LIMITS).skipped == (
        Skipped(path="pipe", reason="not a plain file"),
    )


def test_a_name_that_is_not_unicode_is_skipped_and_can_be_shown(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system takes only names in Unicode")
    assert read_folder(tmp_path, LIMITS).skipped == (
        Skipped(path=r"caf\xe9.jpg", reason="its name is not Unicode"),
    )


def test_an_empty_folder_is_told(tmp_path):
    make_files(tmp_path, **{"ants/1.jpg": b"1"})
    (tmp_path / "wasps").mkdir()
    source = read_folder(tmp_path, LIMITS)
    assert [(one.path, one.reason) for one in source.skipped] == [("wasps", "an empty folder")]


def test_a_missing_folder_is_not_found(tmp_path):
    with pytest.raises(PathNotFound, match="No such file"):
        read_folder(tmp_path / "absent", LIMITS)


def test_a_folder_that_cannot_be_listed_is_skipped_with_the_reason(tmp_path, monkeypatch):
    make_files(tmp_path, **{"a/1.jpg": b"1", "b/1.jpg": b"1"})
    listed = os.scandir

    def scandir(path):
        """Refuse one folder, whoever runs the tests: root may list all."""
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    source = read_folder(tmp_path, LIMITS)
    assert source.paths == ("a/1.jpg",)
    assert source.skipped == (
        Skipped(path="b", reason="folder cannot be listed: Permission denied"),
    )


@pytest.mark.data
def test_the_real_ants_and_bees_are_all_found(shared_data):
    source = read_folder(shared_data / "images" / "hymenoptera", LIMITS)
    layout = arrange(source.paths, name=source.name)
    splits = [place.split for place in layout.places.values()]
    assert layout.classes == ("ants", "bees")
    assert (splits.count("train"), splits.count("val")) == (244 + 1, 153)
    assert "train/ants/imageNotFound.gif" in layout.places
    assert source.skipped == layout.skipped == ()
