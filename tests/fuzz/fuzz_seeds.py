"""Small files of every format, made in code: what the fuzzer damages."""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
from fuzz_wire import floats, put, varint

from zoo.domain.config import ModelConfig
from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.formats.caffe.reading import read_net
from zoo.formats.safetensors import write_safetensors

PROTOTXT = """name: "Tiny"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 decay_mult: 1 }
  convolution_param { num_output: 4 kernel_size: 3 group: 2 weight_filler { type: "xavier" } }
}
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { eps: 1e-5 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer { name: "lrn" type: "LRN" bottom: "conv" top: "lrn" lrn_param { local_size: 3 alpha: 1e-4 } }
layer { name: "pool" type: "Pooling" bottom: "lrn" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "slice" type: "Slice" bottom: "pool" top: "a" top: "b" slice_param { axis: 1 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum"
  eltwise_param { operation: SUM coeff: 1 coeff: -0.5 } }
layer { name: "cat" type: "Concat" bottom: "sum" bottom: "pool" top: "cat" }
layer { name: "drop" type: "Dropout" bottom: "cat" top: "cat" include { phase: TRAIN } }
layer { name: "ip" type: "InnerProduct" bottom: "cat" top: "ip"
  inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
# More kinds of layers, in the words of later versions and of forks.
MORE_PROTOTXT = """input: "data" input_shape: { dim: 1 dim: 4 dim: 8 dim: 8 }
layer { name: "up" type: "Deconvolution" bottom: "data" top: "up"
  convolution_param { num_output: 4 kernel_h: 2 kernel_w: 4 stride: 2 bias_term: false } }
layer { name: "crop" type: "Crop" bottom: "up" bottom: "data" top: "crop"
  crop_param { axis: 2 offset: 1 } }
layer { name: "prelu" type: "PReLU" bottom: "crop" top: "prelu" }
layer { name: "power" type: "Power" bottom: "prelu" top: "power"
  power_param { power: 2 scale: 0.5 shift: 1 } }
layer { name: "shape" type: "Reshape" bottom: "power" top: "shape"
  reshape_param { shape { dim: 0 dim: -1 dim: 2 } } }
layer { name: "flat" type: "Flatten" bottom: "shape" top: "flat" }
layer { name: "split" type: "Split" bottom: "flat" top: "s1" top: "s2" }
layer { name: "ip" type: "InnerProduct" bottom: "s1" top: "ip"
  inner_product_param { num_output: 5 transpose: true } }
layer { name: "sig" type: "Sigmoid" bottom: "ip" top: "sig" }
layer { name: "quiet" type: "Silence" bottom: "s2" }
"""
V1_PROTOTXT = """name: 'Old'
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { layer_type: CONVOLUTION }
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool"
  pooling_param { pool: AVE kernel_size: 2 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "pool" top: "ip"
  inner_product_param { num_output: 2 } }
layers { name: "prob" type: SOFTMAX bottom: "ip" top: "prob" } # done
""".replace("layers { layer_type: CONVOLUTION }\n", "")
V0_PROTOTXT = """name: "Oldest" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "padded" }
layers { layer { name: "conv" type: "conv" num_output: 4 kernelsize: 3 group: 1 stride: 1
  weight_filler { type: "gaussian" std: 0.01 } } bottom: "padded" top: "conv" }
layers { layer { name: "pool" type: "pool" pool: MAX kernelsize: 2 stride: 2 }
  bottom: "conv" top: "pool" }
