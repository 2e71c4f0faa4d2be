"""Single filters of a revision: what they hold, what they look like, and which waves they pass."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from zoo.domain.filters import KernelStatistics, Layout
from zoo.filters.kernel import describe_kernel, draw_kernel, draw_spectrum
from zoo.filters.portrait import lay_portrait
from zoo.images.heat import as_png
from zoo.operations.filters import FilterPicture, FilterView, find_view
from zoo.operations.opening import Zoo

VERSION = 1  # of how they are drawn: raise it where that changes


class Shows(StrEnum):
    """What a picture of one filter shows."""

    PLANES = "planes"  # the numbers of each channel
    SPECTRUM = "spectrum"  # its gain for waves


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelView:
    """What a picture of one filter depends on."""

    view: FilterView
    index: int
    shows: Shows

    @property
    def tag(self) -> str:
        """A name that changes with everything the picture depends on."""
        parts = [VERSION, self.view.tag, self.index, self.shows.value]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def get_kernel(zoo: Zoo, address: str, layer: str | None, index: int) -> KernelStatistics:
    """Tell the numbers of a filter of a layer, or of the first one.

    Raises:
        As ``find_view``; LayerNotFound too where the layer has no filter of that number.
    """
    return describe_kernel(find_view(zoo, address, layer).tensor, index)


def draw_kernel_view(shown: KernelView) -> FilterPicture:
    """Draw one filter, or its spectrum: a PNG that carries what it shows as texts.

    Raises:
        LayerNotFound: the layer has no filter of that number.
        Invalid: there is nothing to be drawn.
    """
    view, layer = shown.view, shown.view.tensor.layer
    portrait = (
        draw_spectrum(view.tensor, shown.index)
        if shown.shows is Shows.SPECTRUM
        else draw_kernel(view.tensor, shown.index, channels=view.channels)
    )
    texts = {
        "model": view.revision.address,
        "layer": layer,
        "kernel": str(shown.index),
        "shown": portrait.told,
    }
    return FilterPicture(png=as_png(portrait.pixels, texts), layer=layer, told=portrait.told)


def lay_view(view: FilterView) -> Layout:
    """Tell where the filters lie in the picture of a layer that has no legend.

    Raises:
        Invalid: there is no number to be drawn.
    """
    return lay_portrait(view.tensor, scaling=view.scaling, channels=view.channels)
