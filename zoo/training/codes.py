"""Codes: a network's activations below its head, computed once a picture and kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zoo.training.cache import Codes, CodesCache

Pixels = NDArray[np.uint8]
BATCH = 16
SHARD = 128  # pictures whose codes are lost at most by a kill


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesTask:
    """What it takes to compute codes."""

    body: nn.Module  # float N x C x H x W to codes N x D, or a tuple of them
    preprocess: nn.Module  # uint8 N x H x W x 3 to float N x C x H x W
    load: Callable[[str], Pixels]  # picture digest to uint8 H x W x 3
    device: torch.device
    is_bf16: bool = False  # multiply in bfloat16; the preprocessing stays as it is


def gather_codes(
    task: CodesTask,
    digests: Iterable[str],
    cache: CodesCache,
    report: Callable[[int, int], None],
) -> dict[str, Codes]:
    """Give the codes of these pictures by digest, from the cache or computed and then kept.

    ``report`` is told (done, total) after every batch that was computed.
    """
    (codes,) = gather_taps(task, digests, (cache,), report)
    return codes


def gather_taps(
    task: CodesTask,
    digests: Iterable[str],
    caches: Sequence[CodesCache],
    report: Callable[[int, int], None],
) -> list[dict[str, Codes]]:
    """Give the codes of these pictures at several taps, each with a cache of its own.

    The body gives a tuple of N x D, one for each cache, from a single pass; pictures that all
    caches know take none.
    """
    wanted = dict.fromkeys(digests)
    known = [cache.read(wanted) for cache in caches]
    missing = [digest for digest in wanted if not all(digest in one for one in known)]
    waiting: dict[str, Sequence[Codes]] = {}
    for done, (digest, codes) in enumerate(_compute(task, missing), 1):
        waiting[digest] = codes
        if len(waiting) == SHARD or done == len(missing):
            for number, (cache, found) in enumerate(zip(caches, known, strict=True)):
                fresh = {key: each[number] for key, each in waiting.items() if key not in found}
                if fresh:
                    cache.add(list(fresh), np.stack(list(fresh.values())))
                    found.update(fresh)
            waiting = {}
        if done % BATCH == 0 or done == len(missing):
            report(done, len(missing))
    return [{digest: found[digest] for digest in wanted} for found in known]


def _compute(task: CodesTask, digests: Sequence[str]) -> Iterator[tuple[str, Sequence[Codes]]]:
    """Run the body over pictures, batch by batch, in evaluation mode."""
    task.body.eval()
    for start in range(0, len(digests), BATCH):
        batch = digests[start : start + BATCH]
        images = torch.from_numpy(np.stack([task.load(digest) for digest in batch]))
        with torch.inference_mode():
            prepared = task.preprocess(images.to(task.device))
            with torch.autocast(task.device.type, torch.bfloat16, enabled=task.is_bf16):
                given = task.body(prepared)
            taps = given if isinstance(given, tuple) else (given,)
            codes = [tap.float().cpu().numpy() for tap in taps]
        for row, digest in enumerate(batch):
            yield digest, [tap[row] for tap in codes]


def apply_head(codes: Codes, weight: Codes, bias: Codes) -> Codes:
    """Give N x K probabilities for N x D codes, as a network's head in torch does."""
    with torch.inference_mode():
        scores = torch.nn.functional.linear(
            torch.from_numpy(codes), torch.from_numpy(weight), torch.from_numpy(bias)
        )
        probabilities: Codes = scores.softmax(dim=1).numpy()
    return probabilities
