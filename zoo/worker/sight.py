"""How a network sees the pictures of a dataset: read, prepared, and as codes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo.domain.preprocessing import Preprocessing
from zoo.images.prepare import Pixels
from zoo.networks.preprocess import Preprocess, find_mean_image
from zoo.operations.opening import Zoo
from zoo.worker.album import Album
from zoo.worker.parent import Parent

AT_ONCE = 16


@dataclass(slots=True, kw_only=True)
class Sight:
    """Pictures, by digest, as a revision's network reads them."""

    zoo: Zoo
    parent: Parent
    device: torch.device
    _album: Album = field(init=False)
    _preprocess: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        """Read the mean image once."""
        self._album = Album(zoo=self.zoo, preprocessing=self.pictures)
        mean = find_mean_image(self.pictures, self.parent.weights)
        self._preprocess = Preprocess(self.pictures, mean).to(self.device)

    @property
    def pictures(self) -> Preprocessing:
        """How pictures are prepared."""
        return self.parent.config.preprocessing

    def read(self, digest: str) -> Pixels:
        """Read a picture as it is served."""
        return self._album.read(digest)

    def read_uncropped(self, digest: str) -> Pixels:
        """Read a picture at the same size, all of it."""
        return self._album.read_whole(digest)

    def prepare(self, pixels: Sequence[Pixels]) -> Tensor:
        """Give what the network reads, on its device."""
        x: Tensor = self._preprocess(torch.from_numpy(np.stack(pixels)).to(self.device))
        return x.contiguous(memory_format=torch.channels_last)

    def codes(self, body: nn.Module, pixels: Sequence[Pixels]) -> NDArray[np.float32]:
        """Give the codes of pictures, N x D, by a body that gives a tuple of them."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(pixels), AT_ONCE):
                given = body(self.prepare(pixels[start : start + AT_ONCE]))
                found.append(torch.cat(given, dim=1).float().cpu().numpy())
        codes: NDArray[np.float32] = np.concatenate(found)
        return codes
