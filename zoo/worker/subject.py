"""What a fine-tune is about: a network, a dataset and a plan."""

from dataclasses import dataclass

from zoo.domain.dataset import Dataset
from zoo.domain.plan import Plan
from zoo.worker.parent import Parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is fine-tuned, and on what."""

    parent: Parent
    dataset: Dataset
    plan: Plan

    @property
    def shape(self) -> tuple[int, int, int]:
        """What the network reads of a picture: channels, height, width."""
        pictures = self.parent.config.preprocessing
        return (pictures.channel_count, *pictures.crop_px)
