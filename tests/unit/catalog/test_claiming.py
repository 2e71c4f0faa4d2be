"""Which job is next: by priority, then fairly between accounts, then by what fits."""

from collections import Counter

import pytest

from zoo.catalog.attempts import Outcome, end_attempt
from zoo.catalog.claiming import MOST_PASSED, Claimant, choose_job, claim_job
from zoo.catalog.jobs import add_job, get_job
from zoo.catalog.tables import AttemptRow
from zoo.domain.job import JobKind, JobState
from zoo.domain.resources import Needs, Room

LEASE_S = 60
GIB = 2**30
BACK = Outcome(state=JobState.QUEUED)
DONE = Outcome(state=JobState.SUCCEEDED, result={})
LARGE = Room(slots=8, threads=8, memory_bytes=32 * GIB)


@pytest.fixture
def add(db, clock):
    """Queue a job of an account; give its number."""

    def add(account="ada", **more):
        return add_job(db, JobKind.IMPORT, {}, account=account, now=clock(), **more).id

    return add


@pytest.fixture
def claim(db, clock):
    """Take the next job."""

    def claim(room=None, machine="here"):
        return claim_job(
            db,
            Claimant(worker=f"{machine}:home:1", room=room),
            now=clock(),
            reading=clock.reading(),
            lease_s=LEASE_S,
        )

    return claim


@pytest.fixture
def finish(db, clock):
    return lambda attempt: end_attempt(db, attempt, DONE, now=clock())


def account_of(db, attempt):
    return get_job(db, attempt.job).account


def share_of(db, attempt):
    return db.get(AttemptRow, (attempt.job, attempt.number)).share


def test_the_higher_priority_comes_first_whoever_asked_and_when(add, claim):
    numbers = [add(priority=priority) for priority in (0, -5, 7, 0)]
    order = [claim().job for _ in numbers]
    assert order == [numbers[2], numbers[0], numbers[3], numbers[1]]


def test_the_account_with_the_fewest_running_jobs_comes_first(add, claim, db):
    for account in ("ada", "ada", "ada", "bob", "cleo", "bob"):
        add(account)
    assert [account_of(db, claim()) for _ in range(6)] == [
        "ada",
        "bob",
        "cleo",
        "ada",
        "bob",
        "ada",
    ]


def test_of_accounts_with_as_many_the_one_served_longest_ago_comes_first(add, claim, finish, db):
    for account in ("ada", "bob", "cleo"):
        for _ in range(3):
            add(account)
    served = []
    for _ in range(9):  # one at a time, as one slot does
        attempt = claim()
        served.append(account_of(db, attempt))
        finish(attempt)
    assert served == ["ada", "bob", "cleo"] * 3


def test_who_comes_later_is_not_kept_waiting_by_a_long_queue(add, claim, finish, db):
    for _ in range(20):
        add("ada")
    for _ in range(5):
        finish(claim())
    add("bob")
    assert account_of(db, claim()) == "bob"


def test_turns_do_not_depend_on_a_clock(add, claim, finish, db, clock):
    for account in ("ada", "bob"):
        for _ in range(3):
            add(account)
    served = []
    for _ in range(6):
        clock.forward(-3600)
        attempt = claim()
        served.append(account_of(db, attempt))
        finish(attempt)
    assert served == ["ada", "bob"] * 3


def test_of_one_account_the_oldest_job_comes_first(add, claim):
    numbers = [add() for _ in range(3)]
    assert [claim().job for _ in numbers] == numbers


def test_no_more_jobs_run_on_a_machine_than_it_has_slots(add, claim, finish):
    for _ in range(4):
        add()
    room = Room(slots=2, threads=8, memory_bytes=8 * GIB)
    first = claim(room)
    assert claim(room) is not None
    assert claim(room) is None
    assert claim(room, machine="there") is not None
    finish(first)
    assert claim(room) is not None


def test_a_machine_without_slots_takes_nothing(add, claim):
    add()
    assert claim(Room(slots=0, threads=8, memory_bytes=8 * GIB)) is None


@pytest.mark.parametrize(
    "needs",
    [Needs(threads=5), Needs(memory_bytes=20 * GIB)],
    ids=["threads", "memory"],
)
def test_a_job_is_taken_only_where_it_fits_beside_the_others(add, claim, finish, needs):
    for _ in range(2):
        add(needs=needs)
    first = claim(LARGE)
    assert claim(LARGE) is None
    finish(first)
    assert claim(LARGE) is not None


def test_a_job_is_told_what_it_was_given(add, claim, db):
    add(needs=Needs(threads=3, memory_bytes=GIB))
    assert share_of(db, claim(LARGE)) == {"threads": 3, "memory_bytes": GIB, "gpus": []}


def test_a_job_that_asks_for_nothing_takes_a_slots_part_at_most(add, claim, db):
    add()
    room = Room(slots=2, threads=6, memory_bytes=GIB)
    assert share_of(db, claim(room)) == {
        "threads": 3,
        "memory_bytes": GIB // 2,
        "gpus": [],
    }


