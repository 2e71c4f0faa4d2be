"""How much owners may have, and have."""

from typing import Self

from pydantic import Field

from zoo.domain.quota import Quota, Usage
from zoo.web.shapes.accounts import Name
from zoo.web.shapes.base import Shape

MOST = 2**53 - 1  # what every reader of JSON holds exactly
MOST_ROWS = 2**31 - 1


class QuotaAnswer(Shape):
    """The most that an owner may have; null is no limit."""

    most_bytes: int | None
    most_models: int | None
    most_revisions: int | None


class UsageAnswer(Shape):
    """What an owner has, and may have."""

    owner: str = Field(description="'' is what has none")
    size_bytes: int = Field(description="that its models and uploads refer to, each once")
    models: int
    revisions: int
    quota: QuotaAnswer

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Show what an owner has."""
        return cls.model_validate(usage)


class UsagesAnswer(Shape):
    """What all owners have, by name."""

    owners: list[UsageAnswer]


class QuotaBody(Shape):
    """What an owner may have; what is not named has no limit."""

    owner: Name = Field(description="'' is what has none")
    is_default: bool = Field(default=False, description="takes what the settings give everyone")
    most_bytes: int | None = Field(default=None, ge=0, le=MOST)
    most_models: int | None = Field(default=None, ge=0, le=MOST_ROWS)
    most_revisions: int | None = Field(default=None, ge=0, le=MOST_ROWS)

    def quota(self) -> Quota | None:
        """Give the quota that is meant; None is that of the settings."""
        if self.is_default:
            return None
        return Quota(
            most_bytes=self.most_bytes,
            most_models=self.most_models,
            most_revisions=self.most_revisions,
        )
