"""Numbers as options of the command line."""

import math
from typing import Any

import click


class Finite(click.FloatRange):
    """A number within bounds; ``nan`` lies within all of them and is refused."""

    def convert(
        self,
        value: Any,  # noqa: ANN401  # as click gives it
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Read it.

        Raises:
            click.BadParameter: it is no number, out of range, or not finite.
        """
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number
