"""What is trained: a body, and a head that reads its codes standardised."""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo.training.spread import spread_of

Matrix = NDArray[np.float32]


class Learner(nn.Module):
    """A body that gives codes, and a linear head on them; the head's rate fits codes of any scale.

    ``mean`` and ``deviation`` are those of the codes before the first step and stay.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, body: nn.Module, codes: Matrix, classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(codes.shape[1], classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.from_numpy(codes.mean(axis=0)), persistent=False)
        spread = spread_of(codes).astype(np.float32)
        self.register_buffer("deviation", torch.from_numpy(spread), persistent=False)

    def begin_with(self, weight: Matrix, bias: Matrix) -> Self:
        """Let the head say what one that reads bare codes says, K x D and K."""
        own = self.deviation.cpu().double().numpy()
        middle = self.mean.cpu().double().numpy()
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight * own))
            self.head.bias.copy_(torch.from_numpy(bias + weight @ middle))
        return self

    def folded(self) -> tuple[Matrix, Matrix]:
        """Give the head that reads bare codes: scores = codes @ weight.T + bias."""
        weight = self.head.weight.detach().cpu().double().numpy()
        bias = self.head.bias.detach().cpu().double().numpy()
        weight = weight / self.deviation.cpu().double().numpy()
        bias = bias - weight @ self.mean.cpu().double().numpy()
        return weight.astype(np.float32), bias.astype(np.float32)

    def forward(self, x: Tensor) -> Tensor:
        """Give the scores of what the body reads, N x K."""
        given = self.body(x)
        codes = torch.cat(given, dim=1) if isinstance(given, tuple) else given
        scores: Tensor = self.head((codes.float() - self.mean) / self.deviation)
        return scores
