"""The numbers of a prepared picture as the network reads them; the part inside exported graphs."""

import numpy as np
import torch
from torch import Tensor, nn

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.weights import Array, Weights
from zoo.errors import WeightsMismatch

# ITU-R 601 luma in 65536ths, as Pillow counts it. Every product and sum of them with pixels is a
# whole number below 2^24, so float32 holds it exactly and gray pictures keep their values.
LUMA = (19595.0, 38470.0, 7471.0)
LUMA_UNIT = 65536.0


class Preprocess(nn.Module):
    """Turn uint8 RGB pictures, N x H x W x 3, into float32 N x C x H x W for the network.

    Order of channels, then ``(x * scale - mean) / std``, each step rounded to float32; resize and
    crop have happened before. Holds no parameters and adds nothing to a state dict.

    Raises:
        WeightsMismatch: the mean image is missing or not of the picture's shape.
    """

    scale: Tensor
    mean: Tensor
    std: Tensor
    luma: Tensor

    def __init__(self, preprocessing: Preprocessing, mean_image: Array | None = None) -> None:
        super().__init__()
        self.channels = preprocessing.channels
        buffers = {
            "scale": np.float32(preprocessing.scale),
            "mean": mean_of(preprocessing, mean_image),
            "std": np.reshape(preprocessing.std, (-1, 1, 1)),
            "luma": np.reshape(LUMA, (3, 1, 1)),
        }
        for name, value in buffers.items():
            tensor = torch.tensor(np.asarray(value, dtype=np.float32))
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Prepare a batch; differentiable from the float picture on."""
        x = images.permute(0, 3, 1, 2).float()
        if self.channels is Channels.BGR:
            x = x.flip(1)
        elif self.channels is Channels.GRAY:
            x = (x * self.luma).sum(1, keepdim=True) / LUMA_UNIT
        return (x * self.scale - self.mean) / self.std


def mean_of(preprocessing: Preprocessing, mean_image: Array | None) -> Array:
    """Give what is subtracted: c x h x w of a mean image, or c x 1 x 1 of numbers per channel.

    Raises:
        WeightsMismatch: the mean image is missing or not of the picture's shape.
    """
    if preprocessing.mean_tensor is None:
        return np.reshape(np.asarray(preprocessing.mean, np.float32), (-1, 1, 1))
    expected = (preprocessing.channel_count, *preprocessing.crop_px)
    found = None if mean_image is None else mean_image.shape
    if mean_image is None or found != expected:
        raise WeightsMismatch(
            f"The mean image {preprocessing.mean_tensor!r} has the shape {found},"
            f" the network's pictures have {expected}.",
            hint="Import the package again; its mean image is cropped to the input's size then.",
            expected=expected,
            found=found,
        )
    return mean_image.astype(np.float32)


def find_mean_image(preprocessing: Preprocessing, weights: Weights) -> Array | None:
    """Give the mean image that lies beside the weights, or None where there is none."""
    return None if preprocessing.mean_tensor is None else weights.get(preprocessing.mean_tensor)
