"""What the filters of a layer hold before anything is learned: the schemes that draw them.

Each takes the shape of a weight as PyTorch and Caffe store it, (out, in/group, kh, kw) or
(out, in), and a generator of random numbers, and gives float32 of that shape. The weight of a
transposed convolution is (in, out/group, kh, kw); it is drawn by the same words, as both do.
Biases begin at 0 and are no matter of these.
"""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoo.errors import Invalid

Floats = NDArray[np.float32]
Shape = tuple[int, ...]

FAN_IN, FAN_OUT, AVERAGE = "fan_in", "fan_out", "average"
NORMAL, UNIFORM = "normal", "uniform"
FILTER_AXES = 4


def fans(shape: Shape) -> tuple[int, int]:
    """Count the numbers that one output reads and that one input reaches: fan-in and fan-out.

    Source: Caffe's filler.hpp, count / shape[0] and count / shape[1], or the count itself where
    there is one axis. torch.nn.init counts the same.
    """
    count = math.prod(shape)
    return count // shape[0], count // shape[1] if len(shape) > 1 else count


def constant(shape: Shape, _rng: Generator, *, value: float = 0.0) -> Floats:
    """Fill with one number. Source: Caffe's ConstantFiller."""
    return np.full(shape, value, np.float32)


def uniform(shape: Shape, rng: Generator, *, min: float = 0.0, max: float = 1.0) -> Floats:  # noqa: A002  # Caffe's names
    """Draw from U(min, max). Source: Caffe's UniformFiller."""
    drawn = rng.random(shape, np.float32)
    drawn *= np.float32(max - min)
    drawn += np.float32(min)
    return drawn


def gaussian(
    shape: Shape, rng: Generator, *, mean: float = 0.0, std: float = 1.0, sparse: int = -1
) -> Floats:
    """Draw from N(mean, std^2); of each output's inputs about ``sparse`` stay, the others are 0.

    Source: Caffe's GaussianFiller, which keeps each number with the chance sparse / shape[0]; a
    negative ``sparse`` keeps all.
    """
    drawn = rng.standard_normal(shape, np.float32)
    drawn *= np.float32(std)
    drawn += np.float32(mean)
    if sparse >= 0:
        drawn *= rng.random(shape, np.float32) < sparse / shape[0]
    return drawn


def positive_unitball(shape: Shape, rng: Generator) -> Floats:
    """Draw from U(0, 1), and divide each output's numbers by their sum.

    Source: Caffe's PositiveUnitballFiller.
    """
    drawn = rng.random(shape, np.float32)
    sums = drawn.reshape(shape[0], -1).sum(axis=1, dtype=np.float64)
    shares: Floats = (drawn / sums.reshape(-1, *(1,) * (len(shape) - 1))).astype(np.float32)
    return shares


def xavier(shape: Shape, rng: Generator, *, variance_norm: str = FAN_IN) -> Floats:
    """Draw from U(-a, a), a = sqrt(3 / n): a variance of 1 / n.

    Source: Caffe's XavierFiller; n is fan-in unless told otherwise. Glorot and Bengio's own, which
    torch calls xavier, is that of the average.
    """
    return _symmetric(shape, rng, math.sqrt(3 / _count(shape, variance_norm)))


def msra(shape: Shape, rng: Generator, *, variance_norm: str = FAN_IN) -> Floats:
    """Draw from N(0, 2 / n). Source: Caffe's MSRAFiller, after He et al. 2015."""
    return gaussian(shape, rng, std=math.sqrt(2 / _count(shape, variance_norm)))


def bilinear(shape: Shape, _rng: Generator) -> Floats:
    """Fill every window with the weights of bilinear interpolation, for a transposed convolution.

    f = ceil(K / 2), c = (K - 1) / (2 f): (1 - |x / f - c|) (1 - |y / f - c|). Source: Caffe's
    BilinearFiller, for upsampling by F with K = 2 F - F mod 2, stride F, pad ceil((F - 1) / 2).

    Raises:
        Invalid: the weight has no square windows.
    """
    if len(shape) != FILTER_AXES or shape[2] != shape[3]:
        raise Invalid(
            f"bilinear fills square windows, not a weight of {_told(shape)}.",
            hint="Choose another scheme; bilinear is for networks of transposed convolutions.",
            shape=list(shape),
        )
    side = shape[2]
    factor = math.ceil(side / 2)
    centre = (side - 1) / (2 * factor)
    line = 1 - np.abs(np.arange(side) / factor - centre)
    return np.broadcast_to(np.outer(line, line), shape).astype(np.float32)


