"""Pictures of a batch blended in pairs, labels alike (mixup: Zhang et al. 2018, eq. 1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

STREAM = 0x6D6978  # keeps these draws apart from others of the same seed and step


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """With which other picture of a batch each is blended; 1 - ``share`` is the other's."""

    share: float
    partners: NDArray[np.intp]  # places in the batch, each once

    def read(
        self, read: Callable[[Sequence[int]], Tensor], places: Sequence[int], part: NDArray[np.intp]
    ) -> Tensor:
        """Give a part of a batch blended; the others are read too, so any division is alike."""
        x = read([places[index] for index in part])
        if self.share == 1:
            return x
        others = read([places[index] for index in self.partners[part]])
        return x * self.share + others * (1 - self.share)

    def loss(
        self, scores: Tensor, labels: Tensor, part: NDArray[np.intp], weights: Tensor | None
    ) -> Tensor:
        """Give the sum of the cross entropies of a part, ``labels`` being those of the batch."""
        own = _entropy(scores, labels[torch.from_numpy(part)], weights)
        if self.share == 1:
            return own
        other = _entropy(scores, labels[torch.from_numpy(self.partners[part])], weights)
        return own * self.share + other * (1 - self.share)


def draw_blend(count: int, *, alpha: float, seed: int, step: int) -> Blend:
    """Draw how the pictures of a batch are blended: a share of Beta(alpha, alpha), and partners.

    With ``alpha`` 0 each stays what it is.
    """
    if not alpha:
        return Blend(share=1.0, partners=np.arange(count))
    rng = np.random.default_rng([seed, step, STREAM])
    return Blend(share=float(rng.beta(alpha, alpha)), partners=rng.permutation(count))


def _entropy(scores: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    return nn.functional.cross_entropy(
        scores.float(), truth.to(scores.device), weight=weights, reduction="sum"
    )
