"""What an accuracy on classes of unequal size is to be read beside."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Unequal:
    """What is had without looking, and what each class has by itself."""

    label: str  # the largest class
    share: float  # of the pictures: the accuracy of whoever always says that
    balanced_accuracy: float  # the mean of each class's own

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self)


def is_weighed(summary: Mapping[str, Any]) -> bool:
    """Tell whether a fine-tune weighed its classes, by the summary of its revision.

    Older ones do not tell: weighed were, as far as it can be known, those of unequal size.
    """
    return bool(summary.get("balanced", "unequal" in summary))


def carry_weighed(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Give what of the summary of a revision one that is made of its weights tells too."""
    return {"balanced": True} if is_weighed(summary) else {}


def tell_unequal(told: Mapping[str, Any] | None) -> str:
    """Say in words what ``Unequal.as_json`` holds; nothing where there is nothing to say."""
    if not told:
        return ""
    return (
        f"always {told['label']!r} would have {told['share']:.3f}; balanced accuracy, the mean of "
        f"each class's own, {told['balanced_accuracy']:.3f}"
    )
