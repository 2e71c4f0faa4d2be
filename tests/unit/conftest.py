"""Small networks with weights, and the real ones where they are at hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from torch.fx import GraphModule

from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.matching import expected_slots, to_weights
from zoo.formats.caffe.net import (
    BNLL,
    ELU,
    LRN,
    MVN,
    SPP,
    AbsVal,
    ArgMax,
    Axpy,
    BatchNorm,
    Bias,
    Clip,
    Concat,
    Convolution,
    Crop,
    Deconvolution,
    Dropout,
    Eltwise,
    Embed,
    Exp,
    Flatten,
    InnerProduct,
    Input,
    Interp,
    Layer,
    Log,
    Net,
    Normalize,
    Parameter,
    Permute,
    Pooling,
    Power,
    PReLU,
    Reduction,
    ReLU,
    Reshape,
    Scale,
    ShuffleChannel,
    Sigmoid,
    Slice,
    Softmax,
    Swish,
    TanH,
    Threshold,
    Tile,
    Upsample,
)
from zoo.formats.caffe.reading import read_net, read_text
from zoo.networks.build import load_weights
from zoo.networks.caffe import build_caffe

MAPS = (2, 6, 7, 9)
# Of these rooms CI asks no coverage, and tracing torch costs their tests a third as much again.
UNMEASURED = {"networks", "training", "export", "worker"}


def pytest_collection_modifyitems(items):
    """Gather no coverage in the tests of those rooms; what reads ONNX is tested there too."""
    for item in items:
        room = item.path.parent
        is_of_rooms = room.parent == Path(__file__).parent and room.name in UNMEASURED
        if is_of_rooms and not item.path.name.startswith("test_onnx"):
            item.add_marker(pytest.mark.no_cover)


def _net(parameters, *shapes, tops=1):
    """Give the net of one layer ``out0``, its inputs and tops numbered."""
    inputs = tuple(Input(blob=f"in{number}", shape=shape) for number, shape in enumerate(shapes))
    layer = Layer(
        name="out0",
        bottoms=tuple(given.blob for given in inputs),
        tops=tuple(f"out{number}" for number in range(tops)),
        parameters=parameters,
    )
    return Net(name="one", inputs=inputs, layers=(layer,))


def _unpooled(parameters, shape):
    """Give the net that pools and puts the maxima back to where they were."""
    pooling = Pooling(method="MAX", kernel=(2, 2), stride=(2, 2))
    return Net(
        name="one",
        inputs=(Input(blob="in0", shape=shape),),
        layers=(
            Layer(name="pool", bottoms=("in0",), tops=("pool", "mask"), parameters=pooling),
            Layer(name="out0", bottoms=("pool", "mask"), tops=("out0",), parameters=parameters),
        ),
    )


ONE_LAYER = {
    "AbsVal": _net(AbsVal(), MAPS),
    "ArgMax": _net(ArgMax(), MAPS),
    "ArgMax of rows": _net(ArgMax(top_k=3), (2, 9)),
    "ArgMax with values": _net(ArgMax(top_k=5, has_values=True), MAPS),
    "ArgMax along an axis": _net(ArgMax(axis=1), MAPS),
    "ArgMax along an axis, values": _net(ArgMax(axis=-1, top_k=2, has_values=True), MAPS),
    "Axpy": _net(Axpy(), (2, 6), MAPS, MAPS),
    "Axpy of maps": _net(Axpy(), (2, 6, 1, 1), MAPS, MAPS),
    "BNLL": _net(BNLL(), MAPS),
    "BatchNorm": _net(BatchNorm(eps=1e-3), MAPS),
    "BatchNorm of rows": _net(BatchNorm(), (2, 6)),
    "BatchNorm of three axes": _net(BatchNorm(), (2, 6, 5)),
    "BatchNorm of five axes": _net(BatchNorm(), (2, 3, 4, 2, 3)),
    "BatchNorm by the batch": _net(BatchNorm(has_statistics=False), MAPS),
    "Bias": _net(Bias(), MAPS),
    "Bias to the end": _net(Bias(axis=2, num_axes=-1), MAPS),
    "Bias of two": _net(Bias(axis=0), MAPS, (2, 6)),
    "Clip": _net(Clip(least=-0.5, most=0.75), MAPS),
    "Concat": _net(Concat(), MAPS, (2, 3, 7, 9)),
    "Concat along rows": _net(Concat(axis=-2), MAPS, (2, 6, 2, 9)),
    "Convolution": _net(
        Convolution(
            num_output=4, kernel=(3, 2), stride=(2, 1), pad=(1, 0), dilation=(1, 2), group=2
        ),
        MAPS,
    ),
    "Convolution depthwise": _net(
        Convolution(num_output=12, kernel=(3, 3), is_depthwise=True, has_bias=False), MAPS
    ),
    "Crop": _net(Crop(offsets=(1, 3)), MAPS, (2, 2, 4, 5)),
    "Crop with one offset": _net(Crop(axis=1, offsets=(2,)), MAPS, (2, 4, 5, 6)),
    "Crop at the corner": _net(Crop(axis=-1), MAPS, (2, 6, 7, 5)),
    "Deconvolution": _net(
        Deconvolution(num_output=4, kernel=(3, 4), stride=(2, 3), pad=(1, 0), group=2), MAPS
    ),
    "Deconvolution dilated": _net(
        Deconvolution(num_output=5, kernel=(3, 3), dilation=(2, 2), has_bias=False), MAPS
    ),
    "Dropout": _net(Dropout(ratio=0.3), MAPS),
    "Dropout scaled": _net(Dropout(ratio=0.3, is_scaled_at_test=True), MAPS),
    "ELU": _net(ELU(alpha=0.7), MAPS),
    "Eltwise maximum": _net(Eltwise(operation="MAX"), MAPS, MAPS, MAPS),
    "Eltwise product": _net(Eltwise(operation="PROD"), MAPS, MAPS, MAPS),
    "Eltwise sum": _net(Eltwise(), MAPS, MAPS),
    "Eltwise weighted sum": _net(Eltwise(coefficients=(1.0, -0.5, 2.0)), MAPS, MAPS, MAPS),
    "Embed": _net(Embed(num_output=5, input_dim=7), (2, 3)),
    "Embed without a bias": _net(Embed(num_output=5, input_dim=7, has_bias=False), (2, 3, 2)),
    "Exp": _net(Exp(base=2.0, scale=0.5, shift=-1.0), MAPS),
    "Exp of e": _net(Exp(scale=0.5), MAPS),
    "Flatten": _net(Flatten(), MAPS),
    "Flatten the middle": _net(Flatten(axis=1, end_axis=2), MAPS),
    "Flatten the end": _net(Flatten(axis=-2), MAPS),
    "InnerProduct": _net(InnerProduct(num_output=5), MAPS),
    "InnerProduct of rows": _net(InnerProduct(num_output=5, has_bias=False), (2, 6)),
    "InnerProduct turned": _net(InnerProduct(num_output=5, is_transposed=True), MAPS),
    "InnerProduct of the end": _net(InnerProduct(num_output=5, axis=2), MAPS),
    "InnerProduct of the last": _net(InnerProduct(num_output=5, axis=-1, has_bias=False), MAPS),
    "Interp to a size": _net(Interp(size=(13, 5)), MAPS),
    "Interp with a zoom": _net(Interp(zoom=3), MAPS),
    "Interp with a shrink": _net(Interp(shrink=2), MAPS),
    "Interp of both, cut": _net(Interp(shrink=2, zoom=3, pad_begin=-1, pad_end=-2), MAPS),
    "Interp to another's size": _net(Interp(), MAPS, (2, 3, 11, 4)),
    "LRN": _net(LRN(local_size=3, alpha=0.5, k=2.0), MAPS),
    "LRN within channels": _net(LRN(is_within_channel=True, local_size=3, alpha=0.5), MAPS),
    "Log": _net(Log(base=3.0, scale=0.5, shift=2.0), MAPS),
    "Log of e": _net(Log(shift=2.0), MAPS),
    "MVN": _net(MVN(eps=1e-2), MAPS),
    "MVN across channels": _net(MVN(is_across_channels=True), MAPS),
    "MVN of the mean": _net(MVN(has_variance=False), MAPS),
    "MVN of rows": _net(MVN(is_across_channels=True), (2, 6)),
    "Normalize": _net(Normalize(), MAPS),
    "Normalize each place": _net(Normalize(is_across_spatial=False, is_shared=False), MAPS),
    "PReLU": _net(PReLU(), MAPS),
    "PReLU of rows": _net(PReLU(), (2, 6)),
    "PReLU of one slope": _net(PReLU(is_shared=True), MAPS),
    "Permute": _net(Permute(order=(0, 2, 3, 1)), MAPS),
    "Permute of some": _net(Permute(order=(0, 3)), MAPS),
    "Pooling AVE": _net(Pooling(method="AVE", kernel=(3, 3), stride=(2, 2), pad=(1, 0)), MAPS),
    "Pooling AVE over edges": _net(
        Pooling(method="AVE", kernel=(3, 2), stride=(2, 2)), (2, 6, 8, 9)
    ),
    "Pooling AVE padded widely": _net(
        Pooling(method="AVE", kernel=(3, 3), stride=(2, 2), pad=(2, 2)), MAPS
    ),
    "Pooling AVE whole": _net(Pooling(method="AVE", is_global=True), MAPS),
    "Pooling MAX": _net(Pooling(method="MAX", kernel=(2, 3), stride=(2, 2)), MAPS),
    "Pooling MAX padded widely": _net(
        Pooling(method="MAX", kernel=(3, 3), stride=(2, 2), pad=(2, 2)), MAPS
    ),
    "Pooling MAX rounding down": _net(
        Pooling(method="MAX", kernel=(2, 2), stride=(2, 2), has_ceil=False), MAPS
    ),
    "Pooling MAX whole": _net(Pooling(method="MAX", is_global=True), MAPS),
    "Pooling MAX with a mask": _net(
        Pooling(method="MAX", kernel=(2, 2), stride=(2, 2)), MAPS, tops=2
    ),
    "Pooling MAX with a mask, padded": _net(
        Pooling(method="MAX", kernel=(3, 3), stride=(2, 2), pad=(2, 1)), MAPS, tops=2
    ),
    "Pooling MAX with a mask, whole": _net(Pooling(method="MAX", is_global=True), MAPS, tops=2),
    "Pooling STOCHASTIC": _net(
        Pooling(method="STOCHASTIC", kernel=(3, 2), stride=(2, 2)), (2, 6, 8, 9)
    ),
    "Pooling STOCHASTIC whole": _net(Pooling(method="STOCHASTIC", is_global=True), MAPS),
    "Power": _net(Power(power=2.0, scale=0.5, shift=1.5), MAPS),
    "Power of 0": _net(Power(power=0.0), MAPS),
    "Power of a root": _net(Power(power=0.5, shift=1.5), MAPS),
    "ReLU": _net(ReLU(), MAPS),
    "ReLU with a slope": _net(ReLU(negative_slope=0.1), MAPS),
    "Reduction SUM": _net(Reduction(axis=1), MAPS),
    "Reduction ASUM": _net(Reduction(operation="ASUM", axis=2, coefficient=0.5), MAPS),
    "Reduction MEAN": _net(Reduction(operation="MEAN", axis=-1), MAPS),
    "Reduction SUMSQ": _net(Reduction(operation="SUMSQ", axis=1), MAPS),
    "Reduction of all": _net(Reduction(), MAPS),
    "Reshape": _net(Reshape(dims=(0, 3, -1)), MAPS),
    "Reshape of some": _net(Reshape(dims=(2, -1), axis=1, num_axes=1), MAPS),
    "Reshape with an axis more": _net(Reshape(dims=(1,), axis=-1, num_axes=0), MAPS),
    "SPP": _net(SPP(pyramid_height=3), MAPS),
    "SPP AVE": _net(SPP(pyramid_height=2, method="AVE"), MAPS),
    "SPP of one level": _net(SPP(pyramid_height=1), MAPS),
    "Scale": _net(Scale(), MAPS),
    "Scale with a bias": _net(Scale(has_bias=True), MAPS),
    "Scale of rows": _net(Scale(has_bias=True), (2, 6)),
    "Scale along columns": _net(Scale(axis=-1, has_bias=True), MAPS),
    "Scale to the end": _net(Scale(axis=2, num_axes=-1, has_bias=True), MAPS),
    "Scale by one number": _net(Scale(num_axes=0, has_bias=True), MAPS),
    "Scale of two": _net(Scale(axis=0), MAPS, (2, 6)),
    "Scale of two whole": _net(Scale(axis=0), MAPS, MAPS),
    "ShuffleChannel": _net(ShuffleChannel(group=3), MAPS),
    "Sigmoid": _net(Sigmoid(), MAPS),
    "Slice": _net(Slice(), MAPS, tops=3),
    "Slice at points": _net(Slice(axis=-1, points=(2, 3)), MAPS, tops=3),
    "Softmax": _net(Softmax(), MAPS),
    "Softmax along columns": _net(Softmax(axis=-1), MAPS),
    "Swish": _net(Swish(beta=1.5), MAPS),
    "TanH": _net(TanH(), MAPS),
    "Threshold": _net(Threshold(threshold=0.25), MAPS),
    "Tile": _net(Tile(tiles=3), MAPS),
    "Tile along columns": _net(Tile(tiles=2, axis=-1), MAPS),
    "Upsample": _net(Upsample(scale=(2, 3)), MAPS),
    "Parameter": Net(
        name="one",
        inputs=(Input(blob="in0", shape=MAPS),),
        layers=(
            Layer(name="own", bottoms=(), tops=("own",), parameters=Parameter(shape=(6,))),
            Layer(name="out0", bottoms=("in0", "own"), tops=("out0",), parameters=Scale()),
        ),
    ),
    "Upsample by a mask": _unpooled(Upsample(), (2, 6, 8, 10)),
    "Upsample by a mask to a size": _unpooled(Upsample(size=(7, 9)), MAPS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneLayer:
    """A net of one layer, its network with drawn weights, and drawn inputs by name."""

    name: str
    net: Net
    blobs: dict
    network: GraphModule
    given: dict


def _build_one(name):
    net, rng = ONE_LAYER[name], np.random.default_rng(0)
    blobs = {
        layer: tuple(np.asarray(rng.uniform(0.5, 1.5, slot.shape), np.float32) for slot in slots)
        for layer, slots in expected_slots(net).items()
    }
    network = build_caffe(net)
    load_weights(network, to_weights(net, blobs)[0])
    low, high = (0, 7) if "Embed" in name else (-1, 1)
    given = {
        each.blob: rng.uniform(low, high, each.shape).astype(np.float32) for each in net.inputs
    }
    return OneLayer(name=name, net=net, blobs=blobs, network=network, given=given)


@pytest.fixture(params=ONE_LAYER)
def one_layer(request):
    """Build a network of one layer, of each type and form that Caffe and its forks have."""
    return _build_one(request.param)


@pytest.fixture(
    params=[
        name
        for name, net in ONE_LAYER.items()
        if len(net.inputs) == 1 and len(net.inputs[0].shape) == len(MAPS)
    ]
)
def one_layer_of_a_picture(request):
    """Build each of those networks that reads one map and nothing else."""
    return _build_one(request.param)


def make_weights(network, seed=0):
    """Draw weights of He's spread, biases around 0 and variances above it."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            weights[name] = rng.uniform(0.5, 2, tensor.shape)
        elif not name.endswith("num_batches_tracked"):
            spread = np.sqrt(2 / max(1, np.prod(tensor.shape[1:])))
            weights[name] = rng.normal(0, spread, tensor.shape)
    return weights


@pytest.fixture
def build():
    """Build the network of a prototxt's text, with drawn weights."""

    def build_with_weights(text, seed=0):
        network = build_caffe(read_net(text, name="net.prototxt"))
        load_weights(network, make_weights(network, seed))
        return network

    return build_with_weights


@pytest.fixture
def load_package(shared_data):
    """Build the network of a real package, with its weights."""

    def load(name):
        folder = shared_data / "models" / name
        net = read_net(read_text(folder / "deploy.prototxt"), name="deploy.prototxt")
        network = build_caffe(net)
        (path,) = folder.glob("weights.caffemodel*")
        weights, _ = to_weights(net, read_blobs(path))
        load_weights(network, weights)
        return network

    return load
