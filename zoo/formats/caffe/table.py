"""Which layers are known, how each is read from a prototxt, and how many blobs it reads and writes.

Names, defaults and limits are those of BVLC's caffe.proto and of the layers' ``LayerSetUp``, for
layers of forks those of the fork that has them. A reader raises MalformedPrototxt for what Caffe
refuses too, and Unsupported for what only the zoo cannot do. What has no meaning for prediction is
skipped by name, so that the rest can be told.
"""

from collections.abc import Callable

from zoo.errors import Unsupported
from zoo.formats.caffe.net import (
    BNLL,
    AbsVal,
    Axpy,
    Bias,
    Concat,
    Convolution,
    Crop,
    Deconvolution,
    Eltwise,
    Interp,
    Parameter,
    Parameters,
    Pooling,
    Scale,
    Sigmoid,
    Slice,
    TanH,
    Upsample,
)
from zoo.formats.caffe.table_arrangement import (
    read_arg_max,
    read_concat,
    read_crop,
    read_eltwise,
    read_embed,
    read_flatten,
    read_inner_product,
    read_parameter,
    read_permute,
    read_reduction,
    read_reshape,
    read_shuffle_channel,
    read_slice,
    read_tile,
)
from zoo.formats.caffe.table_numbers import (
    bare,
    read_batch_norm,
    read_bias,
    read_bn,
    read_clip,
    read_dropout,
    read_elu,
    read_exp,
    read_log,
    read_lrn,
    read_mvn,
    read_normalize,
    read_power,
    read_prelu,
    read_relu,
    read_relu6,
    read_scale,
    read_softmax,
    read_swish,
    read_threshold,
)
from zoo.formats.caffe.table_windows import (
    read_convolution,
    read_deconvolution,
    read_depthwise,
    read_interp,
    read_pooling,
    read_spp,
    read_upsample,
    read_upsample_darknet,
)
from zoo.formats.caffe.tree import Message

MANY = 2**16  # blobs a layer may read or write, where Caffe has no limit

Reader = Callable[[Message], Parameters]

TABLE: dict[str, Reader] = {
    "AbsVal": bare(AbsVal(), "absval_param"),
    "ArgMax": read_arg_max,
    "Axpy": bare(Axpy(), "axpy_param"),
    "BN": read_bn,
    "BNLL": bare(BNLL(), "bnll_param"),
    "BatchNorm": read_batch_norm,
    "Bias": read_bias,
    "Clip": read_clip,
    "Concat": read_concat,
    "Convolution": read_convolution,
    "Crop": read_crop,
    "Deconvolution": read_deconvolution,
    "Dropout": read_dropout,
    "ELU": read_elu,
    "Eltwise": read_eltwise,
    "Embed": read_embed,
    "Exp": read_exp,
    "Flatten": read_flatten,
    "InnerProduct": read_inner_product,
    "Interp": read_interp,
    "LRN": read_lrn,
    "Log": read_log,
    "MVN": read_mvn,
    "Normalize": read_normalize,
    "PReLU": read_prelu,
    "Parameter": read_parameter,
    "Permute": read_permute,
    "Pooling": read_pooling,
    "Power": read_power,
    "ReLU": read_relu,
    "Reduction": read_reduction,
    "Reshape": read_reshape,
    "SPP": read_spp,
    "Scale": read_scale,
    "ShuffleChannel": read_shuffle_channel,
    "Sigmoid": bare(Sigmoid(), "sigmoid_param"),
    "Slice": read_slice,
    "Softmax": read_softmax,
    "Swish": read_swish,
    "TanH": bare(TanH(), "tanh_param"),
    "Threshold": read_threshold,
    "Tile": read_tile,
    "Upsample": read_upsample,
}

# What forks call layers that are one of the above.
ALIASES: dict[str, Reader] = {
    "ConvolutionDepthWise": read_depthwise,
    "ConvolutionDepthwise": read_depthwise,
    "DepthwiseConvolution": read_depthwise,
    "ReLU6": read_relu6,
    "UpsampleDarknet": read_upsample_darknet,
}

READERS = TABLE | ALIASES

# How many bottoms and tops a layer has, at least and at most; where nothing stands here, one each.
ONE = (1, 1)
BOTTOMS: dict[type, tuple[int, int]] = {
    Axpy: (3, 3),
    Bias: (1, 2),
    Concat: (1, MANY),
    Convolution: (1, MANY),
    Crop: (2, 2),
    Deconvolution: (1, MANY),
    Eltwise: (2, MANY),
    Interp: (1, 2),
    Parameter: (0, 0),
    Scale: (1, 2),
    Upsample: (1, 2),
}
TOPS: dict[type, tuple[int, int]] = {
    Convolution: (1, MANY),
    Deconvolution: (1, MANY),
    Pooling: (1, 2),
    Slice: (1, MANY),
}


def check_arity(layer: Message, parameters: Parameters) -> None:
    """Check how many blobs a layer reads and writes.

    Raises:
        MalformedPrototxt: they are fewer than the layer needs.
        Unsupported: they are more, as a fork may have it.
    """
    counts = {"bottom": len(layer.texts("bottom")), "top": len(layer.texts("top"))}
    limits = {"bottom": BOTTOMS, "top": TOPS}
    for kind, count in counts.items():
        least, most = limits[kind].get(type(parameters), ONE)
        if count < least:
            has = f"only {count} of {least} {kind}s" if count else f"no {kind}"
            raise layer.refuse(f"layer {layer.text('name')!r} has {has}")
        if count > most:
            raise Unsupported(f"{count} {kind}s")
    is_filter = isinstance(parameters, Convolution | Deconvolution)
    if is_filter and counts["bottom"] != counts["top"]:
        raise layer.refuse(
            f"layer {layer.text('name')!r} has {counts['bottom']} bottoms, {counts['top']} tops"
        )
    is_maximum = isinstance(parameters, Pooling) and parameters.method == "MAX"
    if isinstance(parameters, Pooling) and counts["top"] > 1 and not is_maximum:
        raise layer.refuse(f"only MAX has a second top, layer {layer.text('name')!r} has not")
