"""Which schemes there are for how filters begin: name to function, options and formula."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zoo.filters import initial
from zoo.filters.options import Reader, count_from, not_negative, number, one_of

VARIANCE_NORM = one_of(initial.FAN_IN, initial.FAN_OUT, initial.AVERAGE)
DISTRIBUTION = one_of(initial.NORMAL, initial.UNIFORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A scheme that a shape and random numbers are enough for."""

    draw: Callable[..., initial.Floats]  # of shape, rng and the options by name
    told: str  # its formula, on a line
    options: Mapping[str, Reader] = field(default_factory=dict)


DRAWN: dict[str, Row] = {
    "he": Row(
        draw=initial.he,
        told="variance 2 / fan-in (He et al. 2015)",
        options={"distribution": DISTRIBUTION, "slope": number},
    ),
    "glorot": Row(
        draw=initial.glorot,
        told="variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010)",
        options={"distribution": DISTRIBUTION},
    ),
    "lecun": Row(
        draw=initial.lecun,
        told="variance 1 / fan-in (LeCun et al. 1998)",
        options={"distribution": DISTRIBUTION},
    ),
    "orthogonal": Row(
        draw=initial.orthogonal,
        told="orthonormal rows (Saxe et al. 2014)",
        options={"gain": not_negative},
    ),
    "uniform-fan-in": Row(
        draw=initial.uniform_fan_in,
        told="U(+-1 / fan-in), the text of the LeNet tutorial",
    ),
    "lenet-tutorial": Row(
        draw=initial.lenet_tutorial,
        told="U(+-sqrt(6 / (fan-in + fan-out / pool^2))), the code of the LeNet tutorial",
        options={"pool": count_from(1)},
    ),
    "constant": Row(draw=initial.constant, told="Caffe's: one number", options={"value": number}),
    "uniform": Row(
        draw=initial.uniform, told="Caffe's: U(min, max)", options={"min": number, "max": number}
    ),
    "gaussian": Row(
        draw=initial.gaussian,
        told="Caffe's: N(mean, std^2), sparse numbers an output not 0",
        options={"mean": number, "std": not_negative, "sparse": count_from(-1)},
    ),
    "xavier": Row(
        draw=initial.xavier,
        told="Caffe's: U(+-sqrt(3 / n))",
        options={"variance_norm": VARIANCE_NORM},
    ),
    "msra": Row(
        draw=initial.msra,
        told="Caffe's: N(0, 2 / n)",
        options={"variance_norm": VARIANCE_NORM},
    ),
    "positive_unitball": Row(
        draw=initial.positive_unitball, told="Caffe's: U(0, 1), each output's sum 1"
    ),
    "bilinear": Row(draw=initial.bilinear, told="Caffe's: interpolation, for upsampling"),
}
# Those that pictures tell, layer by layer, through ``zoo.filters.pca``.
FROM_PICTURES: dict[str, str] = {
    "pca": "eigenvectors of the patches a layer reads (Wagner et al. 2013)",
    "2dpca": "outer products of their rows' and columns' eigenvectors (Wang et al. 2020)",
}
# Those that the network's own source tells.
FROM_SOURCE: dict[str, str] = {
    "library": "as the library draws a new network",
    "prototxt": "by the fillers that the prototxt states",
}