layers { layer { name: "ip" type: "innerproduct" num_output: 2 } bottom: "pool" top: "ip" }
layers { layer { name: "prob" type: "softmax" } bottom: "ip" top: "prob" }
"""
TRAINING_PROTOTXT = """layer { name: "data" type: "Data" top: "data" top: "label"
  transform_param { crop_size: 8 mirror: true mean_value: 104 mean_value: 117 mean_value: 123 }
  data_param { source: "/etc/passwd" batch_size: 4 backend: LMDB } include { phase: TRAIN } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""

# The network that the weights of the caffemodel seeds fit.
WEIGHTS_PROTOTXT = """name: "Tiny" input: "data" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 group: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 3 } }
"""
BLOBS = {
    "conv": ((4, 1, 3, 3), (4,)),
    "bn": ((4,), (4,), (1,)),
    "ip": ((3, 64), (3,)),
}


def prototxt():
    texts = (
        PROTOTXT,
        MORE_PROTOTXT,
        V1_PROTOTXT,
        V0_PROTOTXT,
        TRAINING_PROTOTXT,
        WEIGHTS_PROTOTXT,
    )
    return [text.encode() for text in texts]


def caffemodel():
    return [
        _net(100, _v2_layer, _blob),
        _net(2, _v1_layer, _old_blob),
        _net(2, _v0_layer, _old_blob),
        _net(100, _v2_layer, _half_blob),
        _net(100, _v2_layer, _tagged_blob),
        _net(100, _v2_layer, _double_blob),
        _net(100, _v2_layer, _blob) + _net(2, _v1_layer, _blob),
    ]


def _net(number, layer, blob):
    rng = np.random.default_rng(0)
    layers = [
        put(number, layer(name, [blob(shape, rng.normal(size=shape)) for shape in shapes]))
        for name, shapes in BLOBS.items()
    ]
    return put(1, "Tiny") + b"".join(layers)


def _v2_layer(name, blobs):
    parts = [put(1, name), put(2, "Convolution"), put(3, "data"), put(4, name)]
    parts += [put(6, put(1, "shared") + b"\x1d" + floats(1)), put(10, 1)]
    return b"".join(parts + [put(7, blob) for blob in blobs] + [put(106, put(1, 4))])


def _v1_layer(name, blobs):
    return put(4, name) + put(5, 4) + b"".join(put(6, blob) for blob in blobs)


def _v0_layer(name, blobs):
    inner = put(1, name) + put(2, "conv") + b"".join(put(50, blob) for blob in blobs)
    return put(1, inner) + put(2, "data")


def _shape(shape):
    return put(7, put(1, b"".join(map(varint, shape))))


def _blob(shape, values):
    return put(5, values.astype("<f4").tobytes()) + _shape(shape)


def _old_blob(shape, values):
    axes = enumerate((1, 1, 1, 1)[len(shape) :] + shape, start=1)
    return b"".join(put(*axis) for axis in axes) + put(5, values.astype("<f4").tobytes())


def _half_blob(shape, values):
    raw = put(10, 2) + put(11, 2) + put(12, values.astype("<f2").tobytes())
    return put(5, b"") + raw + _shape(shape)


def _tagged_blob(shape, values):
    return b"".join(b"\x2d" + floats(value) for value in values.ravel()) + _shape(shape)


def _double_blob(shape, values):
    numbers = values.astype("<f8").tobytes()
    return put(8, numbers[:8]) + put(8, numbers[8:]) + _shape(shape)


def mean():
    values = np.linspace(0, 255, 48)
    return [
        _old_blob((1, 3, 4, 4), values),
        _blob((3, 4, 4), values),
        _double_blob((3, 16, 1), values),
    ]


def safetensors():

    rng = np.random.default_rng(0)
    arrays = {
        "conv.weight": rng.normal(size=(4, 2, 3, 3)).astype(np.float32),
        "conv.bias": rng.normal(size=4).astype(np.float16),
        "counts": np.arange(5),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
        "scalar": np.float64(3).reshape(()),
    }
    few = {"weight": arrays["conv.weight"]}
    seeds = [b"".join(write_safetensors(each)) for each in (arrays, few)]
    for dtype, width in (("BF16", 2), ("F8_E4M3", 1), ("I16", 2)):
        header = {"__metadata__": {"format": "pt"}}
        header["w"] = {"dtype": dtype, "shape": [2, 4], "data_offsets": [0, 8 * width]}
        text = json.dumps(header).encode()
        seeds.append(len(text).to_bytes(8, "little") + text + bytes(range(8 * width)))
    return seeds


def pth():
    import torch  # noqa: PLC0415  # slow to import, and not always there

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )
    state = network.state_dict()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    wrapped = {
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "arch": "tiny",
        "best": 0.5,
    }
    views = {
        "base": torch.arange(24.0),
        "view": torch.arange(24.0)[2:20:3],
        "turned": torch.arange(6.0).reshape(2, 3).T,
        "half": torch.ones(3, dtype=torch.float16),
        "brain": torch.ones(3, dtype=torch.bfloat16),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "array": np.ones(2, np.float32),
    }
    seeds = []
    for value in (state, wrapped, views, network):
        for is_zip in (True, False):
            file = io.BytesIO()
            torch.save(value, file, _use_new_zipfile_serialization=is_zip)
            seeds.append(file.getvalue())
    return seeds


