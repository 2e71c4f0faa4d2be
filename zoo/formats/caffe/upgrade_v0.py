"""The first generation of the prototxt (V0, 2013) turned into the second.

Source: ``UpgradeV0PaddingLayers`` and ``UpgradeV0LayerParameter`` in BVLC/caffe. V0 wraps a
``layer`` with all its parameters, whatever their kind, in each ``layers``.
"""

from zoo.formats.caffe.tree import Message, Word

V0_TYPES = {
    "accuracy": "Accuracy",
    "bnll": "BNLL",
    "concat": "Concat",
    "conv": "Convolution",
    "data": "Data",
    "dropout": "Dropout",
    "euclidean_loss": "EuclideanLoss",
    "flatten": "Flatten",
    "hdf5_data": "HDF5Data",
    "hdf5_output": "HDF5Output",
    "im2col": "Im2col",
    "images": "ImageData",
    "infogain_loss": "InfogainLoss",
    "innerproduct": "InnerProduct",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MultinomialLogisticLoss",
    "pool": "Pooling",
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "softmax_loss": "SoftmaxWithLoss",
    "split": "Split",
    "tanh": "TanH",
    "window_data": "WindowData",
}
SECTIONS = {
    "Concat": "concat_param",
    "Convolution": "convolution_param",
    "Data": "data_param",
    "Dropout": "dropout_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "InnerProduct": "inner_product_param",
    "LRN": "lrn_param",
    "Pooling": "pooling_param",
    "WindowData": "window_data_param",
}
TRANSFORMS = {
    "cropsize": "crop_size",
    "meanfile": "mean_file",
    "mirror": "mirror",
    "scale": "scale",
}
RENAMED = {"batchsize": "batch_size", "biasterm": "bias_term", "kernelsize": "kernel_size"}
KEPT = frozenset({"blobs_lr", "name", "weight_decay"})
PADDED = {"conv", "pool"}


def upgrade_v0(layers: list[Message]) -> list[Message]:
    """Give layers of the first generation as the second writes them, padding folded in.

    Raises:
        MalformedPrototxt: a padding layer pads what has no pad.
    """
    paddings: dict[str, Message] = {}  # by the blob they write
    upgraded = []
    for layer in layers:
        if not layer.has("layer"):
            upgraded.append(layer)
            continue
        if layer.message("layer").text("type") == "padding":
            for top in layer.texts("top"):
                paddings[top] = layer
            continue
        upgraded.append(_upgrade(layer, paddings))
        for top in layer.texts("top"):
            paddings.pop(top, None)
    return upgraded


def _upgrade(layer: Message, paddings: dict[str, Message]) -> Message:
    wrapped = layer.message("layer")
    v0_type = wrapped.text("type")
    kind = V0_TYPES.get(v0_type, v0_type)
    upgraded = Message(layer.name, layer.line, [("type", Word(kind, wrapped.line))])
    upgraded.fields += [pair for pair in wrapped.fields if pair[0] in KEPT]
    chosen, transform = _parameters(wrapped)
    for key, value in layer.fields:
        padding = paddings.get(value.text) if key == "bottom" and isinstance(value, Word) else None
        if padding:
            _fold(padding, chosen, v0_type)
            upgraded.fields += [("bottom", word) for word in padding.words("bottom")]
        elif key != "layer":
            upgraded.fields.append((key, value))
    sections = {SECTIONS.get(kind, "v0_param"): chosen, "transform_param": transform}
    upgraded.fields += [(name, section) for name, section in sections.items() if section.fields]
    return upgraded


def _parameters(wrapped: Message) -> tuple[Message, Message]:
    """Part what one message says of the layer from what it says of the pictures."""
    chosen, transform = (Message(wrapped.name, wrapped.line) for _ in range(2))
    for key, value in wrapped.fields:
        if key in TRANSFORMS:
            transform.fields.append((TRANSFORMS[key], value))
        elif key not in KEPT | {"type"}:
            chosen.fields.append((RENAMED.get(key, key), value))
    return chosen, transform


def _fold(padding: Message, chosen: Message, v0_type: str) -> None:
    """Give a convolution or pooling the pad of the layer it reads."""
    if v0_type not in PADDED:
        raise padding.refuse(f"a padding layer is read by a layer of type {v0_type!r}")
    pads = padding.message("layer").words("pad")
    chosen.fields = [pair for pair in chosen.fields if pair[0] != "pad"]
    chosen.fields += [("pad", word) for word in pads]
