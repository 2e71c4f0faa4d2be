"""`zoo serve`."""

import signal
import subprocess
import threading
import time
import urllib.request

import click

from zoo.errors import ZooError
from zoo.operations.accounts import create_first_admin
from zoo.operations.opening import Zoo, open_zoo
from zoo.operations.patrol import patrol
from zoo.serving.device import check_device
from zoo.settings import read_settings
from zoo.web import server
from zoo.web.access import is_open_at

START_S = 60.0
ANSWER_S = 10.0
GRACE_S = 30.0
PAUSE_S = 0.1


@click.command()
@click.option("--host", help="Address to listen on.  [default: ZOO_HOST or 127.0.0.1]")
@click.option("--port", type=int, help="Port; 0 takes a free one.  [default: ZOO_PORT or 8080]")
def command(host: str | None, port: int | None) -> None:
    """Serve the zoo as pages and over REST, with a worker beside it, until SIGINT or SIGTERM.

    On loopback it is open to this machine. On any other address it asks for tokens; the first one,
    an admin's, is printed at the first start and never again.

    The address is printed to stdout once the server answers. A job that runs when the server stops
    is taken up again at the next start.
    """
    from zoo.worker.supervisor import Supervisor  # banned from module heads

    given = {"host": host, "port": port}
    settings = read_settings(**{key: value for key, value in given.items() if value is not None})
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    check_device(settings.device)
    with open_zoo(settings) as zoo:
        zoo.blobs.check()
        listener = server.open_socket(settings.host, settings.port)
        _tell_access(zoo)
        url = server.url_of(listener)
        web = server.start(settings, listener)
        watch = threading.Thread(target=_watch, args=(web, stop), daemon=True)
        watch.start()
        reading = threading.Thread(target=patrol, args=(zoo, stop), daemon=True)
        try:
            _wait_until_up(url, stop)
            if not stop.is_set():
                click.echo(url)
                click.echo("  open it in a browser for the pages", err=True)
                click.echo(f"  the reference: {url}/docs   stop with Ctrl-C", err=True)
            reading.start()
            Supervisor(zoo).loop(stop)
            reading.join(GRACE_S)
        finally:
            failed = web.poll() is not None
            _end(web)
    if failed:
        raise ZooError("The web process ended by itself.", hint="What it printed stands above.")


def _tell_access(zoo: Zoo) -> None:
    """Say who may ask, and make the first token of a zoo that asks for them."""
    settings = zoo.settings
    if is_open_at(settings, settings.host):
        if settings.access == "open":
            click.echo("open to everyone who can reach it, as ZOO_ACCESS says", err=True)
        return
    first = create_first_admin(zoo)
    if first is not None:
        click.secho(f"the token of the account {first.token.account!r}: {first.secret}", err=True)
        click.echo("  Keep it: it is not shown again. More: zoo tokens --help", err=True)


def _watch(web: "subprocess.Popen[bytes]", stop: threading.Event) -> None:
    """Stop everything when the web process ends."""
    web.wait()
    stop.set()


def _wait_until_up(url: str, stop: threading.Event) -> None:
    """Wait until the server answers, or until it is stopped."""
    # A proxy that the environment names would look for the address on its own machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    told_at = time.monotonic() + START_S
    while not stop.is_set():
        try:
            with direct.open(f"{url}/v1/health", timeout=START_S):
                return
        except OSError:
            # The address is ours since before it was started, so it is slow, and nothing else.
            if time.monotonic() > told_at:
                click.echo("the web process has not come up yet; Ctrl-C ends it", err=True)
                told_at = time.monotonic() + START_S
            time.sleep(PAUSE_S)


def _end(web: "subprocess.Popen[bytes]") -> None:
    """Ask the web process to finish what it answers, and end it if that takes too long."""
    web.terminate()
    try:
        web.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        web.kill()
        web.wait()
