"""A Caffe network as a value: its layers, in order, with their parameters typed.

Names and defaults are those of BVLC's caffe.proto; every layer's type is the current (V2) string,
whatever generation of the format it was read from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.domain.weights import Array

Blobs = Mapping[str, tuple[Array, ...]]
"""A layer's blobs by layer name, in blob order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """Cross-correlation; weight is (num_output, in/group, kh, kw)."""

    num_output: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1
    has_bias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """Windows of a maximum or an average; sizes round up unless ``has_ceil`` is false."""

    method: str  # "MAX" or "AVE"
    kernel: tuple[int, int] = (0, 0)  # (0, 0) where is_global
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    is_global: bool = False
    has_ceil: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerProduct:
    """A fully connected layer over all axes from ``axis`` on."""

    num_output: int
    axis: int = 1
    is_transposed: bool = False
    has_bias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReLU:
    """max(x, 0) + negative_slope * min(x, 0)."""

    negative_slope: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LRN:
    """Local response normalisation, across channels or within each."""

    is_within_channel: bool = False
    local_size: int = 5
    alpha: float = 1.0
    beta: float = 0.75
    k: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """The identity outside training."""

    ratio: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax:
    """exp(x) / sum(exp(x)) along one axis."""

    axis: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat:
    """Bottoms joined along one axis."""

    axis: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten:
    """Axes from ``axis`` to ``end_axis`` become one."""

    axis: int = 1
    end_axis: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm:
    """(x - mean) / sqrt(var + eps) with stored statistics; no affine part of its own."""

    eps: float = 1e-5
    moving_average_fraction: float = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """x * scale (+ bias), one number per channel."""

    axis: int = 1
    has_bias: bool = False


Parameters = (
    Convolution
    | Pooling
    | InnerProduct
    | ReLU
    | LRN
    | Dropout
    | Softmax
    | Concat
    | Flatten
    | BatchNorm
    | Scale
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: what it reads, writes and does. A top equal to a bottom is in place."""

    name: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    parameters: Parameters

    @property
    def type(self) -> str:
        """The layer's type as prototxt files name it."""
        return type(self.parameters).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A blob that is fed from outside: N x C x H x W."""

    blob: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """A network for prediction: sources, losses and split copies are gone."""

    name: str
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    dropped: tuple[str, ...] = ()  # layers left out, "name (Type)"
    unknown: tuple[str, ...] = ()  # fields that were not understood, "layer.field"
