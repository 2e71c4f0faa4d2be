"""How much an owner may have, and has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The most that an owner may have; None is no limit."""

    most_bytes: int | None = None
    most_models: int | None = None
    most_revisions: int | None = None

    @property
    def is_unlimited(self) -> bool:
        """Tell whether there is no limit at all."""
        return (self.most_bytes, self.most_models, self.most_revisions) == (None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an owner has: bytes that several revisions share count once."""

    owner: str
    size_bytes: int
    models: int
    revisions: int
    quota: Quota
