"""The dispatcher runs what it takes in, in order, and loses none of it."""

import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from zoo.errors import DeadlinePassed, GoneAway, NotReady, NotRunnable, Overloaded, TooLarge
from zoo.serving.dispatcher import Dispatcher
from zoo.serving.pair import Runners
from zoo.serving.predictor import CUDA, Predictor
from zoo.serving.queue import Piece, Queue

KEY = ("model", "revision")


class Session:
    """Answers each picture with its own first number; waits where it is told to."""

    def __init__(self):
        self.runs = []  # the first numbers of each run
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.began = threading.Semaphore(0)
        self.poison = None

    def run(self, _names, feeds):
        (images,) = feeds.values()
        numbers = [int(image[0, 0, 0]) for image in images]
        self.runs.append(numbers)
        self.began.release()
        assert self.goes_on.wait(60)
        answer = np.array([[number] for number in numbers], np.float32)
        answer[[number == self.poison for number in numbers]] = np.nan
        return [answer]


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def predictor(session, preprocessing):
    return Predictor(session=session, labels=("x",), preprocessing=preprocessing, provider="none")


@pytest.fixture
def make_piece(predictor):
    def make_piece(*numbers, **more):
        images = np.zeros((len(numbers), 2, 2, 3), np.uint8)
        images[:] = np.array(numbers).reshape(-1, 1, 1, 1)
        return Piece(**{"predictor": predictor, "images": images, "key": KEY} | more)

    return make_piece


@pytest.fixture
def make_dispatcher():
    made = []

    def make_dispatcher(*, runners=1, pictures=100, size_bytes=2**20, **more):
        queue = Queue(most_pictures=pictures, most_bytes=size_bytes)
        made.append(Dispatcher(runners=Runners(count=runners), queue=queue, **more))
        return made[-1]

    yield make_dispatcher
    for dispatcher in made:
        dispatcher.close()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(64) as pool:
        yield pool


def numbers_of(ran):
    return [int(row[0]) for one in ran for row in one.rows]


class Busy:
    """A dispatcher whose only runner is at work until it is let go."""

    def __init__(self, dispatcher, session, pool, make_piece):
        self.dispatcher, self.session, self.pool, self.make_piece = (
            dispatcher,
            session,
            pool,
            make_piece,
        )
        session.goes_on.clear()
        self.first = pool.submit(dispatcher.run, [make_piece(0)])
        assert session.began.acquire(timeout=60)

    def put(self, *pieces):
        """Have a request wait, and return when it does."""
        before = self.dispatcher.waiting
        asked = self.pool.submit(self.dispatcher.run, pieces)
        while self.dispatcher.waiting == before and not asked.done():
            time.sleep(0.001)
        return asked


@pytest.fixture
def busy(make_dispatcher, session, pool, make_piece):
    yield Busy(make_dispatcher(pictures=20), session, pool, make_piece)
    session.goes_on.set()


def test_every_request_gets_its_own_answer(make_dispatcher, make_piece, pool):
    dispatcher = make_dispatcher(runners=3)

    def ask(number):
        pictures = [number, (number + 1) % 256]
        return numbers_of(dispatcher.run([make_piece(*pictures, most_together=8)])) == pictures

    assert all(pool.map(ask, range(256)))


def test_pieces_of_one_request_come_back_in_their_order(make_dispatcher, make_piece):
    ran = make_dispatcher(runners=3).run([make_piece(7, 8), make_piece(9), make_piece(1)])
    assert numbers_of(ran) == [7, 8, 9, 1]


def test_pieces_of_one_request_run_side_by_side(make_dispatcher, make_piece, session, pool):
    session.goes_on.clear()
    dispatcher = make_dispatcher(runners=2)
    asked = pool.submit(dispatcher.run, [make_piece(number) for number in (1, 2, 3)])
    for _ in range(2):
        assert session.began.acquire(timeout=60)
    assert dispatcher.waiting == 1
    session.goes_on.set()
    assert numbers_of(asked.result(60)) == [1, 2, 3]


def test_a_request_of_one_piece_runs_on_its_own_thread(busy, session, pool):
    threads = set()
    run = session.run
    session.run = lambda *given: threads.add(threading.current_thread()) or run(*given)
    asked = [busy.put(busy.make_piece(number)) for number in range(1, 9)]
    session.goes_on.set()
    for one in asked:
        one.result()
    assert threads <= set(pool._threads)


