"""The predictors that are held open: loaded on demand, the least used one closed first."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from zoo.serving.predictor import Predictor


@dataclass(slots=True, kw_only=True)
class Shelf:
    """Up to ``size`` predictors, by the digest of their graph."""

    size: int
    _held: OrderedDict[str, Future[Predictor]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, digest: str, open_one: Callable[[], Predictor]) -> Predictor:
        """Give the predictor of a graph; of several who ask at once, one opens it for all.

        A predictor that is pushed out lives on for those who already hold it.
        """
        with self._lock:
            future = self._held.get(digest)
            is_mine = future is None
            if future is None:
                future = self._held[digest] = Future()
            self._held.move_to_end(digest)
            while len(self._held) > self.size:
                self._held.popitem(last=False)
        if is_mine:
            self._fill(digest, future, open_one)
        return future.result()

    def _fill(
        self, digest: str, future: "Future[Predictor]", open_one: Callable[[], Predictor]
    ) -> None:
        """Open the predictor; a failure is told to all who wait and then forgotten."""
        try:
            future.set_result(open_one())
        except BaseException as error:
            with self._lock:
                if self._held.get(digest) is future:
                    del self._held[digest]
            future.set_exception(error)
            raise
