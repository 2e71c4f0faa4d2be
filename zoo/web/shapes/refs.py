"""Branches, tags and aliases; what becomes of a model."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from zoo.domain.revision import Ref, RefKind, RefMove
from zoo.web.shapes.base import WITHOUT_NUL, Shape

MOST_NAME, MOST_REF = 200, 128


class RefAnswer(Shape):
    """A movable name of a revision."""

    name: str
    kind: RefKind
    revision: str
    is_protected: bool = Field(description="moved and deleted by admins of its owner only")

    @classmethod
    def of(cls, ref: Ref) -> Self:
        """Show a ref."""
        return cls.model_validate(ref)


class RefMoveAnswer(Shape):
    """One move of a ref."""

    ref: str
    old: str | None
    new: str | None
    at: datetime


class RefsQuery(Shape):
    """Which part of the moves."""

    before: int | None = Field(default=None, ge=1, description="the number the page begins before")
    limit: int = Field(default=1000, ge=1, le=1000, description="moves")


class RefsAnswer(Shape):
    """A model's refs by name, and a page of the moves they made, the newest first."""

    refs: list[RefAnswer]
    moves: list[RefMoveAnswer]
    next: int | None = Field(description="give it as `before` for the next page of moves")

    @classmethod
    def of(cls, refs: list[Ref], moves: list[RefMove], *, limit: int) -> Self:
        """Show the refs of a model, and so many of its moves, one more of which tells of a page."""
        return cls(
            refs=[RefAnswer.of(ref) for ref in refs],
            moves=[RefMoveAnswer.model_validate(move) for move in moves[:limit]],
            next=moves[limit - 1].number if len(moves) > limit else None,
        )


class RefBody(Shape):
    """What a ref is to be: a new tag, or an alias wherever it points by now."""

    kind: Literal[RefKind.TAG, RefKind.ALIAS] = RefKind.ALIAS
    revision: str = Field(
        max_length=MOST_REF, pattern=WITHOUT_NUL, description="an id, the beginning of one, a ref"
    )
    expected: str | None = Field(
        default=None, max_length=MOST_REF, description="the id that an alias points to still"
    )


class ProtectionBody(Shape):
    """Who may move a ref."""

    is_protected: bool


class ModelBody(Shape):
    """What is to become of a model; what is not told stays as it is."""

    name: str | None = Field(default=None, max_length=MOST_NAME, pattern=WITHOUT_NUL)
    is_private: bool | None = None
    is_deleted: Literal[False] | None = Field(
        default=None, description="false takes a deleted model back"
    )
