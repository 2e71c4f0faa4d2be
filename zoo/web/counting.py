"""Counting downloads: in memory first, written down in batches, so that a GET stays a read."""

import logging
import threading
from collections import Counter

from flask import Response, current_app, request

from zoo.domain.revision import Revision
from zoo.domain.statistics import Download
from zoo.errors import ZooError
from zoo.operations.opening import Zoo
from zoo.operations.statistics import record_downloads

LOG = logging.getLogger(__name__)
COUNTS = "zoo_counts"
WRITTEN_EVERY_S = 10.0
MOST_KEPT = 100_000  # files and days, while the catalog cannot be written to
WHOLE, PART, ELSEWHERE = 200, 206, 302


class Counts:
    """Downloads that are not written down yet."""

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo
        self._kept: Counter[Download] = Counter()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def add(self, download: Download) -> None:
        """Count a download; some seconds later it is written down with all others."""
        with self._lock:
            if download in self._kept or len(self._kept) < MOST_KEPT:
                self._kept[download] += 1
            self._start()

    def write(self) -> None:
        """Write down what was counted; what cannot be written now is kept for the next time."""
        with self._lock:
            counted, self._kept, self._timer = self._kept, Counter(), None
        try:
            record_downloads(self._zoo, counted)
        except ZooError as error:
            LOG.warning("downloads are not written down yet: %s", error)
            with self._lock:
                self._kept.update(counted)
                self._start()

    def close(self) -> None:
        """Write down what is left, at the end of the process."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
        self.write()

    def _start(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(WRITTEN_EVERY_S, self.write)
            self._timer.daemon = True
            self._timer.start()


def count_download(zoo: Zoo, revision: Revision, path: str, response: Response) -> None:
    """Count a file that is given whole, or from its first byte on: what goes on is no second."""
    if request.method != "GET" or not _is_beginning(response):
        return
    counts: Counts = current_app.extensions[COUNTS]
    day = zoo.clock().date()
    counts.add(Download(model=revision.model, revision=revision.id, path=path, day=day))


def _is_beginning(response: Response) -> bool:
    if response.status_code == PART:
        return response.headers.get("Content-Range", "").startswith("bytes 0-")
    if response.status_code == ELSEWHERE:
        return request.headers.get("Range", "bytes=0-").startswith("bytes=0-")
    return response.status_code == WHOLE
