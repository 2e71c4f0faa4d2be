"""Older generations of the prototxt turned into the current one.

Source: upgrade_proto.cpp in BVLC/caffe. V0 (2013) wraps a ``layer`` in each ``layers``; V1 (2014)
has ``layers`` with an enum for a type; V2 has ``layer`` with a string.
"""

from zoo.formats.caffe.tree import Message, Word
from zoo.formats.caffe.upgrade_v0 import upgrade_v0

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


DATA_SECTIONS = ("data_param", "image_data_param", "window_data_param")
TRANSFORMS = ("scale", "mean_file", "crop_size", "mirror")


def upgrade(root: Message) -> Message:
    """Give the same network as ``layer`` entries alone, inputs first, in file order.

    Raises:
        MalformedPrototxt: an input has no shape, or a field has the wrong form.
    """
    written = [
        value
        for key, value in root.fields
        if key in {"layer", "layers"} and isinstance(value, Message)
    ]
    layers = [_upgrade_v1(layer) for layer in upgrade_v0(written)]
    root.skip("layer", "layers", "state", "force_backward", "debug_info")
    named = root.text("name")
    inputs = _deprecated_inputs(root, layers)
    upgraded = Message(root.name, root.line, asked={"layer", "name"})
    upgraded.fields = [("name", Word(named, root.line))]
    upgraded.fields += [("layer", layer) for layer in (*inputs, *layers)]
    upgraded.fields += [pair for pair in root.fields if pair[0] not in root.asked]
    return upgraded


def _upgrade_v1(layer: Message) -> Message:
    """Give a layer as the current generation has it; one of that generation stays as it is."""
    fields = [
        (key, _current_type(layer, value) if key == "type" else value)
        for key, value in layer.fields
        if key not in {"param", "blob_share_mode"} or isinstance(value, Message)
    ]
    return _with_transform(Message(layer.name, layer.line, fields + _shared_names(layer)))


def _current_type(layer: Message, value: Word | Message) -> Word | Message:
    if isinstance(value, Message):
        return value
    name = layer.named(value, V1_NAMES, "")
    return Word(TYPES_OF_V1_NAMES.get(name, name), value.line)


def _shared_names(layer: Message) -> list[tuple[str, Word | Message]]:
    """Put the lists of shared names and how they are shared together, a message a blob."""
    lists = {
        field: [value for key, value in layer.fields if key == old and isinstance(value, Word)]
        for field, old in (("name", "param"), ("share_mode", "blob_share_mode"))
    }
    specs: list[tuple[str, Word | Message]] = []
    for index in range(max(map(len, lists.values()))):
        stated: list[tuple[str, Word | Message]] = [
            (field, words[index]) for field, words in lists.items() if index < len(words)
        ]
        specs.append(("param", Message(layer.name, layer.line, stated)))
    return specs


def _with_transform(layer: Message) -> Message:
    """Move what is done to pictures out of the data layer's own section, where it once stood."""
    moved: list[tuple[str, Word | Message]] = []
    for section in DATA_SECTIONS:
        for chosen in layer.messages(section):
            moved += [pair for pair in chosen.fields if pair[0] in TRANSFORMS]
            chosen.fields = [pair for pair in chosen.fields if pair[0] not in TRANSFORMS]
    if moved:
        for transform in layer.messages("transform_param"):
            moved += transform.fields
        layer.fields = [pair for pair in layer.fields if pair[0] != "transform_param"]
        layer.fields.append(("transform_param", Message(layer.name, layer.line, moved)))
    return layer


def _deprecated_inputs(root: Message, layers: list[Message]) -> list[Message]:
    """Turn ``input`` with ``input_shape`` or ``input_dim`` into Input layers.

    Published files also have a bare ``input`` beside the layer that gives it.
    """
    names = root.words("input")
    shapes = root.messages("input_shape")
    dims = root.words("input_dim")
    declared = {top for layer in layers if not layer.has("bottom") for top in layer.texts("top")}
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
