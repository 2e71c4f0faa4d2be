"""A cache of files stays within its bound."""

import os

import pytest

from zoo.training.eviction import evict


@pytest.fixture
def folder(tmp_path):
    """Four files of ten bytes in two folders, used one after the other."""
    for number in range(4):
        path = tmp_path / f"body{number % 2}" / f"{number}.npz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"0123456789")
        os.utime(path, (number, number))
    (tmp_path / "body0" / "new.part").write_bytes(b"is being written")
    return tmp_path


def left(folder):
    return sorted(path.name for path in folder.rglob("*.npz"))


def test_what_was_not_used_for_longest_goes_first(folder):
    assert evict(folder, 25) == 2
    assert left(folder) == ["2.npz", "3.npz"]
    assert (folder / "body0" / "new.part").exists()


def test_what_fits_stays(folder):
    assert evict(folder, 40) == 0
    assert len(left(folder)) == 4


def test_a_cache_may_be_forbidden(folder):
    assert evict(folder, 0) == 4
    assert evict(folder / "none", 0) == 0
