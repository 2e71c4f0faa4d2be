"""What jobs need, and what a machine has left."""

import pytest

from zoo.domain.job import JobKind
from zoo.domain.resources import USUAL, Needs, Room, Share
from zoo.domain.retries import POLICIES, RetryPolicy, is_transient
from zoo.errors import CatalogUnavailable, NoHead, StorageFull, StoreUnavailable

ROOM = Room(slots=4, threads=8, memory_bytes=1000, gpus=(0, 1, 2))


@pytest.mark.parametrize("table", [USUAL, POLICIES], ids=["resources", "retries"])
def test_every_kind_has_its_row(table):
    assert set(table) == set(JobKind)


def test_what_runs_is_taken_off():
    left = ROOM.beside(
        [
            Share(threads=2, memory_bytes=300, gpus=(1,)),
            Share(threads=1, memory_bytes=100),
        ]
    )
    assert left == Room(slots=2, threads=5, memory_bytes=600, gpus=(0, 2))


@pytest.mark.parametrize("kind", JobKind)
def test_as_many_usual_jobs_fit_as_there_are_slots(kind):
    taken = []
    for _ in range(ROOM.slots):
        left, usual = ROOM.beside(taken), ROOM.usual(kind)
        assert usual.threads <= left.threads
        assert usual.memory_bytes <= left.memory_bytes
        taken.append(Share(threads=usual.threads, memory_bytes=usual.memory_bytes))


def test_a_share_is_written_down_and_read_again():
    share = Share(threads=2, memory_bytes=300, gpus=(1, 2))
    assert Share.from_json(share.as_json()) == share


def test_pauses_double_up_to_a_longest_one():
    policy = RetryPolicy(first_pause_s=5, longest_pause_s=30)
    assert [policy.pause_s(retries) for retries in range(5)] == [5, 10, 20, 30, 30]


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (CatalogUnavailable(), True),
        (StoreUnavailable(), True),
        (StorageFull(), True),
        (NoHead(), False),
    ],
    ids=str,
)
def test_what_a_job_stands_on_may_come_back(error, may_pass):
    assert is_transient(error) is may_pass


@pytest.mark.parametrize(
    ("needs", "lacking"),
    [
        (Needs(), ()),
        (Needs(threads=8, memory_bytes=1000, gpus=3), ()),
        (Needs(threads=9), ("9 threads, of which it has 8",)),
        (
            Needs(memory_bytes=2000, gpus=4),
            ("2,000 bytes of memory, of which it has 1,000", "4 GPUs, of which it has 3"),
        ),
    ],
)
def test_what_a_machine_can_never_give_is_named(needs, lacking):
    assert ROOM.find_lacking(needs) == lacking


def test_a_machine_without_gpus_does_jobs_that_ask_for_some():
    assert Room(slots=1, threads=1, memory_bytes=1).find_lacking(Needs(gpus=8)) == ()
