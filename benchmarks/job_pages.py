"""What open pages of a running job cost the API: its answers with 50 of them, and with none.

    python benchmarks/job_pages.py [--pages 50] [--seconds 20]

Serves a zoo as `zoo quickstart` makes it, and tells a job's progress twice a second as a worker
does. Each page asks what its script asks: the page, then every two seconds what is new, on a
connection that stays open. Beside them four clients ask for a model and for predictions, without a
pause. Prints the 50th and the 95th percentile of the answers' milliseconds, the CPU seconds of the
server for each second of polling, and how many threads it had.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import (
    Answer,
    Connection,
    Server,
    asking,
    failures,
    make_request,
    quantile_ms,
    serving,
    working,
)

from zoo.domain.dataset import PictureWish
from zoo.domain.job import Attempt, JobKind
from zoo.domain.training import EPOCH, RATES, Measured, Rates
from zoo.operations import jobs
from zoo.operations.datasets import list_pictures
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings

ZOO = Path(sys.executable).with_name("zoo")
EVERY_S, TOLD_EVERY_S = 2.0, 0.5  # a page asks, a worker tells
CLIENTS = 2  # of each kind beside the pages
KNOWN = 304


def main() -> None:
    """Measure without pages, with them, and without again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        subprocess.run([ZOO, "quickstart"], env=os.environ | {"ZOO_HOME": str(home)}, check=True)  # noqa: S603  # our own
        command = ["cli.py", "serve", "--port", "0"]
        with (
            serving(command, home=home, worker_slots=0, requests_per_minute=0) as server,
            open_zoo(read_settings(home=home)) as zoo,
        ):
            attempt = _begin(zoo)
            print(
                f"{'pages':>6}{'model 50 %':>12}{'95 %':>8}{'predict 50 %':>14}{'95 %':>8}"
                f"{'polls':>8}{'304':>6}{'failed':>8}{'threads':>9}"
            )
            for pages in (0, options.pages, 0, options.pages):
                _measure(server, zoo, attempt, pages, options.seconds)
            _cost(server, zoo, attempt, options)


def _begin(zoo: Zoo) -> Attempt:
    """Begin a fine-tune that never ends."""
    params = {
        "model": get_revision(zoo, "lenet-digits").address,
        "dataset": "digits-5-9",
        "strategy": "full",
        "name": "endless",
    }
    job = jobs.enqueue(zoo, JobKind.FINETUNE, params)
    attempt = jobs.claim(zoo, worker="the benchmark", number=job.id)
    assert attempt is not None
    rates = Rates(epochs=9999, head=0.01, body=0.001, layer_decay=0.75, frozen_up_to="")
    jobs.tell(zoo, attempt, RATES, str(rates))
    return attempt


def _measure(server: Server, zoo: Zoo, attempt: Attempt, pages: int, seconds: float) -> None:
    picture = _picture(zoo)
    model = b"GET /v1/models/lenet-digits HTTP/1.1\r\nHost: localhost\r\n\r\n"
    predict = make_request("/v1/models/lenet-digits/predict", picture, Content_Type="image/png")
    with (
        _telling(zoo, attempt),
        _opened(server, attempt.job, pages) as polls,
        asking(server, model, clients=CLIENTS) as models,
        asking(server, predict, clients=CLIENTS) as predictions,
    ):
        time.sleep(seconds)
        threads = _threads(server)
    known = sum(one.status == KNOWN for one in polls)
    failed = failures(models) + failures(predictions)
    failed += failures(polls) - known
    print(
        f"{pages:>6}{quantile_ms(models, 0.5):>12.1f}{quantile_ms(models, 0.95):>8.1f}"
        f"{quantile_ms(predictions, 0.5):>14.1f}{quantile_ms(predictions, 0.95):>8.1f}"
        f"{len(polls):>8}{known:>6}{failed:>8}{threads:>9}"
    )


def _cost(server: Server, zoo: Zoo, attempt: Attempt, options: argparse.Namespace) -> None:
    """Tell what the pages alone cost."""
    with _telling(zoo, attempt), _opened(server, attempt.job, options.pages) as polls:
        before = server.cpu_s()
        time.sleep(options.seconds)
        spent = server.cpu_s() - before
    share = spent / options.seconds
    each = 1000 * spent / max(len(polls), 1)
    print(f"{options.pages} pages alone: {share:.1%} of a core, {each:.1f} ms a poll")


@contextmanager
def _telling(zoo: Zoo, attempt: Attempt) -> Iterator[None]:
    """Tell progress meanwhile, an epoch every ten counts."""
    stop = threading.Event()

    def work() -> None:
        for done in itertools.count(1):
            jobs.tell(zoo, attempt, "train", "steps", done=done, total=10**6)
            if done % 10 == 0:
                told = Measured(
                    epoch=done // 10,
                    rate=0.5,
                    training_loss=0.5,
                    held_out_loss=0.4,
                    held_out_accuracy=0.9,
                )
                jobs.tell(zoo, attempt, EPOCH, str(told))
            if stop.wait(TOLD_EVERY_S):
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _opened(server: Server, job: int, pages: int) -> Iterator[list[Answer]]:
    """Have pages open meanwhile; the list of their polls grows."""
    answers, stop = list[Answer](), threading.Event()
    threads = [
        threading.Thread(target=_page, args=(server, job, answers, stop, place / max(pages, 1)))
        for place in range(pages)
    ]
    with working(threads, stop):
        yield answers


def _page(
    server: Server, job: int, answers: list[Answer], stop: threading.Event, share: float
) -> None:
    """Do what an open page does."""
    stop.wait(share * EVERY_S)  # They were not all opened at one time.
    connection = Connection(server)
    accept = "Accept: text/html\r\nAccept-Encoding: gzip"
    connection.ask(f"GET /jobs/{job} HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n\r\n".encode())
    after = 0
    while not stop.wait(EVERY_S):
        path = f"/v1/jobs/{job}?after={after}"
        try:
            answer = connection.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        except ConnectionError:  # The server closes what was idle; browsers open another.
            connection.close()
            connection = Connection(server)
            continue
        answers.append(answer)
        events = json.loads(answer.body)["events"] if answer.body else []
        after = events[-1]["number"] if events else after
    connection.close()


def _threads(server: Server) -> int:
    folders = (Path(f"/proc/{number}/task") for number in server.processes())
    return sum(len(list(folder.iterdir())) for folder in folders)


def _picture(zoo: Zoo) -> bytes:
    (one,) = list_pictures(zoo, "digits-5-9", PictureWish(), limit=1)
    return zoo.blobs.local_path(one.digest).read_bytes()


if __name__ == "__main__":
    main()
