"""The training pictures that an advice looks at, and what is known of them by counting."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.plan import Plan
from zoo.planning import NAMED, choose_folds, plan_finetune

MOST_PICTURES = 1000  # training pictures that are looked at

Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The training pictures that are looked at."""

    dataset: Dataset
    pictures: Sequence[Picture]
    labels: Labels
    plan: Plan

    @cached_property
    def counts(self) -> dict[str, int]:
        """Count the pictures of each class that is held out in some fold."""
        counts = np.bincount(self.labels)
        pairs = zip(self.dataset.classes, counts.tolist(), strict=True)
        return {label: count for label, count in pairs if count >= self.plan.folds}

    @property
    def largest(self) -> tuple[str, float]:
        """Name the largest class of those, and its share: what always saying it has right."""
        label = max(self.counts, key=lambda one: self.counts[one])
        return label, self.counts[label] / sum(self.counts.values())

    @property
    def chance(self) -> float:
        """The figure that is had without looking, of those that choices are made by."""
        return 1 / len(self.counts) if self.plan.balanced else self.largest[1]

    @property
    def told(self) -> float:
        """How many pictures of equal classes would tell as much of what choices are made by."""
        counts = self.counts.values()
        if not self.plan.balanced:
            return sum(counts)
        return len(counts) ** 2 / sum(1 / count for count in counts)

    @property
    def digests(self) -> list[str]:
        """Name their bytes."""
        return [picture.digest for picture in self.pictures]

    @property
    def unequal(self) -> dict[str, Any]:
        """What an accuracy is to be read beside, where classes are of unequal size."""
        label, share = self.largest
        return {"unequal": {"label": label, "share": share}} if self.plan.balanced else {}

    def tell_unequal(self) -> list[str]:
        """Say that classes are unequal, and which have too few pictures to be measured."""
        if not self.plan.balanced:
            return []
        label, share = self.largest
        rare = [f"{one!r}" for one in self.dataset.classes if one not in self.counts]
        more = f" and {len(rare) - NAMED} more" if len(rare) > NAMED else ""
        told = (
            f"classes are unequal: always {label!r} has an accuracy of {share:.3f}; all is judged "
            "by balanced accuracy, the mean of each class's own, of which that has "
            f"{self.chance:.3f}"
        )
        few = (
            f"too few pictures to be measured: {', '.join(rare[:NAMED])}{more}; all figures are of"
            f" the other {len(self.counts)} of {len(self.dataset.classes)} classes"
        )
        return [told, few] if rare else [told]


def draw_sample(dataset: Dataset, seed: int) -> Sample:
    """Draw at most a thousand training pictures, each class by its share, the same ones always."""
    pictures = dataset.of_split(Split.TRAIN)
    share = min(1.0, MOST_PICTURES / len(pictures))
    totals = Counter(picture.label for picture in pictures)
    left = {label: max(2, round(share * total)) for label, total in totals.items()}
    chosen = []
    for picture in sorted(pictures, key=lambda one: one.digest):
        if left[picture.label]:
            left[picture.label] -= 1
            chosen.append(picture)
    index = {label: number for number, label in enumerate(dataset.classes)}
    labels = np.array([index[picture.label] for picture in chosen])
    plan = plan_finetune(dataset, seed=seed)
    folds = min(plan.folds, choose_folds(np.bincount(labels).tolist()))
    return Sample(dataset=dataset, pictures=chosen, labels=labels, plan=replace(plan, folds=folds))
