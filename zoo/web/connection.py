"""Whether the client of this request still waits for its answer, where the server lets us see."""

import socket
from collections.abc import Callable, Mapping
from typing import Any


def watch_client(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Give what tells, from any thread, whether the client is there; without gunicorn, it is.

    One that has closed its side, or all of its connection, is not.
    """
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return lambda: True
    return lambda: _is_open(connection)


def _is_open(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True  # Nothing to read, and nothing closed.
    except OSError:
        return False
