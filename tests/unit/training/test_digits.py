"""The digits that come with scikit-learn, as a folder of class folders."""

import numpy as np
from PIL import Image

from zoo.training.digits import read_digits, write_digits


def test_the_digits_of_some_classes_are_given():
    digits = list(read_digits([3, 8]))
    assert {digit for digit, _ in digits} == {3, 8}
    assert len(digits) == 183 + 174
    pixels = np.stack([pixels for _, pixels in digits])
    assert (pixels.shape[1:], pixels.dtype) == ((8, 8), np.uint8)
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_they_are_written_one_folder_a_class_and_read_back_alike(tmp_path):
    assert write_digits(tmp_path, [3, 8]) == 357
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "8"]
    paths = sorted(tmp_path.glob("*/*.png"), key=lambda path: path.name)
    digits = read_digits([3, 8])
    for path, (digit, pixels) in zip(paths, digits, strict=True):
        assert path.parent.name == str(digit)
        with Image.open(path) as image:
            assert np.array_equal(np.asarray(image), pixels)
