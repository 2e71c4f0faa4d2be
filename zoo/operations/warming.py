"""Making the index of searches in the background, so that no request has to wait for it."""

import logging
import threading

from zoo.errors import Interrupted, ZooError
from zoo.operations.opening import Zoo

LOG = logging.getLogger(__name__)


class Warming:
    """The index being made, once, beside requests; searches by name do without it until then."""

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="warming", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Have it end; an index that is half made is thrown away."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._zoo.catalog.reading() as db:
                self._zoo.index.at(db, pause=self._pause)
        except Interrupted:
            return
        except ZooError as error:
            LOG.warning("the index of searches is not made yet: %s", error)

    def _pause(self) -> None:
        if self._stop.is_set():
            raise Interrupted("The index of searches was not needed any more.")
