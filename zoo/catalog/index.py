"""An index of the models in memory: searches and facets without reading every row each time.

It holds what models are found by. Every change of a model has a number in the catalog
(``rows.note_change``); before an answer the index reads what changed since it was made, in the
transaction of the answer, so it is never older than the rows beside it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from zoo.catalog.tables import ModelChangeRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from zoo.catalog.snapshot import Snapshot


class ModelIndex:
    """The newest snapshot, brought up to date by whoever asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Snapshot | None = None

    @property
    def is_made(self) -> bool:
        """Tell whether there is one; the first asks for every row, later ones for what changed."""
        return self._newest is not None

    def at(self, db: Session, *, pause: Callable[[], None] = lambda: None) -> Snapshot:
        """Give a snapshot that knows at least all that a transaction sees.

        ``pause`` is called between parts of the rows, and may raise to have nothing changed.
        """
        # A zoo is opened without NumPy, which takes longer to come than most commands take.
        from zoo.catalog.snapshot import empty, read_changes  # noqa: PLC0415

        number = db.scalar(select(func.max(ModelChangeRow.number))) or 0
        newest = self._newest or empty()
        if newest.number < number:
            with self._lock:
                newest = self._newest or newest
                if newest.number < number:
                    newest = self._newest = read_changes(db, newest, pause=pause)
        return newest