def test_no_two_jobs_are_given_the_same_gpu(add, claim, finish, db):
    for gpus in (None, 2, None):
        add(needs=Needs(gpus=gpus))
    room = Room(slots=4, threads=8, memory_bytes=32 * GIB, gpus=(0, 1, 2))
    one, two = claim(room), claim(room)
    assert [share_of(db, each)["gpus"] for each in (one, two)] == [[0], [1, 2]]
    assert claim(room) is None
    finish(one)
    assert share_of(db, claim(room))["gpus"] == [0]


def test_a_machine_without_gpus_does_all_jobs_without(add, claim, db):
    add(needs=Needs(gpus=2))
    assert share_of(db, claim(LARGE))["gpus"] == []


def test_a_job_that_no_part_of_the_machine_could_hold_is_left_to_a_larger_one(add, claim):
    wide = add(needs=Needs(threads=16))
    small = add()
    assert claim(LARGE).job == small
    assert claim(LARGE) is None
    assert claim(Room(slots=1, threads=16, memory_bytes=GIB), machine="there").job == wide


def test_a_small_job_may_pass_a_large_one_that_does_not_fit_yet(add, claim, finish):
    running, large, small = (add(needs=Needs(threads=threads)) for threads in (4, 8, 1))
    first = claim(LARGE)
    assert first.job == running
    assert claim(LARGE).job == small
    finish(first)
    assert claim(LARGE) is None  # the small one still runs, and nothing else waits
    assert large > running


def test_a_large_job_is_passed_so_often_and_no_more(add, claim, finish):
    first = add(needs=Needs(threads=1))
    held = claim(LARGE)
    large = add(needs=Needs(threads=8))
    for _ in range(3 * MOST_PASSED):
        add(needs=Needs(threads=1))
    passed = 0
    while (attempt := claim(LARGE)) is not None:
        assert attempt.job != large
        finish(attempt)
        passed += 1
    assert passed == MOST_PASSED
    finish(held)
    assert claim(LARGE).job == large
    assert first < large


def test_what_a_terminal_runs_takes_a_slot(add, claim):
    add()
    add()
    room = Room(slots=1, threads=8, memory_bytes=8 * GIB)
    assert claim() is not None  # without a bound, on the same machine
    assert claim(room) is None


def test_a_lapsed_job_takes_no_room(add, claim, clock):
    number = add(needs=Needs(threads=8))
    claim(LARGE)
    clock.forward(LEASE_S + 1)
    again = claim(LARGE)
    assert (again.job, again.number) == (number, 2)


def test_a_job_that_is_put_off_is_taken_when_it_is_due(db, add, claim, clock):
    add()
    attempt = claim()
    outcome = Outcome(state=JobState.QUEUED, pause_s=20)
    end_attempt(db, attempt, outcome, now=clock(), reading=clock.reading())
    clock.forward(19)
    assert claim() is None
    clock.forward(1)
    assert claim() is not None


def test_nothing_is_chosen_where_nothing_can_be_taken(db, clock):
    assert choose_job(db, Claimant(worker="w", room=LARGE), reading=clock.reading()) is None


def test_many_accounts_are_served_alike(add, claim, finish, db):
    accounts = [f"account {number}" for number in range(5)]
    for account in accounts:
        for _ in range(6):
            add(account)
    room = Room(slots=4, threads=4, memory_bytes=32 * GIB)
    served, running = Counter(dict.fromkeys(accounts, 0)), []
    while True:
        attempt = claim(room)
        if attempt is None and not running:
            break
        if attempt is None:
            finish(running.pop(0))
            continue
        running.append(attempt)
        served[account_of(db, attempt)] += 1
        assert max(served.values()) - min(served.values()) <= 1
    assert set(served.values()) == {6}


def test_a_choice_of_a_moment_ago_is_taken_unless_somebody_was_quicker(db, add, claim, clock):
    first, second = add(), add()
    claimant = Claimant(worker="late:home:1", room=LARGE)
    chosen = choose_job(db, claimant, reading=clock.reading())
    assert chosen.job == first

    def take():
        return claim_job(
            db,
            claimant,
            now=clock(),
            reading=clock.reading(),
            lease_s=LEASE_S,
            choice=chosen,
        )

    assert claim(LARGE).job == first
    assert take().job == second
    assert take() is None


def test_a_choice_whose_room_is_taken_is_not_taken(db, add, claim, clock):
    add(needs=Needs(threads=6))
    add(needs=Needs(threads=6))
    claimant = Claimant(worker="here:home:2", room=LARGE)
    chosen = choose_job(db, claimant, reading=clock.reading(), number=2)
    assert claim(LARGE).job == 1
    assert chosen.job == 2
    late = claim_job(
        db, claimant, now=clock(), reading=clock.reading(), lease_s=LEASE_S, choice=chosen
    )
    assert late is None
