"""Counting requests by method, route and status, and how long they took."""

import threading
import time
from dataclasses import dataclass, field

from flask import Flask, Response, current_app, g, request

TRAFFIC = "zoo_traffic"
BEGUN = "zoo.begun_s"  # in the WSGI environment: when a request began that was tried already
NOWHERE = ("ANY", "none")  # the method and route of an address that is not there

Key = tuple[str, str, str]


@dataclass(slots=True)
class Spent:
    """How many requests there were, and the seconds until their answers began."""

    requests: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Traffic:
    """What was asked of one app since it was made; safe to be used by many threads."""

    _spent: dict[Key, Spent] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, key: Key, seconds: float) -> None:
        """Count a request; routes are as they are declared, so that they are few."""
        with self._lock:
            spent = self._spent.get(key)
            if spent is None:
                spent = self._spent[key] = Spent()
            spent.requests += 1
            spent.seconds += seconds

    def read(self) -> dict[Key, Spent]:
        """Give what was counted."""
        with self._lock:
            return {key: Spent(one.requests, one.seconds) for key, one in self._spent.items()}


def install(app: Flask) -> None:
    """Have an app count what is asked of it."""
    app.extensions[TRAFFIC] = Traffic()
    app.before_request(_begin)
    app.after_request(_count)


def current_traffic() -> Traffic:
    """Give what this app has counted."""
    traffic: Traffic = current_app.extensions[TRAFFIC]
    return traffic


def _begin() -> None:
    g.begun_s = request.environ.get(BEGUN, time.monotonic())


def _count(response: Response) -> Response:
    rule = request.url_rule
    method, route = NOWHERE if rule is None else (request.method, rule.rule)
    now_s = time.monotonic()
    key = (method, route, str(response.status_code))
    current_traffic().count(key, now_s - g.get("begun_s", now_s))
    return response
