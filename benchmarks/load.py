"""What the measurements of serving share: a server with its CPU time, and cheap clients."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: its status, its body, and how long it took."""

    status: int
    body: bytes
    taken_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server in processes of its own."""

    process: "subprocess.Popen[str]"
    host: str
    port: int

    def processes(self) -> list[int]:
        """List its process and all below it."""
        found = [self.process.pid]
        for number in found:
            children = Path(f"/proc/{number}/task/{number}/children")
            found += map(int, children.read_text().split())
        return found

    def cpu_s(self) -> float:
        """Add up the CPU seconds of all its processes."""
        ticks = 0
        for number in self.processes():
            told = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            ticks += int(told[11]) + int(told[12])
        return ticks / TICKS

    def rss_bytes(self) -> int:
        """Give the resident memory of its largest process, which holds the models."""
        told = [Path(f"/proc/{number}/status").read_text() for number in self.processes()]
        return max(
            int(match[1]) * 1024 for text in told if (match := re.search(r"VmRSS:\s+(\d+)", text))
        )


@contextmanager
def serving(command: list[str], **settings: object) -> Iterator[Server]:
    """Run a server that prints its address; it has ended afterwards."""
    environment = os.environ | {f"ZOO_{name.upper()}": str(it) for name, it in settings.items()}
    process = subprocess.Popen(  # noqa: S603  # our own
        [sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        host, port = process.stdout.readline().strip().removeprefix("http://").rsplit(":", 1)
        yield Server(process=process, host=host, port=int(port))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def make_request(path: str, body: bytes, **headers: str) -> bytes:
    """Write down a POST request that keeps its connection."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Connection:
    """One connection of a client, which sends requests as they are and reads answers."""

    server: Server
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._socket = socket.create_connection((self.server.host, self.server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> Answer:
        """Send a request and wait for its answer."""
        begun = time.perf_counter()
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        match = re.search(rb"(?im)^content-length: *(\d+)", head)
        length = int(match[1]) if match else 0
        parts = [body]
        while (missing := length - sum(map(len, parts))) > 0:
            parts.append(self._receive(missing))
        taken = time.perf_counter() - begun
        return Answer(status=int(head.split()[1]), body=b"".join(parts), taken_s=taken)

    def _receive(self, most: int = 65_536) -> bytes:
        piece = self._socket.recv(most)
        if not piece:
            raise ConnectionError("the server closed the connection")
        return piece

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def ask_all(
    server: Server, requests: list[bytes], *, clients: int, count: int
) -> tuple[list[Answer], float]:
    """Send so many requests by so many clients at once, each when its last one is answered.

    Gives the answers and the seconds it took. One that is not answered counts with the status 0.
    """
    numbers = itertools.count()
    answers = list[Answer]()

    def work() -> None:
        connection = Connection(server)
        while (number := next(numbers)) < count:
            answers.append(_ask(connection, requests[number % len(requests)]))
        connection.close()

    begun = time.perf_counter()
    _together(work, clients)
    return answers, time.perf_counter() - begun


@contextmanager
def asking(server: Server, request: bytes, *, clients: int) -> Iterator[list[Answer]]:
    """Have clients ask all the while; the list grows meanwhile."""
    answers, stop = list[Answer](), threading.Event()

    def work() -> None:
        connection = Connection(server)
        while not stop.is_set():
            answers.append(_ask(connection, request))
        connection.close()

    with working([threading.Thread(target=work) for _ in range(clients)], stop):
        yield answers


@contextmanager
def working(threads: list[threading.Thread], stop: threading.Event) -> Iterator[None]:
    """Have threads work meanwhile, which end once they are told to stop."""
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def quantile_ms(answers: list[Answer], share: float) -> float:
    """Give the milliseconds that this share of the answers took no longer than."""
    taken = sorted(answer.taken_s for answer in answers)
    return taken[min(int(share * len(taken)), len(taken) - 1)] * 1000


def failures(answers: list[Answer]) -> int:
    """Count what was not answered as it should be."""
    return sum(answer.status != OK for answer in answers)


def _ask(connection: Connection, request: bytes) -> Answer:
    try:
        return connection.ask(request)
    except OSError:
        return Answer(status=0, body=b"", taken_s=0)


def _together(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
