"""Pictures become the numbers the network was trained on."""

import numpy as np
import pytest
import torch

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.errors import WeightsMismatch
from zoo.networks.preprocess import Preprocess, find_mean_image

PLAIN = {"crop_px": (4, 5), "scale": 1.0, "mean": (0.0,) * 3, "std": (1.0,) * 3}


def make_pictures(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, 4, 5, 3), np.uint8)


def test_channels_come_first_and_in_order():
    pictures = make_pictures()
    for channels, order in ((Channels.RGB, [0, 1, 2]), (Channels.BGR, [2, 1, 0])):
        x = Preprocess(Preprocessing(**PLAIN, channels=channels))(torch.tensor(pictures)).numpy()
        np.testing.assert_array_equal(x, pictures[..., order].transpose(0, 3, 1, 2))


def test_gray_pictures_keep_their_values():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    gray = Preprocessing(
        crop_px=(16, 16), channels=Channels.GRAY, scale=1.0, mean=(0.0,), std=(1.0,)
    )
    assert Preprocess(gray)(torch.tensor(levels)).flatten().tolist() == list(range(256))


def test_scale_comes_before_mean_and_mean_before_deviation():
    chosen = Preprocessing(crop_px=(4, 5), scale=0.5, mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0))
    pictures = make_pictures()
    x = Preprocess(chosen)(torch.tensor(pictures)).numpy()
    expected = (pictures * 0.5 - np.array([1, 2, 3])) / np.array([2, 4, 8])
    np.testing.assert_allclose(x, expected.transpose(0, 3, 1, 2), rtol=1e-6)


def test_a_mean_image_is_subtracted_place_by_place():
    chosen = Preprocessing(**PLAIN, mean_tensor="preprocessing.mean")
    image = np.random.default_rng(1).random((3, 4, 5)).astype(np.float32)
    found = find_mean_image(chosen, {"preprocessing.mean": image})
    pictures = make_pictures()
    x = Preprocess(chosen, found)(torch.tensor(pictures)).numpy()
    np.testing.assert_array_equal(x, pictures.transpose(0, 3, 1, 2) - image)


def test_numbers_per_channel_need_no_mean_image():
    assert find_mean_image(Preprocessing(**PLAIN), {}) is None


@pytest.mark.parametrize("image", [None, np.zeros((3, 5, 4), np.float32)])
def test_a_mean_image_that_is_missing_or_misshapen_is_refused(image):
    chosen = Preprocessing(**PLAIN, mean_tensor="preprocessing.mean")
    with pytest.raises(WeightsMismatch, match=r"\(3, 4, 5\)"):
        Preprocess(chosen, image)


def test_preprocessing_adds_nothing_to_a_state_dict():
    assert not Preprocess(Preprocessing(**PLAIN)).state_dict()
