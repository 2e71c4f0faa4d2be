"""Pictures are plain files: what else lies at a path is refused, and waited for by nobody."""

import os
import socket
from pathlib import Path

import pytest

from zoo.errors import MalformedArchive, UnreadablePicture
from zoo.images.decode import decode
from zoo.images.file import open_plain
from zoo.images.folder import read_folder
from zoo.images.member import Limits
from zoo.images.source import open_pictures

LIMITS = Limits(total_bytes=10**6, member_bytes=10**6)


@pytest.fixture(params=["fifo", "socket", "device"])
def odd(request, tmp_path, monkeypatch):
    """A path at which no plain file lies."""
    if request.param == "device":
        yield tmp_path / "/dev/zero"
    elif request.param == "fifo":
        os.mkfifo(tmp_path / "odd.jpg")
        yield tmp_path / "odd.jpg"
    else:
        monkeypatch.chdir(tmp_path)  # A socket's name has to be short.
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("odd.jpg")
            yield tmp_path / "odd.jpg"


@pytest.mark.timeout(60)
def test_a_picture_that_is_no_plain_file_is_refused(odd):
    with pytest.raises(UnreadablePicture, match=r"a: not a plain file\."):
        decode(odd, name="a", max_pixels=10)


@pytest.mark.timeout(60)
def test_a_dataset_that_is_no_plain_file_is_refused(odd):
    refused = pytest.raises(MalformedArchive, match="a: neither a folder nor a plain file")
    with refused, open_pictures(odd, limits=LIMITS, name="a"):
        pass


@pytest.mark.timeout(60)
def test_a_file_that_became_a_fifo_is_refused(tmp_path):
    path = tmp_path / "1.jpg"
    path.write_bytes(b"1")
    (member,) = read_folder(tmp_path, LIMITS).members
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UnreadablePicture, match=r"1\.jpg: not a plain file"):
        member.read()


@pytest.mark.timeout(60)
def test_what_is_exchanged_between_looking_and_opening_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "1.jpg"
    os.mkfifo(path)
    told = Path(__file__).stat()
    monkeypatch.setattr(type(path), "stat", lambda _path: told)
    with pytest.raises(OSError, match="not a plain file"):
        open_plain(path)


def test_a_link_to_a_plain_file_is_read(tmp_path):
    (tmp_path / "link").symlink_to(__file__)
    with open_plain(tmp_path / "link") as file:
        assert file.read(3) == b'"""'
