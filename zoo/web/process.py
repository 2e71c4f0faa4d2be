"""gunicorn's configuration of the web process: `zoo serve` names it, so no other file is read."""

import os
import signal
import sys
import threading


def when_ready(_server: object) -> None:
    """End with the one who started us: its end of the pipe on stdin closes however it ends."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    # Unbuffered: a thread that holds a buffer's lock would keep the interpreter from ending.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
