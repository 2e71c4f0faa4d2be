"""What a machine has for jobs: what is set, or what its cgroup allows."""

import pytest

from zoo.operations import room
from zoo.operations.room import count_gpus, count_memory, count_threads, find_room
from zoo.serving.cores import count_cores
from zoo.settings import read_settings


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(room, "GPUS", tmp_path / "gpus")


@pytest.fixture
def limits(monkeypatch, tmp_path):
    """A function that writes what a cgroup says of memory, in the new and the old form."""

    def write(new=None, old=None):
        for name, told in (("MEMORY_V2", new), ("MEMORY_V1", old)):
            path = tmp_path / name
            if told is not None:
                path.write_text(told)
            monkeypatch.setattr(room, name, path)

    return write


def test_what_is_set_counts():
    found = find_room(
        read_settings(worker_slots=3, worker_threads=5, worker_memory_bytes=7, worker_gpus=2)
    )
    assert (found.slots, found.threads, found.memory_bytes, found.gpus) == (3, 5, 7, (0, 1))


def test_what_is_not_set_is_measured():
    found = find_room(read_settings())
    assert (found.slots, found.threads) == (1, count_cores())
    assert found.memory_bytes == count_memory()
    assert found.gpus == ()


def test_more_slots_than_cores_share_them():
    assert find_room(read_settings(worker_slots=1000)).threads == 1000


@pytest.mark.parametrize(
    ("new", "old", "found"),
    [("1000\n", None, 1000), (None, "2000\n", 2000), ("max\n", None, None), (None, None, None)],
)
def test_a_cgroup_bounds_the_memory(limits, new, old, found):
    limits()
    every = count_memory()
    limits(new, old)
    assert count_memory() == (found or every)


def test_gpus_are_those_of_the_driver_or_those_that_may_be_seen(tmp_path, monkeypatch):
    (tmp_path / "gpus" / "0000:17:00.0").mkdir(parents=True)
    (tmp_path / "gpus" / "0000:65:00.0").mkdir()
    assert count_gpus() == 2
    assert find_room(read_settings()).gpus == (0, 1)
    assert find_room(read_settings(device="cpu")).gpus == ()
    for visible, count in (("1", 1), ("", 0), ("0, 1,", 2)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert count_gpus() == count


@pytest.mark.parametrize(("told", "bound"), [("1", 1), ("0", None), ("many", None), ("9999", None)])
def test_openmp_may_be_told_to_do_with_fewer_threads(monkeypatch, told, bound):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert count_threads() == (bound or count_cores())
