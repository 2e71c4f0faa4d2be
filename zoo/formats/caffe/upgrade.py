"""Older generations of the prototxt turned into the current one.

Source: upgrade_proto.cpp in BVLC/caffe. V0 (2013) wraps a ``layer`` in each ``layers``; V1 (2014)
has ``layers`` with an enum for a type; V2 has ``layer`` with a string.
"""

from zoo.errors import Unsupported
from zoo.formats.caffe.tree import Message, Word

# V1LayerParameter.LayerType by number: its name in text, and the current type.
V1_TYPES: dict[int, tuple[str, str]] = {
    1: ("ACCURACY", "Accuracy"),
    2: ("BNLL", "BNLL"),
    3: ("CONCAT", "Concat"),
    4: ("CONVOLUTION", "Convolution"),
    5: ("DATA", "Data"),
    6: ("DROPOUT", "Dropout"),
    7: ("EUCLIDEAN_LOSS", "EuclideanLoss"),
    8: ("FLATTEN", "Flatten"),
    9: ("HDF5_DATA", "HDF5Data"),
    10: ("HDF5_OUTPUT", "HDF5Output"),
    11: ("IM2COL", "Im2col"),
    12: ("IMAGE_DATA", "ImageData"),
    13: ("INFOGAIN_LOSS", "InfogainLoss"),
    14: ("INNER_PRODUCT", "InnerProduct"),
    15: ("LRN", "LRN"),
    16: ("MULTINOMIAL_LOGISTIC_LOSS", "MultinomialLogisticLoss"),
    17: ("POOLING", "Pooling"),
    18: ("RELU", "ReLU"),
    19: ("SIGMOID", "Sigmoid"),
    20: ("SOFTMAX", "Softmax"),
    21: ("SOFTMAX_LOSS", "SoftmaxWithLoss"),
    22: ("SPLIT", "Split"),
    23: ("TANH", "TanH"),
    24: ("WINDOW_DATA", "WindowData"),
    25: ("ELTWISE", "Eltwise"),
    26: ("POWER", "Power"),
    27: ("SIGMOID_CROSS_ENTROPY_LOSS", "SigmoidCrossEntropyLoss"),
    28: ("HINGE_LOSS", "HingeLoss"),
    29: ("MEMORY_DATA", "MemoryData"),
    30: ("ARGMAX", "ArgMax"),
    31: ("THRESHOLD", "Threshold"),
    32: ("DUMMY_DATA", "DummyData"),
    33: ("SLICE", "Slice"),
    34: ("MVN", "MVN"),
    35: ("ABSVAL", "AbsVal"),
    36: ("SILENCE", "Silence"),
    37: ("CONTRASTIVE_LOSS", "ContrastiveLoss"),
    38: ("EXP", "Exp"),
    39: ("DECONVOLUTION", "Deconvolution"),
}
V1_NAMES = {number: name for number, (name, _) in V1_TYPES.items()}
TYPES_OF_V1_NAMES = dict(V1_TYPES.values())


def upgrade(root: Message) -> Message:
    """Give the same network as ``layer`` entries alone, inputs first, in file order.

    Raises:
        Unsupported: the network is written in V0.
        MalformedPrototxt: an input has no shape, or a field has the wrong form.
    """
    layers = []
    for key, value in root.fields:
        if key == "layer" and isinstance(value, Message):
            layers.append(value)
        if key == "layers" and isinstance(value, Message):
            layers.append(_upgrade_v1(value))
    root.skip("layer", "layers", "state", "force_backward", "debug_info")
    named = root.text("name")
    inputs = _deprecated_inputs(root, layers)
    upgraded = Message(root.name, root.line, asked={"layer", "name"})
    upgraded.fields = [("name", Word(named, root.line))]
    upgraded.fields += [("layer", layer) for layer in (*inputs, *layers)]
    upgraded.fields += [pair for pair in root.fields if pair[0] not in root.asked]
    return upgraded


def _upgrade_v1(layer: Message) -> Message:
    if layer.has("layer"):
        raise Unsupported(
            f"{layer.name}, line {layer.line}: this network is written in the first generation of"
            " the prototxt format (V0, 2013), which the zoo cannot read.",
            hint="Run Caffe's upgrade_net_proto_text on it, or use the publisher's newer file.",
            file=layer.name,
            line=layer.line,
        )
    return Message(
        layer.name, layer.line, [_upgrade_field(layer, key, value) for key, value in layer.fields]
    )


def _upgrade_field(layer: Message, key: str, value: Word | Message) -> tuple[str, Word | Message]:
    if key == "type" and isinstance(value, Word):
        name = layer.named(value, V1_NAMES, "")
        return key, Word(TYPES_OF_V1_NAMES.get(name, name), value.line)
    if key == "param" and isinstance(value, Word):  # In V1 the shared name itself.
        return key, Message(layer.name, value.line, [("name", value)])
    return key, value


def _deprecated_inputs(root: Message, layers: list[Message]) -> list[Message]:
    """Turn ``input`` with ``input_shape`` or ``input_dim`` into Input layers.

    Published files also have a bare ``input`` beside the Input layer that repeats it.
    """
    names = root.words("input")
    shapes = root.messages("input_shape")
    dims = root.words("input_dim")
    declared = {
        top for layer in layers if "Input" in layer.texts("type") for top in layer.texts("top")
    }
    inputs = []
    for index, name in enumerate(names):
        if index < len(shapes):
            shape = shapes[index]
        else:
            four = dims[4 * index : 4 * index + 4]
            shape = Message(root.name, name.line, [("dim", dim) for dim in four])
        if shape.has("dim") and name.text not in declared:
            inputs.append(_input_layer(root.name, name, shape))
        elif name.text not in declared:
            raise root.refuse(f"input {name.text!r} has no dimensions", line=name.line)
    return inputs


def _input_layer(file: str, name: Word, shape: Message) -> Message:
    line = name.line
    chosen = Message(file, line, [("shape", shape)])
    return Message(
        file,
        line,
        [("name", name), ("type", Word("Input", line)), ("top", name), ("input_param", chosen)],
    )
