"""Pictures to compare networks on where none are at hand: noise, and smooth ones."""

import numpy as np
from numpy.typing import NDArray

SEED = 0
WAVES = 6  # that a smooth picture is made of
MIDDLE = 127.5  # of 0..255


def draw_pictures(size_px: tuple[int, int], *, noise: int, smooth: int) -> NDArray[np.uint8]:
    """Draw pictures of both kinds, N x H x W x 3 uint8; the same ones every time."""
    return np.concatenate([draw_noise(noise, size_px), draw_smooth(smooth, size_px)])


def draw_noise(count: int, size_px: tuple[int, int], *, seed: int = SEED) -> NDArray[np.uint8]:
    """Draw pictures whose numbers are as likely as each other."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size_px, 3), np.uint8)


def draw_smooth(count: int, size_px: tuple[int, int], *, seed: int = SEED) -> NDArray[np.uint8]:
    """Draw pictures of a few long waves, such as large coloured shapes have."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.linspace(0, 2 * np.pi, px)[:, None] for px in size_px)
    waves = np.zeros((count, *size_px, 3))
    for _ in range(WAVES):
        down, right, phase = rng.uniform(-3, 3, (3, count, 1, 1, 3))
        waves += np.cos(rows[:, None] * down + columns * right + phase)
    return np.asarray(MIDDLE + MIDDLE * waves / WAVES, np.uint8)
