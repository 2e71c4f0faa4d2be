"""Several processes that train one network: each takes a share of every batch.

Gradients are sums over the pictures of a batch, so the sum of what all ranks found is what one
process would have found, but for the order of additions. Every rank then takes the same step.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist

from zoo.errors import Interrupted, RankLost, ZooError

PATIENCE = timedelta(minutes=30)  # with ranks that build their network, or measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The processes of a training, as one of them sees them."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Tell whether this is the process that keeps, tells and publishes."""
        return self.rank == 0

    def share(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the part of some places that is this rank's."""
        return np.array_split(places, self.count)[self.rank]

    def check(self, check: Callable[[], None]) -> None:
        """Stop where ``check`` of the first rank says so, all ranks at the same step.

        Raises:
            Interrupted, LeaseLost: as ``check``; the other ranks are interrupted.
        """
        if self.count == 1:
            check()
            return
        error: ZooError | None = None
        if self.is_first:
            try:
                check()
            except ZooError as raised:
                error = raised
        told = self.tell(error is not None)
        if error is not None:
            raise error
        if told:
            raise Interrupted

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors of one type by their sums over all ranks."""
        given = list(tensors)
        if self.count == 1 or not given:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in given])
        with _translated():
            dist.all_reduce(flat)
        for tensor, part in zip(
            given, flat.split([tensor.numel() for tensor in given]), strict=True
        ):
            tensor.copy_(part.view_as(tensor))

    def copy(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the first rank."""
        if self.count == 1:
            return
        for tensor in tensors:
            held = tensor.detach().clone(memory_format=torch.contiguous_format)
            with _translated():
                dist.broadcast(held, 0)
            tensor.detach().copy_(held)

    def tell(self, value: Any) -> Any:  # noqa: ANN401  # what pickle takes; the ranks are one program
        """Give what the first rank has for this value, on all ranks."""
        if self.count == 1:
            return value
        held = [value]
        with _translated():
            dist.broadcast_object_list(held, 0)
        return held[0]


ALONE = Ranks()


def find_met() -> Ranks | None:
    """Give the ranks where a cluster had them meet already; None where nobody did."""
    if not dist.is_initialized():
        return None
    return Ranks(rank=dist.get_rank(), count=dist.get_world_size())


@contextmanager
def joined(rank: int, count: int, meeting: Path, device: torch.device) -> Iterator[Ranks]:
    """Join the ranks of one machine, who find each other by a file that is not there yet.

    Raises:
        RankLost: another one ended, or did not come.
    """
    backend = "nccl" if device.type == "cuda" else "gloo"
    with _translated():
        dist.init_process_group(
            backend,
            init_method=f"file://{meeting}",
            rank=rank,
            world_size=count,
            timeout=PATIENCE,
            device_id=device if device.type == "cuda" else None,
        )
    try:
        yield Ranks(rank=rank, count=count)
    finally:
        dist.destroy_process_group()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RankLost(f"One of the processes of this training ended: {error}") from error
