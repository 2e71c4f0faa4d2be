"""How fast many pictures go by, and how long the rest will take."""

import time
from dataclasses import dataclass, field

from zoo.commands.console import ProgressLine

SOON_S = 0.1  # between two looks at a terminal
FEW = 20  # things that are done before anybody looks


@dataclass(slots=True, kw_only=True)
class Pace:
    """Progress with the rate of this run and the time that is left; nothing for a few things."""

    line: ProgressLine
    step: str
    total: int
    _begun: float = field(default_factory=time.monotonic)
    _first: int | None = None  # done before this run
    _looked: float = 0.0

    def show(self, done: int) -> None:
        """Show how far it is, unless that was just shown."""
        now = time.monotonic()
        if self._first is None:
            self._first = done - 1
        is_soon = self.line.is_terminal and now - self._looked < SOON_S and done < self.total
        if self.total < FEW or is_soon:
            return
        self._looked = now
        more = f"  {self.told(done)}{self._left(done)}"
        self.line.count(self.step, "pictures", done, self.total, more=more)

    def told(self, done: int) -> str:
        """Say the rate of this run."""
        return f"{self._rate(done):.1f} a second"

    def _rate(self, done: int) -> float:
        own = done - (self._first or 0)
        return own / max(time.monotonic() - self._begun, 1e-9)

    def _left(self, done: int) -> str:
        rate = self._rate(done)
        if rate <= 0 or done >= self.total:
            return ""
        left_s = round((self.total - done) / rate)
        hours, rest = divmod(left_s, 3600)
        clock = (
            f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
        )
        return f", {clock} left"
