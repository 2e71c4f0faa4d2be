"""The terms on which a job is queued, beside what it is to do."""

from typing import Annotated

from pydantic import Field

from zoo.domain.resources import Needs
from zoo.domain.terms import (
    HIGHEST,
    LOWEST,
    MOST_AFTER,
    MOST_MEMORY_BYTES,
    MOST_THREADS,
    OWN_HIGHEST,
    USUAL,
    Terms,
)
from zoo.web.shapes.base import Shape

Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
ORDER = f"the higher comes first; above {OWN_HIGHEST} for admins"
Priority = Annotated[int, Field(ge=LOWEST, le=HIGHEST, description=ORDER)]


class TermsBody(Shape):
    """What every body that queues a job may say."""

    priority: int | None = Field(
        default=None,
        ge=LOWEST,
        le=HIGHEST,
        description=f"{ORDER}; null is {USUAL}, or what a job has that is queued already",
    )
    after: list[Number] = Field(
        default=[], max_length=MOST_AFTER, description="jobs that have to succeed before"
    )
    threads: int | None = Field(
        default=None, ge=1, le=MOST_THREADS, description="null is what is usual for the kind"
    )
    memory_bytes: int | None = Field(
        default=None, ge=1, le=MOST_MEMORY_BYTES, description="null is what is usual for the kind"
    )

    @property
    def terms(self) -> Terms:
        """Give what the operation takes."""
        return Terms(
            priority=self.priority,
            after=tuple(self.after),
            needs=Needs(threads=self.threads, memory_bytes=self.memory_bytes),
        )
