"""The layers of Caffe that torch.nn lacks; everything else is a standard module."""

from zoo.networks.layers.arranging import (
    Crop,
    Permute,
    Reshape,
    ShuffleChannel,
    Slice,
    Tile,
)
from zoo.networks.layers.combining import Axpy, BiasBy, Eltwise, ScaleBy
from zoo.networks.layers.counting import ArgMax, Reduction
from zoo.networks.layers.inside import CropInside
from zoo.networks.layers.learned import Bias, Embed, Parameter, Scale
from zoo.networks.layers.normalising import MVN, BatchStatistics, Normalize, WithinChannelLRN
from zoo.networks.layers.pointwise import (
    AbsVal,
    Clip,
    Exp,
    Log,
    Power,
    Swish,
    Threshold,
    UnscaledDropout,
)
from zoo.networks.layers.pooling import (
    SPP,
    MaskedMaxPool2d,
    StochasticPool2d,
    WidelyPaddedPool2d,
)
from zoo.networks.layers.resizing import Interp, Unpool

__all__ = [
    "MVN",
    "SPP",
    "AbsVal",
    "ArgMax",
    "Axpy",
    "BatchStatistics",
    "Bias",
    "BiasBy",
    "Clip",
    "Crop",
    "CropInside",
    "Eltwise",
    "Embed",
    "Exp",
    "Interp",
    "Log",
    "MaskedMaxPool2d",
    "Normalize",
    "Parameter",
    "Permute",
    "Power",
    "Reduction",
    "Reshape",
    "Scale",
    "ScaleBy",
    "ShuffleChannel",
    "Slice",
    "StochasticPool2d",
    "Swish",
    "Threshold",
    "Tile",
    "Unpool",
    "UnscaledDropout",
    "WidelyPaddedPool2d",
    "WithinChannelLRN",
]
