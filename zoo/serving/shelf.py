"""The predictors that are held open: loaded on demand, the least used closed first for room."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property

from zoo.serving.arena import Arena
from zoo.serving.memory import give_back
from zoo.serving.network import Network
from zoo.serving.predictor import Predictor

LARGE_SHARE = 8  # An arena that takes more than this part of the shelf is shrunk before others go.


@dataclass(frozen=True, kw_only=True)
class Served:
    """A predictor that is warm, and what was measured while it was loaded."""

    predictor: Predictor | Network
    size_bytes: int  # of memory that loading took
    arena: Arena | None = None  # of its runs, where that is known
    most_together: int = 1  # pictures of several requests that one run may hold
    load_ns: int = 0
    is_from_cache: bool = False  # whether its optimised graph was there already

    @cached_property  # asked some times for each request
    def classifier(self) -> Predictor:
        """Give the predictor of a revision that classifies pictures."""
        assert isinstance(self.predictor, Predictor)
        return self.predictor

    @property
    def network(self) -> Network:
        """Give the network of a revision that is served as it is."""
        assert isinstance(self.predictor, Network)
        return self.predictor


@dataclass(slots=True, eq=False)
class _Place:
    """Where one predictor stands, or will when it is loaded."""

    future: "Future[Served]" = field(default_factory=Future)
    pins: int = 0
    served: Served | None = None  # what stands here, once it is loaded
    arena: Arena | None = None  # of its runs
    seen_bytes: int = 0  # of that, when it was last counted

    @property
    def size_bytes(self) -> int:
        """Tell how much memory it takes, as far as that is known."""
        return self.served.size_bytes + self.seen_bytes if self.served else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What stands on a shelf, and what came and went since the process started."""

    predictors: int = 0
    size_bytes: int = 0  # of memory
    loads: int = 0
    loads_from_cache: int = 0  # of them, those whose optimised graph was there already
    failed_loads: int = 0
    load_ns: int = 0  # all loads together
    evictions: int = 0  # predictors closed for the room of others


