"""Folder, zip and tar of the same pictures give the same; what is neither is named."""

import tarfile
import zipfile

import pytest

from zoo.errors import MalformedArchive, PathNotFound
from zoo.images.member import Limits
from zoo.images.source import open_pictures

LIMITS = Limits(total_bytes=1000, member_bytes=100)
FILES = {"ants/1.jpg": b"one", "bees/2.jpg": b"two", "readme.md": b""}


@pytest.fixture(params=["folder", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def pictures(request, tmp_path):
    folder = tmp_path / "pictures"
    for path, data in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    if request.param == "folder":
        return folder
    packed = tmp_path / "packed"  # its name tells nothing
    if request.param == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
    else:
        with tarfile.open(packed, f"w:{request.param[4:]}") as archive:
            archive.add(folder, arcname=".")
    return packed


def test_every_source_gives_the_same_files(pictures):
    with open_pictures(pictures, limits=LIMITS) as source:
        assert {member.path: member.read() for member in source.members} == FILES
        assert {member.path: member.size_bytes for member in source.members} == {
            path: len(data) for path, data in FILES.items()
        }
        assert source.name == str(pictures)
        assert source.skipped == ()


def test_a_member_can_be_read_again_and_in_any_order(pictures):
    with open_pictures(pictures, limits=LIMITS) as source:
        first, *_, last = source.members
        assert [last.read(), first.read(), first.read()] == [
            FILES[last.path],
            FILES[first.path],
            FILES[first.path],
        ]


def test_an_error_of_the_reader_is_not_taken_for_a_fault_of_the_source(pictures):
    def fail():
        with open_pictures(pictures, limits=LIMITS):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()


@pytest.mark.parametrize("name", ["absent", "x" * 5000, "a\0b"])
def test_a_path_where_nothing_is_is_not_found(tmp_path, name):
    with pytest.raises(PathNotFound), open_pictures(tmp_path / name, limits=LIMITS):
        pass


def test_a_plain_file_is_no_source(tmp_path):
    path = tmp_path / "a.zip"
    path.write_text("just some words")
    with (
        pytest.raises(MalformedArchive, match=r"a\.zip: it is neither a zip nor a tar"),
        open_pictures(path, limits=LIMITS),
    ):
        pass
