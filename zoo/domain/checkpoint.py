"""What a reader found in the files that came in, whatever their format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Source
from zoo.domain.surgery import Surgery
from zoo.domain.weights import Array, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the importer is told beyond the files; it wins over what they say."""

    architecture: str | None = None  # "torchvision:resnet18"
    preprocessing: Mapping[str, Any] | None = None  # fields of Preprocessing
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Weights, what builds the network they belong to, and how it is fed.

    What is None was not told by the files; a source that is built by a library may know it.
    """

    kind: str  # a key of zoo.formats.table.READERS
    title: str
    architecture: str  # what the network is called
    weights: Weights
    source: Source | None = None  # None: stored, not runnable, and ``reason`` says why
    surgeries: tuple[Surgery, ...] = ()
    reason: str = ""
    labels: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    mean_image: Array | None = None  # c x h x w, in the units of ``Preprocessing.mean``
    licence: str | None = None
    prose: str = ""  # of the card that came along
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what is not as a reader would expect, a sentence each
    files: Mapping[str, bytes] = field(default_factory=dict)  # written by the reader, to be kept
    renamed: Mapping[str, str] = field(default_factory=dict)  # originals to be kept elsewhere
