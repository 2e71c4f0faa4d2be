"""Pictures as numbers of mean 0 and deviation 1, for networks whose weights begin anew."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from zoo.domain.preprocessing import Preprocessing
from zoo.images.prepare import Pixels
from zoo.networks.preprocess import Preprocess

LEAST_SPREAD = 1.0  # levels of 255; of pictures that are all alike


def standardise(pictures: Preprocessing, seen: Sequence[Pixels]) -> Preprocessing:
    """Give a preprocessing with the numbers of some pictures per channel, all else the same."""
    none, one = ((value,) * pictures.channel_count for value in (0.0, 1.0))
    plain = replace(pictures, scale=1.0, mean_tensor=None, mean=none, std=one)
    numbers = Preprocess(plain)(torch.from_numpy(np.stack(seen)))
    deviation = numbers.std(dim=(0, 2, 3)).clamp_min(LEAST_SPREAD)
    mean = numbers.mean(dim=(0, 2, 3))
    return replace(plain, mean=tuple(mean.tolist()), std=tuple(deviation.tolist()))