@dataclass(slots=True, kw_only=True)
class Shelf:
    """Predictors of up to ``most_bytes`` of memory, by the digest of their graph.

    What their runs take counts with them, as it is when they are let go.

    Those in use are never closed; while they alone take more, more is taken.
    """

    most_bytes: int
    trim: Callable[[], None] = give_back
    _places: OrderedDict[str, _Place] = field(default_factory=OrderedDict)  # least used first
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _counted: Stock = field(default_factory=Stock)
    _held_bytes: int = 0  # of all that stands here

    def hold(self, digest: str, load: Callable[[], Served], *, about_bytes: int = 0) -> "Held":
        """Give the predictor of a graph, which stays open meanwhile.

        Of several who ask at once, one loads it for all. One is loaded at a time, so that what each
        takes can be measured. Room for ``about_bytes`` is made before.
        """
        return Held(shelf=self, digest=digest, load=load, about_bytes=about_bytes)

    def find(self, digest: str) -> Served | None:
        """Give what stands here for a graph, without loading it."""
        with self._lock:
            place = self._places.get(digest)
            return None if place is None else place.served

    def is_loading(self, digest: str) -> bool:
        """Tell whether somebody loads a graph just now."""
        with self._lock:
            place = self._places.get(digest)
            return place is not None and place.served is None

    def put_away(self, digest: str) -> bool:
        """Close a predictor when the last who uses it is done; tell whether it was there."""
        with self._lock:
            place = self._places.pop(digest, None)
            if place is None:
                return False
            self._held_bytes -= place.size_bytes
        del place
        self.trim()
        return True

    def read(self) -> Stock:
        """Tell what stands here, and what came and went."""
        with self._lock:
            standing = [place for place in self._places.values() if place.served]
            return replace(
                self._counted,
                predictors=len(standing),
                size_bytes=sum(place.size_bytes for place in standing),
            )

    @property
    def size_bytes(self) -> int:
        """Add up the memory of all that stands here."""
        with self._lock:
            return self._held_bytes

    def pin(self, held: "Held") -> Served:
        """Have a predictor stay open, loaded if need be."""
        assert held.place is None
        with self._lock:
            place = self._places.get(held.digest)
            is_mine = place is None
            if place is None:
                place = self._places[held.digest] = _Place()
            place.pins += 1
            self._places.move_to_end(held.digest)
        held.place = place
        try:
            if is_mine:
                self._fill(held.digest, place, held.load, held.about_bytes)
            return place.served or place.future.result()
        except BaseException:
            del place  # as in `unpin`
            self.unpin(held)
            raise

    def unpin(self, held: "Held") -> None:
        """Let go of a predictor."""
        with self._lock:
            place, held.place = held.place, None
            assert place is not None
            place.pins -= 1
            arena = place.arena
            if arena is not None and arena.added_bytes != place.seen_bytes:
                self._see(held.digest, place, arena)
            was_last = place.pins == 0 and self._places.get(held.digest) is not place
            is_full = self._held_bytes > self.most_bytes
        # What still had it in a variable would keep its memory from being given back.
        del place, arena
        if was_last:  # It was put away meanwhile.
            self.trim()
        if is_full:
            self._make_room(0)

    def _fill(
        self, digest: str, place: _Place, load: Callable[[], Served], about_bytes: int
    ) -> None:
        """Load the predictor; a failure is told to all who wait and then forgotten."""
        try:
            with self._loading:
                self._make_room(about_bytes)
                served = load()
            self._count(loads=1, load_ns=served.load_ns, loads_from_cache=served.is_from_cache)
            with self._lock:
                place.served, place.arena = served, served.arena
                place.future.set_result(served)
                if self._places.get(digest) is place:
                    self._held_bytes += served.size_bytes
        except BaseException as error:
            self._count(failed_loads=1)
            with self._lock:
                if self._places.get(digest) is place:
                    del self._places[digest]
            place.future.set_exception(error)
            del place  # Else the error holds it by its traceback, and is held by it.
            raise

    def _see(self, digest: str, place: _Place, arena: Arena) -> None:
        """Count what runs have added to an arena by now; whoever calls this holds the lock."""
        added_bytes = arena.added_bytes
        if self._places.get(digest) is place:
            self._held_bytes += added_bytes - place.seen_bytes
        place.seen_bytes = added_bytes

    def _shrink(self, wanted_bytes: int) -> None:
        """Have arenas that runs have made large give back what no run uses, until the rest fits."""
        with self._lock:
            if wanted_bytes + self._held_bytes <= self.most_bytes:
                return
            large = [
                (digest, place, place.arena)
                for digest, place in self._places.items()
                if place.arena is not None and place.seen_bytes * LARGE_SHARE > self.most_bytes
            ]
        for digest, place, arena in large:
            arena.shrink()
            with self._lock:
                self._see(digest, place, arena)
                if wanted_bytes + self._held_bytes <= self.most_bytes:
                    return

    def _make_room(self, wanted_bytes: int) -> None:
        """Close what nobody uses, the least used first, until the rest fits."""
        self._shrink(wanted_bytes)
        with self._lock:
            taken = wanted_bytes + self._held_bytes
            closed = 0
            for digest, place in list(self._places.items()):
                if taken <= self.most_bytes:
                    break
                if place.pins == 0 and place.served is not None:
                    taken -= place.size_bytes
                    self._held_bytes -= place.size_bytes
                    closed += 1
                    del self._places[digest]
                    del place
        if closed:
            self._count(evictions=closed)
            self.trim()

    def _count(self, **more: int) -> None:
        with self._lock:
            before = self._counted
            counts = {name: getattr(before, name) + number for name, number in more.items()}
            self._counted = replace(before, **counts)


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """A predictor that is open in between; a generator would cost each request three times that."""

    shelf: Shelf
    digest: str
    load: Callable[[], Served]
    about_bytes: int
    place: _Place | None = None  # where it stands, in between

    def __enter__(self) -> Served:
        return self.shelf.pin(self)

    def __exit__(self, *_: object) -> None:
        self.shelf.unpin(self)
