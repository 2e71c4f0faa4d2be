"""gunicorn's configuration of the web process: `zoo serve` names it, so no other file is read."""

import os
import signal
import sys
import threading


def when_ready(_server: object) -> None:
    """End with the one who started us: its end of the pipe on stdin closes however it ends."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