def test_whoever_gives_up_makes_room_and_the_next_one_runs(busy, session, make_piece):
    late = busy.put(*(make_piece(9, deadline_ns=busy.dispatcher.clock_ns()) for _ in range(3)))
    there = busy.put(make_piece(1))
    with pytest.raises(DeadlinePassed):
        late.result(60)
    session.goes_on.set()
    assert numbers_of(there.result(60)) == [1]
    assert session.runs == [[0], [1]]
    assert (
        busy.dispatcher.waiting == 0 == busy.dispatcher.runners.busy == len(busy.dispatcher._turns)
    )


def test_who_came_first_goes_first(busy, session, make_piece):
    asked = [busy.put(make_piece(number)) for number in range(1, 11)]
    session.goes_on.set()
    for one in asked:
        one.result()
    assert session.runs == [[number] for number in range(11)]


def test_priority_goes_before_and_does_not_last_for_ever(busy, session, make_piece):
    clock = iter(range(0, 10**12, 10**9))  # a second passes between any two looks
    busy.dispatcher.clock_ns = lambda: next(clock)
    asked = [busy.put(make_piece(number, priority=5)) for number in (1, 2)]
    asked += [busy.put(make_piece(3)), busy.put(make_piece(4, priority=-1))]
    clock = iter(range(10**12, 10**13, 10**9))
    asked += [busy.put(make_piece(5))]
    session.goes_on.set()
    for one in asked:
        one.result()
    assert session.runs == [[0], [4], [3], [1], [2], [5]]


def test_what_does_not_fit_is_refused_whole_and_the_rest_is_answered(busy, session, make_piece):
    asked = [busy.put(make_piece(1, 2, 3, 4)) for _ in range(5)]
    with pytest.raises(Overloaded, match="20 pictures wait") as refused:
        busy.dispatcher.run([make_piece(9), make_piece(9)])
    assert refused.value.detail["retry_after_s"] >= 1
    session.goes_on.set()
    assert [numbers_of(one.result()) for one in asked] == [[1, 2, 3, 4]] * 5
    assert busy.dispatcher.waiting == 0
    assert numbers_of(busy.dispatcher.run([make_piece(9)])) == [9]


def test_bytes_are_bounded_too(make_dispatcher, session, pool, make_piece):
    busy = Busy(make_dispatcher(size_bytes=24), session, pool, make_piece)
    waits = busy.put(make_piece(1, 2))
    with pytest.raises(Overloaded):
        busy.dispatcher.run([make_piece(3)])
    session.goes_on.set()
    waits.result()


def test_what_would_never_fit_is_too_large(make_dispatcher, make_piece):
    with pytest.raises(TooLarge, match="3 pictures of 36 bytes"):
        make_dispatcher(pictures=2).run([make_piece(1, 2, 3)])


def test_a_deadline_that_passed_in_the_queue_is_told_and_nothing_is_run(busy, session, make_piece):
    now = busy.dispatcher.clock_ns()
    late = busy.put(make_piece(1, deadline_ns=now))
    with pytest.raises(DeadlinePassed):
        late.result(60)
    assert busy.dispatcher.waiting == 0  # nor does it keep others out
    in_time = busy.put(make_piece(2, deadline_ns=now + 10**12))
    session.goes_on.set()
    assert numbers_of(in_time.result()) == [2]
    assert session.runs == [[0], [2]]


def test_a_deadline_is_looked_at_when_the_turn_has_come(make_dispatcher, make_piece, session):
    for moments in ([20], [0, 20]):  # one that could begin at once, and one that was put in line
        clock = iter(moments)
        dispatcher = make_dispatcher(clock_ns=lambda clock=clock: next(clock, 50))
        with pytest.raises(DeadlinePassed):
            dispatcher.run([make_piece(1, deadline_ns=10) for _ in moments])
    assert session.runs == []


def test_what_has_nothing_to_wait_for_is_not_put_in_line(make_dispatcher, make_piece, monkeypatch):
    dispatcher = make_dispatcher()
    monkeypatch.delattr(Queue, "add")
    (ran,) = dispatcher.run([make_piece(7)])
    assert numbers_of([ran]) == [7]
    assert ran.queue_ns < 10**9
    assert dispatcher.runners.busy == 0


def test_what_fails_at_once_is_told_and_makes_room(make_dispatcher, make_piece, session):
    dispatcher = make_dispatcher()
    session.poison = 7
    with pytest.raises(NotRunnable):
        dispatcher.run([make_piece(7)])
    assert dispatcher.runners.busy == 0
    assert numbers_of(dispatcher.run([make_piece(8)])) == [8]


