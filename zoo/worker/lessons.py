"""The pictures of a training as its loop takes them: random views, or values kept at a boundary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo.domain.dataset import Picture
from zoo.domain.training import Training
from zoo.images.kept import KeptPictures
from zoo.images.prepare import Pixels
from zoo.images.views import draw_view
from zoo.training.loop import Lesson
from zoo.worker.progress import Progress
from zoo.worker.sight import AT_ONCE, Sight

PICTURES_BYTES = 2**30  # of decoded pictures held in memory
BOUNDARY_BYTES = 2**31  # of values held at the frozen boundary
MOST_VIEWS = 4

Read = Callable[[Sequence[int], int], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Pictures and their classes by number."""

    pictures: Sequence[Picture]
    labels: NDArray[np.int64]

    def as_lesson(self, read: Read) -> Lesson:
        """Give them as the loop takes them."""
        return Lesson(labels=self.labels, names=[one.path for one in self.pictures], read=read)


def count_views(sight: Sight, lower: nn.Module, part: Part) -> int:
    """Tell how many views of all pictures fit into memory, as what a frozen part gives."""
    with torch.no_grad():
        one: Tensor = lower(sight.prepare([sight.read(part.pictures[0].digest)]))
    size = one.numel() * one.element_size() * len(part.pictures)
    return min(MOST_VIEWS, BOUNDARY_BYTES // size)


def teach(  # noqa: PLR0913  # which pictures, seen how
    sight: Sight,
    part: Part,
    training: Training,
    *,
    seed: int,
    lower: nn.Module | None,
    progress: Progress,
) -> Lesson:
    """Give pictures to learn from: a random view of each in every epoch.

    Where ``lower``, the frozen part, is given, what it gives for ``training.views`` views of each
    picture is computed once, and epochs take them in turn; with 0 views it runs each time.
    """
    kept = KeptPictures(read=sight.read_uncropped, most_bytes=PICTURES_BYTES)
    size = sight.pictures.crop_px

    def draw(place: int, epoch: int) -> Pixels:
        rng = np.random.default_rng([seed, epoch, place])
        picture = kept.get(part.pictures[place].digest)
        return draw_view(picture, size, rng, least=training.crop_least, has_flip=training.flip)

    def read(places: Sequence[int], epoch: int) -> Tensor:
        return sight.prepare([draw(place, epoch) for place in places])

    if lower is None:
        return part.as_lesson(read)
    if not training.views:
        return part.as_lesson(lambda places, epoch: _through(lower, read(places, epoch)))
    views = [
        _keep(lower, part, read, view, f"pictures, view {view + 1}", progress)
        for view in range(training.views)
    ]
    return part.as_lesson(
        lambda places, epoch: views[epoch % len(views)][list(places)].to(sight.device)
    )


def examine(sight: Sight, part: Part, *, lower: nn.Module | None, progress: Progress) -> Lesson:
    """Give pictures to be measured on, as they are served."""
    kept = KeptPictures(read=sight.read, most_bytes=PICTURES_BYTES)

    def read(places: Sequence[int], _: int) -> Tensor:
        return sight.prepare([kept.get(part.pictures[place].digest) for place in places])

    if lower is None:
        return part.as_lesson(read)
    values = _keep(lower, part, read, 0, "held-out pictures", progress)
    return part.as_lesson(lambda places, _: values[list(places)].to(sight.device))


def _keep(  # noqa: PLR0913, PLR0917  # what is computed of what
    lower: nn.Module, part: Part, read: Read, view: int, what: str, progress: Progress
) -> Tensor:
    """Compute what the frozen part gives for a view of all pictures."""
    rows, count = [], len(part.pictures)
    for start in range(0, count, AT_ONCE):
        places = range(start, min(start + AT_ONCE, count))
        rows.append(_through(lower, read(places, view)).cpu())
        progress.count("boundary", what, places[-1] + 1, count)
    return torch.cat(rows)


def _through(lower: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = lower(x)
    return found
