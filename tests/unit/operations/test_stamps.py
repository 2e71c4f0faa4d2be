"""Folders that are added again: only what changed is read."""

import os

import pytest

from zoo.operations import datasets
from zoo.operations.datasets import add_dataset


@pytest.fixture
def settled(monkeypatch):
    """Files that were just written count as settled."""
    monkeypatch.setattr("zoo.images.folder.UNSETTLED_NS", 0)


@pytest.fixture
def read(monkeypatch):
    """The names of the files that were read, as they are."""
    names, decode = [], datasets.decode

    def noted(data, *, name, **how):
        names.append(name)
        return decode(data, name=name, **how)

    monkeypatch.setattr(datasets, "decode", noted)
    return names


@pytest.mark.usefixtures("settled")
def test_a_folder_that_is_the_same_is_not_read_again(zoo, insects, read):
    folder = insects(ant=5, bee=5)
    (folder / "ant" / "notes.txt").write_text("Do not forget the bees.")
    first = add_dataset(zoo, folder)
    assert len(read) == 11
    read.clear()
    told = []
    again = add_dataset(zoo, folder, report=lambda *far: told.append(far))
    assert again == first
    assert read == ["ant/notes.txt"]
    assert told[-1] == (11, 11)


def test_a_file_that_was_written_this_moment_is_read_again(zoo, insects, read):
    folder = insects(ant=5, bee=5)
    add_dataset(zoo, folder)
    add_dataset(zoo, folder)
    assert len(read) == 20


@pytest.mark.usefixtures("settled")
def test_a_file_of_another_content_is_read_though_size_and_time_are_the_same(zoo, insects, read):
    folder = insects(ant=5, bee=5)
    first = add_dataset(zoo, folder)
    changed = min((folder / "ant").iterdir())
    told, data = changed.stat(), bytearray(changed.read_bytes())
    data[-1] ^= 1
    changed.write_bytes(data)
    os.utime(changed, ns=(told.st_atime_ns, told.st_mtime_ns))
    read.clear()
    again = add_dataset(zoo, folder)
    assert read == [f"ant/{changed.name}"]
    assert changed.stat().st_mtime_ns == told.st_mtime_ns
    was_there = {picture.digest for picture in first.pictures}
    now = [one for one in (*again.pictures, *again.skipped) if one.path == f"ant/{changed.name}"]
    assert len(now) == 1
    assert getattr(now[0], "digest", None) not in was_there


@pytest.mark.usefixtures("settled")
def test_a_picture_that_left_the_store_comes_back(zoo, insects, read):
    folder = insects(ant=5, bee=5)
    first = add_dataset(zoo, folder)
    lost = first.pictures[3]
    zoo.blobs.delete(lost.digest)
    read.clear()
    assert add_dataset(zoo, folder) == first
    assert read == [lost.path]
    assert zoo.blobs.has(lost.digest)


@pytest.mark.usefixtures("settled")
def test_under_another_name_all_is_read(zoo, insects, read):
    folder = insects(ant=5, bee=5)
    add_dataset(zoo, folder)
    read.clear()
    add_dataset(zoo, folder, name="others")
    assert len(read) == 10


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("text", ["", "[]", '{"version": 1, "files": [["ant"]]}'])
def test_what_is_remembered_and_damaged_is_not_needed(zoo, insects, read, text):
    folder = insects(ant=5, bee=5)
    first = add_dataset(zoo, folder)
    (kept,) = (zoo.settings.home / "cache" / "folders").iterdir()
    kept.write_text(text)
    read.clear()
    assert add_dataset(zoo, folder) == first
    assert len(read) == 10
