"""The handwritten digits that come with scikit-learn: real pictures that need no download.

1,797 digits of 43 people, 8 x 8 pixels of 17 levels (Alpaydin and Kaynak 1998, UCI).
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

LEVELS = 16  # the brightest of the 17


def read_digits(classes: Iterable[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Give (digit, 8 x 8 pixels of 0..255) for the digits of some classes, in the set's order."""
    data = load_digits()
    wanted = set(classes)
    for image, digit in zip(data.images, data.target, strict=True):
        if int(digit) in wanted:
            yield int(digit), np.round(image * (255 / LEVELS)).astype(np.uint8)


def write_digits(folder: Path, classes: Iterable[int]) -> int:
    """Write digits as PNG files into one folder per class; return how many there are."""
    count = 0
    for count, (digit, pixels) in enumerate(read_digits(classes), 1):  # the last one counts
        path = folder / str(digit) / f"{count:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
    return count