def onnx():
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415  # slow to import, and not always there

    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "weight")
    bias = helper.make_tensor("bias", TensorProto.FLOAT, [4], [0.0, 1.0, 2.0, 3.0])
    half = helper.make_tensor("half", TensorProto.FLOAT16, [2], [1.0, 2.0])
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [2], [0, -1])
    value = helper.make_tensor("value", TensorProto.DOUBLE, [1], [0.5])
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=value)],
        "branch",
        [],
        [helper.make_tensor_value_info("c", TensorProto.DOUBLE, [1])],
    )
    nodes = [
        helper.make_node(
            "Conv", ["images", "weight", "bias"], ["conv"], "first", kernel_shape=[3, 3]
        ),
        helper.make_node("LeakyRelu", ["conv"], ["relu"], alpha=0.1),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
        helper.make_node("Reshape", ["pool", "sizes"], ["flat"]),
        helper.make_node("If", ["flag"], ["if"], then_branch=branch, else_branch=branch),
        helper.make_node("Softmax", ["flat"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 8, 8]),
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 4])],
        [weight, bias, half, sizes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, {"zoo.labels": '["a", "b"]'})
    seeds = [model.SerializeToString()]
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in (("location", "../../etc/passwd"), ("offset", "0"), ("length", "432")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, text
    seeds.append(model.SerializeToString())
    return [*seeds, _exported()]


def _exported():
    """A graph as the zoo itself writes it."""
    from zoo.export.onnx import write_onnx  # noqa: PLC0415  # it imports torch
    from zoo.networks.build import load_weights  # noqa: PLC0415  # it imports torch
    from zoo.networks.caffe import build_caffe  # noqa: PLC0415  # it imports torch

    text = WEIGHTS_PROTOTXT.replace("dim: 2 dim", "dim: 3 dim").replace("group: 2", "group: 1")
    network = build_caffe(read_net(text, name="deploy.prototxt")).eval()
    expected = network.state_dict().items()
    load_weights(network, {name: np.ones(tensor.shape, np.float32) for name, tensor in expected})
    return write_onnx(network, _preprocessing(), None, ("a", "b", "c"))


def _preprocessing():

    return Preprocessing(
        channels=Channels.BGR,
        resize_px=6,
        crop_px=(6, 6),
        mean=(104.0, 117.0, 123.0),
        std=(1.0, 1.0, 1.0),
        scale=1.0,
        source="a seed",
    )


def hdf5():
    import h5py  # noqa: PLC0415  # slow to import, and not always there

    seeds = []
    for options in ({}, {"compression": "gzip", "chunks": True}):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.h5"
            with h5py.File(path, "w") as file:
                for name, shapes in BLOBS.items():
                    for index, shape in enumerate(shapes):
                        data = np.ones(shape, np.float32)
                        file.create_dataset(f"data/{name}/{index}", data=data, **options)
            seeds.append(path.read_bytes())
    return seeds


def config():

    written = ModelConfig(
        architecture="tiny",
        label_names=("a", "b", "c"),
        pictures=_preprocessing(),
        recipe=Recipe(source=Source(kind="caffe", path="deploy.prototxt")),
        lineage={"parent": "tiny@1"},
    )
    return [json.dumps(written.as_json()).encode()]
