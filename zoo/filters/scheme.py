"""A scheme by its text: ``NAME[:key=value,...][+lsuv]``, as commands, jobs and cards write it."""

import difflib
from dataclasses import dataclass

from numpy.random import Generator

from zoo.errors import Invalid
from zoo.filters.initial import Floats, Shape
from zoo.filters.options import Option
from zoo.filters.table import DRAWN, FROM_PICTURES, FROM_SOURCE

LSUV = "lsuv"
ALONE = "orthogonal"  # what LSUV scales where nothing else is named, as its authors do
EVERY = (*DRAWN, *FROM_PICTURES, *FROM_SOURCE)
NEAR = 3  # names that an error tells
SHOWN = 60  # letters of a text that an error shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How the filters of a network begin."""

    name: str  # a key of DRAWN, FROM_PICTURES or FROM_SOURCE
    options: tuple[tuple[str, Option], ...] = ()  # in the table's order; what is not told is not
    has_lsuv: bool = False  # each layer is scaled to outputs of unit variance

    @property
    def needs_pictures(self) -> bool:
        """Tell whether filters come out of pictures, so that noise will not do."""
        return self.name in FROM_PICTURES

    @property
    def is_drawn(self) -> bool:
        """Tell whether ``draw`` gives the filters."""
        return self.name in DRAWN

    def draw(self, shape: Shape, rng: Generator) -> Floats:
        """Draw a weight of this shape.

        Raises:
            Invalid: the scheme has no filters of this shape.
        """
        return DRAWN[self.name].draw(shape, rng, **dict(self.options))

    def __str__(self) -> str:
        """Write it as ``parse_scheme`` reads it."""
        told = ",".join(f"{key}={value}" for key, value in self.options)
        return self.name + f":{told}" * bool(told) + f"+{LSUV}" * self.has_lsuv


def parse_scheme(text: str) -> Scheme:
    """Read a scheme; ``lsuv`` alone is ``orthogonal+lsuv``.

    Raises:
        Invalid: there is no such scheme, it has no such option, or an option's value cannot be.
    """
    plain, plus, step = text.strip().partition("+")
    if plus and step != LSUV:
        raise Invalid(
            f"Nothing is called {step[:SHOWN]!r} that can follow a scheme; {LSUV!r} can.",
            hint=f"Write for example he+{LSUV}.",
            scheme=text[:SHOWN],
        )
    name, colon, told = plain.partition(":")
    if name == LSUV and not plus and not colon:
        return Scheme(name=ALONE, has_lsuv=True)
    if name not in EVERY:
        raise _unknown(name)
    options = _read_options(name, told) if colon else {}
    known = DRAWN[name].options if name in DRAWN else ()
    ordered = tuple((key, options[key]) for key in known if key in options)
    return Scheme(name=name, options=ordered, has_lsuv=bool(plus))


def tell_schemes() -> tuple[tuple[str, str], ...]:
    """Give every scheme's name, with its options, and its formula, for help."""
    return (
        *((name + _tell_options(name), row.told) for name, row in DRAWN.items()),
        *FROM_PICTURES.items(),
        *FROM_SOURCE.items(),
    )


def _tell_options(name: str) -> str:
    keys = ",".join(f"{key}=" for key in DRAWN[name].options)
    return f"[:{keys}]" if keys else ""


def _read_options(name: str, text: str) -> dict[str, Option]:
    known = DRAWN[name].options if name in DRAWN else {}
    options: dict[str, Option] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise _refused(name, f"has no option {key[:SHOWN]!r}; {has}")
        if key in options:
            raise _refused(name, f"is given {key} twice")
        if not equals:
            raise _refused(name, f"is given {key} without a value; write {key}=VALUE")
        try:
            options[key] = known[key](value)
        except ValueError as error:
            raise _refused(name, f"is given {key}={value[:SHOWN]}; {error}") from error
    _check_bounds(name, options)
    return options


def _check_bounds(name: str, options: dict[str, Option]) -> None:
    """Refuse a range that ends before it begins; the ends are 0 and 1 where they are not told."""
    least, most = float(options.get("min", 0)), float(options.get("max", 1))
    if least > most:
        raise _refused(name, f"is given a range from {least:g} to {most:g}")


def _unknown(name: str) -> Invalid:
    near = difflib.get_close_matches(name.lower(), (*EVERY, LSUV), NEAR, cutoff=0.5)
    meant = f"; near it: {', '.join(near)}." if near else "."
    return Invalid(
        f"There is no scheme {name[:SHOWN]!r} for how filters begin{meant}",
        hint=f"There are: {', '.join(EVERY)}; each may be followed by +{LSUV}.",
        scheme=name[:SHOWN],
        near=near,
    )


def _refused(name: str, reason: str) -> Invalid:
    return Invalid(
        f"The scheme {name!r} {reason}.",
        hint="Write NAME:key=value,key=value as in gaussian:std=0.01,sparse=15.",
        scheme=name,
    )
