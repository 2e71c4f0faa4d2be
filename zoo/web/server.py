"""The web process: gunicorn with threads, on a socket that is already open."""

import os
import socket
import subprocess
import sys
from contextlib import closing

from zoo.errors import AddressInUse
from zoo.settings import Settings

BACKLOG = 256
GRACE_S = 20


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on an address of this machine; port 0 takes a free one.

    Raises:
        AddressInUse: it cannot be listened on.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise AddressInUse(f"{host} is not an address of this machine.", host=host) from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise AddressInUse(f"{host}:{port} cannot be listened on: {error.strerror}.") from error
    listener.listen(BACKLOG)
    return listener


def start(settings: Settings, listener: socket.socket) -> subprocess.Popen[bytes]:
    """Start the web process on an open socket; it takes over its own copy."""
    command = [
        sys.executable,
        "-P",  # Nothing is imported from the folder the user stands in.
        "-m",
        "gunicorn",
        "--config=python:zoo.web.process",
        f"--chdir={settings.home}",
        "zoo.web.app:create_app()",
        f"--bind=fd://{listener.fileno()}",
        "--worker-class=zoo.web.patience.PatientWorker",
        f"--threads={settings.web_threads}",
        "--workers=1",
        # A long upload or download is no reason to end the process.
        "--timeout=0",
        f"--graceful-timeout={GRACE_S}",
        "--log-level=warning",
    ]
    with closing(listener):
        return subprocess.Popen(  # noqa: S603  # our own interpreter and module
            command,
            env=os.environ | settings.as_environment() | {"GUNICORN_CMD_ARGS": ""},
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,  # It closes with us, and the web process ends with it.
            start_new_session=True,
        )


def url_of(listener: socket.socket) -> str:
    """Write down where a socket listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
