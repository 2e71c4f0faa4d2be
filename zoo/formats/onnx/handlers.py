"""Which handler plans which operation of ONNX."""

from collections.abc import Callable

from zoo.formats.onnx import arranging, dense, pointwise, reducing, spatial
from zoo.formats.onnx.model import Node
from zoo.formats.onnx.scene import Scene

Handler = Callable[[Scene, Node], None]

HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(pointwise.ACTIVATIONS, pointwise.activation),
    **dict.fromkeys(pointwise.PAIRWISE, pointwise.pairwise),
    **dict.fromkeys(reducing.REDUCTIONS, reducing.reduce),
    "AveragePool": spatial.average_pool,
    "BatchNormalization": dense.batch_norm,
    "Cast": arranging.cast,
    "Clip": pointwise.clip,
    "Concat": arranging.concat,
    "Constant": arranging.constant,
    "Conv": spatial.convolution,
    "ConvTranspose": spatial.transposed_convolution,
    "DepthToSpace": spatial.depth_to_space,
    "Dropout": pointwise.dropout,
    "Expand": arranging.expand,
    "Flatten": arranging.flatten,
    "Gather": arranging.gather,
    "Gemm": dense.gemm,
    "GlobalAveragePool": spatial.global_pool,
    "GlobalMaxPool": spatial.global_pool,
    "GroupNormalization": dense.group_norm,
    "HardSigmoid": pointwise.hard_sigmoid,
    "Identity": arranging.identity,
    "InstanceNormalization": dense.instance_norm,
    "LRN": spatial.local_response_norm,
    "LayerNormalization": dense.layer_norm,
    "LogSoftmax": reducing.softmax,
    "MatMul": dense.matmul,
    "MaxPool": spatial.max_pool,
    "PRelu": pointwise.prelu,
    "Pad": arranging.pad,
    "Reshape": arranging.reshape,
    "Resize": spatial.resize,
    "Shape": arranging.shape,
    "Slice": arranging.slice_,
    "Softmax": reducing.softmax,
    "Split": arranging.split,
    "Squeeze": arranging.squeeze,
    "Transpose": arranging.transpose,
    "Unsqueeze": arranging.unsqueeze,
    "Upsample": spatial.resize,
}