def test_it_closes_only_when_what_began_at_once_is_done(busy, pool, session):
    closing = pool.submit(busy.dispatcher.close)
    while not busy.dispatcher._is_closed:
        time.sleep(0.001)
    assert not closing.done()
    session.goes_on.set()
    closing.result(60)
    assert numbers_of(busy.first.result(60)) == [0]


def test_what_nobody_waits_for_any_more_is_not_run(busy, session, make_piece):
    gone = busy.put(make_piece(1, is_wanted=lambda: False))
    there = busy.put(make_piece(2))
    session.goes_on.set()
    with pytest.raises(GoneAway):
        gone.result()
    assert numbers_of(there.result()) == [2]
    assert session.runs == [[0], [2]]


def test_all_that_was_taken_in_is_answered_when_it_closes(busy, session, pool, make_piece):
    asked = [busy.put(make_piece(number)) for number in range(1, 6)]
    closing = pool.submit(busy.dispatcher.close)
    while not busy.dispatcher._is_closed:
        time.sleep(0.001)
    with pytest.raises(NotReady):
        busy.dispatcher.run([make_piece(9)])
    assert not closing.done()
    session.goes_on.set()
    closing.result(60)
    assert [numbers_of(one.result(60)) for one in asked] == [[1], [2], [3], [4], [5]]


def test_what_waits_shares_a_run_up_to_its_bound(busy, session, make_piece):
    asked = [busy.put(make_piece(number, most_together=4)) for number in range(1, 8)]
    session.goes_on.set()
    assert [numbers_of(one.result()) for one in asked] == [[number] for number in range(1, 8)]
    assert session.runs == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_pictures_of_other_sizes_and_models_share_no_run(busy, session, make_piece, preprocessing):
    other = Predictor(session=session, labels=("x",), preprocessing=preprocessing, provider="none")
    larger = np.full((1, 3, 3, 3), 2, np.uint8)
    asked = [
        busy.put(make_piece(1, most_together=4)),
        busy.put(make_piece(2, most_together=4, images=larger)),
        busy.put(make_piece(3, most_together=4, predictor=other)),
        busy.put(make_piece(4, most_together=4)),
    ]
    session.goes_on.set()
    assert [numbers_of(one.result()) for one in asked] == [[1], [2], [3], [4]]
    assert session.runs == [[0], [1, 4], [2], [3]]


def test_a_thread_that_helped_holds_nothing_of_it_while_it_waits(make_dispatcher, preprocessing):
    session = Session()
    predictor = Predictor(
        session=session, labels=("x",), preprocessing=preprocessing, provider="none"
    )
    images = np.zeros((1, 2, 2, 3), np.uint8)
    dispatcher = make_dispatcher(runners=2)
    dispatcher.run([Piece(predictor=predictor, images=images, key=KEY) for _ in range(6)])
    held = weakref.ref(session)
    del session, predictor
    deadline = time.monotonic() + 60
    while held() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert held() is None


def test_one_bad_picture_fails_alone(busy, session, make_piece):
    session.poison = 2
    asked = [busy.put(make_piece(number, most_together=4)) for number in (1, 2, 3)]
    session.goes_on.set()
    assert numbers_of(asked[0].result()) == [1]
    with pytest.raises(NotRunnable, match="no numbers"):
        asked[1].result()
    assert numbers_of(asked[2].result()) == [3]
    assert session.runs == [[0], [1, 2, 3], [1], [2], [3]]


def test_a_fault_of_any_kind_is_told_and_the_runner_lives_on(make_dispatcher, make_piece, session):
    dispatcher = make_dispatcher()
    session.goes_on = None  # so that waiting on it fails
    with pytest.raises(AttributeError):
        dispatcher.run([make_piece(1)])
    session.goes_on = threading.Event()
    session.goes_on.set()
    assert numbers_of(dispatcher.run([make_piece(2)])) == [2]


def test_runs_are_heard_of(make_dispatcher, make_piece):
    heard = []
    dispatcher = make_dispatcher(watch=lambda *run: heard.append(run))
    (ran,) = dispatcher.run([make_piece(1, 2)])
    assert [(key, pictures) for key, pictures, _ in heard] == [(KEY, 2)]
    assert heard[0][2] == ran.infer_ns >= 0
    assert ran.queue_ns >= 0


def test_runs_on_a_gpu_are_padded_to_sizes_it_has_seen(
    make_dispatcher, make_piece, session, preprocessing
):
    on_gpu = Predictor(session=session, labels=("x",), preprocessing=preprocessing, provider=CUDA)
    ran = make_dispatcher().run([make_piece(5, 6, 7, predictor=on_gpu)])
    assert numbers_of(ran) == [5, 6, 7]
    assert session.runs == [[5, 6, 7, 0]]
