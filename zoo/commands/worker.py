"""`zoo worker`."""

import signal
import threading

import click

from zoo.commands.console import opened
from zoo.errors import BadSetting


@click.command()
def command() -> None:
    """Run the jobs of the zoo until stopped; what runs then is left to be taken up again."""
    from zoo.worker.supervisor import Supervisor  # banned from module heads

    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    with opened() as zoo:
        if zoo.settings.worker_slots == 0:
            raise BadSetting("ZOO_WORKER_SLOTS is 0, so this worker would never do anything.")
        click.echo(f"worker of {zoo.settings.home}, {zoo.settings.worker_slots} slot(s)", err=True)
        Supervisor(zoo).loop(stop)
