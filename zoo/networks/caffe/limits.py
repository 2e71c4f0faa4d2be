"""What of a Caffe net cannot be built, told for all its layers at once."""

from collections.abc import Callable, Mapping
from typing import Any

from torch.fx import Graph, GraphModule

from zoo.errors import UnsupportedLayers
from zoo.formats.caffe import net as caffe
from zoo.formats.caffe.matching import parameter_prefix
from zoo.formats.caffe.shapes import LayerShapes, Shape
from zoo.networks.caffe.modules import BATCH_NORMS, MODULES
from zoo.networks.layers import SPP

# A module of such a name would hide, or be hidden by, a part of the network object itself.
TAKEN = frozenset(dir(GraphModule({}, Graph())))
WEIGHTED = (
    caffe.BatchNorm,
    caffe.Bias,
    caffe.Convolution,
    caffe.Deconvolution,
    caffe.Embed,
    caffe.InnerProduct,
    caffe.Normalize,
    caffe.PReLU,
    caffe.Parameter,
    caffe.Scale,
)
ANY = 2**31
ONE = (1, 1)
# The fewest and the most bottoms of a layer, where that is not one; and of tops.
BOTTOMS: dict[type, tuple[int, int]] = {
    caffe.Axpy: (3, 3),
    caffe.Bias: (1, 2),
    caffe.Concat: (1, ANY),
    caffe.Crop: (2, 2),
    caffe.Eltwise: (1, ANY),
    caffe.Interp: (1, 2),
    caffe.Parameter: (0, 0),
    caffe.Scale: (1, 2),
    caffe.Upsample: (1, 2),
}
TOPS: dict[type, tuple[int, int]] = {caffe.Slice: (1, ANY)}


def module_name(layer: caffe.Layer) -> str:
    """Name a layer's module: its parameters' prefix, or beside it where that would hide others."""
    name = parameter_prefix(layer.name)
    return f"{name}:" if name in TAKEN and not isinstance(layer.parameters, WEIGHTED) else name


def check_layers(net: caffe.Net, shapes: Mapping[str, LayerShapes]) -> None:
    """Refuse, all at once, the layers whose options the modules do not have.

    Raises:
        UnsupportedLayers: there are some; each is named with its reason.
    """
    refused = [
        f"layer {layer.name!r} ({layer.type}) {reason}"
        for layer in net.layers
        for reason in _reasons(layer, shapes[layer.name].bottoms)
    ]
    if refused:
        raise UnsupportedLayers(
            "The network cannot be built: " + "; ".join(refused) + ".",
            hint="These options are rare; open an issue with the prototxt to ask for them.",
            layers=refused,
        )


def _reasons(layer: caffe.Layer, bottoms: tuple[Shape, ...]) -> list[str]:
    name, kind = module_name(layer), type(layer.parameters)
    most_tops = (1, 2) if _may_be_masked(layer) else TOPS.get(kind, ONE)
    reasons = {
        f"reads {len(bottoms)} blobs": not _lies_in(len(bottoms), BOTTOMS.get(kind, ONE)),
        f"writes {len(layer.tops)} blobs": not _lies_in(len(layer.tops), most_tops),
        "has a name that PyTorch keeps for itself": name in TAKEN,
        "has no module": kind not in MODULES and kind is not caffe.Concat,
        **REASONS.get(kind, _no_reasons)(layer.parameters, bottoms),
    }
    return [reason for reason, holds in reasons.items() if holds]


def _lies_in(count: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= count <= bounds[1]


def _may_be_masked(layer: caffe.Layer) -> bool:
    return isinstance(layer.parameters, caffe.Pooling) and layer.parameters.method == "MAX"


def _no_reasons(_chosen: object, _bottoms: tuple[Shape, ...]) -> dict[str, bool]:
    return {}


def _lrn_reasons(chosen: caffe.LRN, _bottoms: tuple[Shape, ...]) -> dict[str, bool]:
    return {f"has the even local_size {chosen.local_size}": chosen.local_size % 2 == 0}


def _batch_norm_reasons(chosen: caffe.BatchNorm, bottoms: tuple[Shape, ...]) -> dict[str, bool]:
    axes = len(bottoms[0])
    is_known = axes in BATCH_NORMS if chosen.has_statistics else axes > 1
    return {f"reads a blob of {axes} axes": not is_known}


def _stochastic_reasons(chosen: caffe.Pooling, _bottoms: tuple[Shape, ...]) -> dict[str, bool]:
    return {"pads what it draws from": chosen.method == "STOCHASTIC" and any(chosen.pad)}


def _spp_reasons(chosen: caffe.SPP, bottoms: tuple[Shape, ...]) -> dict[str, bool]:
    """Find bins that lie in the padding alone, as PoolingLayer refuses them."""
    pyramid = SPP(pyramid_height=chosen.pyramid_height, is_average=chosen.method == "AVE")
    windows = pyramid.windows((bottoms[0][2], bottoms[0][3]))
    is_empty = any(
        pad >= size for kernel, pads in windows for size, pad in zip(kernel, pads, strict=True)
    )
    return {f"has bins beyond its map of {bottoms[0][2]} x {bottoms[0][3]}": is_empty}


# The values take the parameters of their key; a mapping cannot say so, hence Any.
REASONS: dict[type, Callable[[Any, tuple[Shape, ...]], dict[str, bool]]] = {
    caffe.BatchNorm: _batch_norm_reasons,
    caffe.LRN: _lrn_reasons,
    caffe.Pooling: _stochastic_reasons,
    caffe.SPP: _spp_reasons,
}
