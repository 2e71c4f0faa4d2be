"""A process that has torch and what trains imported, and is copied for each job.

A new interpreter imports the same anew, which is two to three seconds of CPU time before a job says
its first word. ``python -m zoo.worker.forkserver DESCRIPTOR`` is that process; ``ForkServer`` is it
as the worker knows it. It ends when the worker does; copies of it do not.

It has no thread that Python or torch started. OpenBLAS has some, ends them before a fork by
itself, and starts them again when they are needed. ONNX Runtime promises no such thing, so what
imports it is left to the copy; it is quick.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping

from zoo.domain.job import Attempt
from zoo.worker.forked import fork
from zoo.worker.watched import Watched

PRELOADED = (
    "torch",
    "onnx",
    "sklearn.linear_model",
    "zoo.networks.build",
    "zoo.networks.surgery",
    "zoo.training.finetune",
    "zoo.training.judging",
    "zoo.training.loop",
    "zoo.worker.run",
    "zoo.worker.sight",
)
READY = b"ready"
LONGEST = 4096  # bytes of a message
REAP_S = 1.0  # between two looks for copies that ended
ANSWER_S = 60.0  # that a copy may take to be made


class ForkServer:
    """The fork server of a worker."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start it; it is ready a few seconds later."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(ANSWER_S)
        with theirs:
            number = theirs.fileno()
            # -P keeps Python from importing what lies in the folder the user stands in.
            command = [sys.executable, "-P", "-m", "zoo.worker.forkserver", str(number)]
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[number],
                start_new_session=True,
            )
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        """Tell whether it has not ended."""
        return self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Tell whether it has imported everything."""
        if not self._is_ready and select.select([self._channel], [], [], 0)[0]:
            self._is_ready = self._channel.recv(LONGEST) == READY
        return self._is_ready and self.is_alive

    def fork(self, attempt: Attempt, log: int) -> Watched:
        """Have a copy hold an attempt; ``log`` is the descriptor of the file it prints to.

        Raises:
            OSError: there is none, or nobody knows whether there is one.
        """
        told = f"{attempt.job} {attempt.number}".encode()
        socket.send_fds(self._channel, [told], [log])
        answer, descriptors, _, _ = socket.recv_fds(self._channel, LONGEST, 1)
        if not descriptors:
            raise OSError(answer.decode() or "the fork server ended")
        return Watched(int(answer), descriptors[0])

    def close(self) -> None:
        """End it; copies live on."""
        self._channel.close()
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Import, then make a copy for every attempt that is asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # It ends when its channel does.
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # What all copies share is not touched by their collections.
    with socket.socket(fileno=int(sys.argv[1])) as channel, contextlib.suppress(ConnectionError):
        channel.send(READY)
        serve(channel)


def serve(channel: socket.socket) -> None:
    """Make copies until the other end is gone."""
    while True:
        if select.select([channel], [], [], REAP_S)[0]:
            told, descriptors, _, _ = socket.recv_fds(channel, LONGEST, 1)
            if not told:
                return
            _answer(channel, told.decode(), descriptors[0])
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(channel: socket.socket, told: str, descriptor: int) -> None:
    job, number = map(int, told.split())
    attempt = Attempt(job=job, number=number)
    with os.fdopen(descriptor, "ab") as log:
        try:
            pid = fork(lambda: _hold(attempt), log).pid
        except OSError as error:
            channel.send(str(error).encode())
            return
    # It is reaped by nobody but this thread, so the number is still its own.
    watched = os.pidfd_open(pid)
    try:
        socket.send_fds(channel, [str(pid).encode()], [watched])
    finally:
        os.close(watched)


def _hold(attempt: Attempt) -> None:
    from zoo.worker.run import hold_anew  # noqa: PLC0415  # preloaded, not before the settings

    hold_anew(attempt)


if __name__ == "__main__":
    main()
