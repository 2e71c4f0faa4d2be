"""The options of every command that queues a job: how soon, after which others, with how much."""

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from zoo.domain.resources import Needs
from zoo.domain.terms import HIGHEST, LOWEST, MOST_MEMORY_BYTES, MOST_THREADS, Terms

SIZE = re.compile(r"([0-9]{1,15})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Size(click.ParamType[int]):
    """A number of bytes, as 4G or 512M."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        match = SIZE.fullmatch(str(value).strip())
        size_bytes = int(match[1]) * UNITS[match[2].upper()] if match else 0
        if not 0 < size_bytes <= MOST_MEMORY_BYTES:
            self.fail(f"{value!r} is no size. Give bytes, or 512M, 4G.", param, ctx)
        return size_bytes


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command take the options, and be given them as its ``terms``."""

    @click.option(
        "--after",
        metavar="JOB",
        type=click.IntRange(1),
        multiple=True,
        help="A job that has to succeed before; again for more.",
    )
    @click.option(
        "--priority",
        type=click.IntRange(LOWEST, HIGHEST),
        help="The higher comes first; above 0 for admins. A new job has 0 unless told.",
    )
    @click.option(
        "--threads",
        type=click.IntRange(1, MOST_THREADS),
        help="Threads of its machine.  [default: a slot's part]",
    )
    @click.option(
        "--memory",
        metavar="SIZE",
        type=Size(),
        help="Memory of its machine that it needs, such as 4G.  [default: by the kind]",
    )
    @functools.wraps(command)
    def with_terms(
        *arguments: object,
        after: tuple[int, ...],
        priority: int | None,
        threads: int | None,
        memory: int | None,
        **more: object,
    ) -> object:
        needs = Needs(threads=threads, memory_bytes=memory)
        terms = Terms(priority=priority, after=after, needs=needs)
        return command(*arguments, terms=terms, **more)

    return with_terms