def uniform_fan_in(shape: Shape, rng: Generator) -> Floats:
    """Draw from U(-1 / fan-in, 1 / fan-in), which does not train anything deep.

    Source: the text of the LeNet tutorial of deeplearning.net, which counts as fan-in the maps
    read times the window's size. Its own code draws otherwise: ``lenet_tutorial``.
    """
    return _symmetric(shape, rng, 1 / fans(shape)[0])


def lenet_tutorial(shape: Shape, rng: Generator, *, pool: int = 2) -> Floats:
    """Draw from U(-a, a), a = sqrt(6 / (fan-in + fan-out)), fan-out divided by the pooling's size.

    Source: the code of the LeNet tutorial of deeplearning.net, whose convolutions are each followed
    by a pooling of ``pool`` x ``pool``; its fully connected layers are not.
    """
    fan_in, fan_out = fans(shape)
    size = pool * pool if len(shape) == FILTER_AXES else 1
    return _symmetric(shape, rng, math.sqrt(6 / (fan_in + fan_out // size)))


def lecun(shape: Shape, rng: Generator, *, distribution: str = NORMAL) -> Floats:
    """Draw with the variance 1 / fan-in, which a linear layer keeps.

    Source: LeCun, Bottou, Orr and Mueller, Efficient BackProp, 1998, eq. 16.
    """
    return _of_variance(shape, rng, 1 / fans(shape)[0], distribution)


def glorot(shape: Shape, rng: Generator, *, distribution: str = UNIFORM) -> Floats:
    """Draw with the variance 2 / (fan-in + fan-out), between keeping activations and gradients.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
    networks, 2010, eq. 12 and 16.
    """
    return _of_variance(shape, rng, 2 / sum(fans(shape)), distribution)


def he(shape: Shape, rng: Generator, *, distribution: str = NORMAL, slope: float = 0.0) -> Floats:
    """Draw with the variance 2 / ((1 + slope^2) fan-in), which a layer with its ReLU keeps.

    Source: He, Zhang, Ren and Sun, Delving Deep into Rectifiers, 2015, eq. 10 and 15; ``slope`` is
    that of a leaky ReLU.
    """
    return _of_variance(shape, rng, 2 / ((1 + slope * slope) * fans(shape)[0]), distribution)


def orthogonal(shape: Shape, rng: Generator, *, gain: float = 1.0) -> Floats:
    """Draw outputs at right angles to each other and of the length ``gain``.

    The weight as a matrix of out x the rest has orthonormal rows, or columns where it has more
    rows than columns; uniform over all such matrices, as the signs of R's diagonal are taken into
    Q. Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning
    in deep linear neural networks, 2014; Mezzadri, 2007, for the signs.
    """
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = rng.standard_normal((max(rows, columns), min(rows, columns)), np.float32)
    basis, upper = np.linalg.qr(drawn)
    basis *= np.where(np.diagonal(upper) < 0, np.float32(-gain), np.float32(gain))
    turned = basis.T if rows < columns else basis
    return np.ascontiguousarray(turned.reshape(shape), dtype=np.float32)


def _count(shape: Shape, variance_norm: str) -> float:
    """Give Caffe's n: fan-in, fan-out or the mean of both."""
    fan_in, fan_out = fans(shape)
    return {FAN_IN: fan_in, FAN_OUT: fan_out, AVERAGE: (fan_in + fan_out) / 2}[variance_norm]


def _symmetric(shape: Shape, rng: Generator, bound: float) -> Floats:
    return uniform(shape, rng, min=-bound, max=bound)


def _of_variance(shape: Shape, rng: Generator, variance: float, distribution: str) -> Floats:
    if distribution == UNIFORM:
        return _symmetric(shape, rng, math.sqrt(3 * variance))
    return gaussian(shape, rng, std=math.sqrt(variance))


def _told(shape: Shape) -> str:
    return " x ".join(map(str, shape))
