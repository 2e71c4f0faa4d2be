"""Paths that users give: what is no plain file is refused, not waited for."""

import os
import socket
from pathlib import Path

import pytest

from zoo.errors import Invalid, PathNotFound
from zoo.operations.import_ import list_package
from zoo.operations.paths import check_path
from zoo.operations.scrub import Fault, repair_with


def make_fifo(path):
    os.mkfifo(path)
    return path


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
    return path


KINDS = {"fifo": make_fifo, "socket": make_socket, "device": lambda _path: Path("/dev/zero")}


@pytest.fixture(params=KINDS)
def odd(request, tmp_path):
    """The path of something that is no plain file and no folder."""
    return KINDS[request.param](tmp_path / "odd.onnx")


def repair_from(path):
    return repair_with([Fault(subject="0" * 64, reason="missing")], [path], lambda *_: None)


@pytest.mark.parametrize("read", [check_path, list_package, repair_from])
def test_what_is_no_plain_file_is_refused(odd, read):
    with pytest.raises(Invalid, match="neither a folder nor a plain file") as caught:
        read(odd)
    assert caught.value.detail == {"path": str(odd)}


@pytest.mark.parametrize("read", [check_path, list_package, repair_from])
def test_where_nothing_is_nothing_is_found(tmp_path, read):
    with pytest.raises(PathNotFound):
        read(tmp_path / "nothing")


def test_files_folders_and_links_to_them_are_taken(tmp_path):
    file = tmp_path / "file"
    file.touch()
    link = tmp_path / "link"
    link.symlink_to(file)
    for path in (file, tmp_path, link):
        check_path(path)


def test_a_fifo_among_the_files_of_a_package_is_passed_over(tmp_path):
    (tmp_path / "net.onnx").touch()
    make_fifo(tmp_path / "more.onnx")
    assert list(list_package(tmp_path)) == ["net.onnx"]
