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
    is_depthwise: bool = False  # of forks: as many groups as channels, whatever ``group`` says


@dataclass(frozen=True, slots=True, kw_only=True)
class Deconvolution:
    """The transpose of a Convolution; weight is (in, num_output/group, kh, kw)."""

    num_output: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1
    has_bias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """Windows of a maximum or an average; sizes round up unless ``has_ceil`` is false.

    A second top of MAX holds the flat index, in its map, of each window's first maximum.
    """

    method: str  # "MAX", "AVE" or "STOCHASTIC"
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
class Embed:
    """Rows of a table (input_dim, num_output) by whole numbers given as floats, plus a bias."""

    num_output: int
    input_dim: int
    has_bias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReLU:
    """max(x, 0) + negative_slope * min(x, 0)."""

    negative_slope: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PReLU:
    """max(x, 0) + slope * min(x, 0) with a learned slope a channel, or one for all."""

    is_shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ELU:
    """x above 0, else alpha * (exp(x) - 1)."""

    alpha: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid:
    """1 / (1 + exp(-x))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TanH:
    """The hyperbolic tangent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsVal:
    """The absolute value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BNLL:
    """log(1 + exp(x))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swish:
    """x * sigmoid(beta * x)."""

    beta: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """x held between ``least`` and ``most``; ReLU6 of forks is one from 0 to 6."""

    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """1 where x is above the threshold, else 0."""

    threshold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """(shift + scale * x) ^ power."""

    power: float = 1.0
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exp:
    """base ^ (shift + scale * x); a base of -1 stands for e."""

    base: float = -1.0
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """log(shift + scale * x) to the base; a base of -1 stands for e."""

    base: float = -1.0
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LRN:
    """Local response normalisation, across channels or within each."""

    is_within_channel: bool = False
    local_size: int = 5
    alpha: float = 1.0
    beta: float = 0.75
    k: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MVN:
    """x less its mean, over its standard deviation + eps: of each map, or of each picture."""

    has_variance: bool = True
    is_across_channels: bool = False
    eps: float = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalize:
    """SSD's: x over its L2 norm, of each place or of the whole picture, times a learned scale."""

    is_across_spatial: bool = True
    is_shared: bool = True
    eps: float = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm:
    """(x - mean) / sqrt(var + eps) with stored statistics; no affine part of its own.

    With ``has_statistics`` false the statistics are those of the batch, as ``use_global_stats:
    false`` asks even at prediction. With ``has_affine``, NVIDIA's ``scale_bias``, a scale and a
    bias follow; never part of a network that is built: ``normalise`` makes a Scale of them.
    """

    eps: float = 1e-5
    moving_average_fraction: float = 0.999
    has_statistics: bool = True
    has_affine: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BN:
    """SegNet's and PSPNet's: blobs scale and shift, or scale, shift, mean and variance.

    Never part of a network that is built: ``normalise`` turns it into BatchNorm and Scale, or,
    where SegNet's ``bn_mode: INFERENCE`` says that the statistics are in them, into Scale alone.
    """

    eps: float = 1e-5
    is_folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """x * scale (+ bias) over ``num_axes`` axes from ``axis`` on; -1 is all of them, 0 none.

    With two bottoms the second is the scale, and the bias the only blob.
    """

    axis: int = 1
    num_axes: int = 1
    has_bias: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """x + bias, over axes as Scale's; with two bottoms the second is the bias."""

    axis: int = 1
    num_axes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Axpy:
    """a * x + y of the bottoms a (N x C), x and y; of SENet's fork."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """The identity outside training; in some forks, with ``is_scaled_at_test``, x * (1 - ratio)."""

    ratio: float = 0.5
    is_scaled_at_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax:
    """exp(x) / sum(exp(x)) along one axis."""

    axis: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax:
    """The places of the ``top_k`` largest, as floats, and with ``has_values`` what they are.

    Without an axis: of all of a picture, N x 1 x k, or N x 2 x k with the values; x 1 where the
    bottom has four axes. Along an axis: the places, or the values alone.
    """

    has_values: bool = False
    top_k: int = 1
    axis: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Eltwise:
    """The product, the weighted sum or the maximum of bottoms of one shape."""

    operation: str = "SUM"  # or "PROD", "MAX"
    coefficients: tuple[float, ...] = ()  # of a sum; one each, or none


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat:
    """Bottoms joined along one axis."""

    axis: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One bottom cut along an axis at ``points``, or into equal parts; a top each."""

    axis: int = 1
    points: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """The first bottom cut, on all axes from ``axis`` on, to the size of the second."""

    axis: int = 2
    offsets: tuple[int, ...] = ()  # none is 0, one for all axes, or one each


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten:
    """Axes from ``axis`` to ``end_axis`` become one."""

    axis: int = 1
    end_axis: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape:
    """The axes from ``axis`` on, ``num_axes`` of them, become ``dims``: 0 copies, -1 is the rest.

    A negative axis counts from one behind the last.
    """

    dims: tuple[int, ...]
    axis: int = 0
    num_axes: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Permute:
    """Axes in another order; those not named follow in theirs."""

    order: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """One number of all axes from ``axis`` on, times a coefficient."""

    operation: str = "SUM"  # or "ASUM", "SUMSQ", "MEAN"
    axis: int = 0
    coefficient: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The bottom repeated along an axis."""

    tiles: int
    axis: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleChannel:
    """Channels of ``group`` groups taken in turn; of ShuffleNet's fork."""

    group: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SPP:
    """Spatial pyramid pooling: 1, 4, 16 ... bins, flattened and joined."""

    pyramid_height: int
    method: str = "MAX"  # or "AVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interp:
    """Bilinear resizing with aligned corners, after ``pad_begin`` and ``pad_end`` (0 or less).

    The size is ``size`` where given; else made smaller by ``shrink``, then larger by ``zoom``. With
    two bottoms it is that of the second. Of DeepLab's and PSPNet's forks.
    """

    size: tuple[int, int] = (0, 0)
    shrink: int = 1
    zoom: int = 1
    pad_begin: int = 0
    pad_end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsample:
    """Nearest neighbours ``scale`` times; with two bottoms SegNet's, to the places of a mask."""

    scale: tuple[int, int] = (2, 2)
    size: tuple[int, int] = (0, 0)  # SegNet's upsample_h and upsample_w, where given


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A blob of its own that is learned, and read by others; no bottom."""

    shape: tuple[int, ...]


Parameters = (
    Convolution
    | Deconvolution
    | Pooling
    | InnerProduct
    | Embed
    | ReLU
    | PReLU
    | ELU
    | Sigmoid
    | TanH
    | AbsVal
    | BNLL
    | Swish
    | Clip
    | Threshold
    | Power
    | Exp
    | Log
    | LRN
    | MVN
    | Normalize
    | BatchNorm
    | BN
    | Scale
    | Bias
    | Axpy
    | Dropout
    | Softmax
    | ArgMax
    | Eltwise
    | Concat
    | Slice
    | Crop
    | Flatten
    | Reshape
    | Permute
    | Reduction
    | Tile
    | ShuffleChannel
    | SPP
    | Interp
    | Upsample
    | Parameter
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """One blob of a layer that is another layer's: the two are one array.

    ``index`` counts the blobs of the layer that has this, ``owner_index`` those of the layer named
    ``owner``, which stands above it and owns what it shares. ``matching.shared_weights`` tells the
    same by the names of weights.
    """

    index: int
    owner: str
    owner_index: int
    is_permissive: bool = False  # equal counts suffice; the owner's numbers take this shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: what it reads, writes and does. A top equal to a bottom is in place.

    Names of blobs are variables: a bottom is the newest value written above. Weights are called
    ``weight`` and ``bias``; of BatchNorm ``running_mean`` and ``running_var``; PReLU's slopes,
    Normalize's scale and Parameter's blob are ``weight``. With two bottoms Scale has no weight, and
    Bias nothing at all. Weights that ``shares`` names are not among a network's weights.
    """

    name: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    parameters: Parameters
    shares: tuple[Shared, ...] = ()

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
