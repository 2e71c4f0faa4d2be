"""Operations on every number by itself: activations, and arithmetic of two values."""

from typing import Any

from zoo.formats.onnx.model import Node, Tensor
from zoo.formats.onnx.scene import Refused, Scene, Value
from zoo.formats.onnx.sizes import Sizes, broadcast

# The module of each activation, and how it calls the attributes: (theirs, ours, where absent).
ACTIVATIONS: dict[str, tuple[str, tuple[tuple[str, str, Any], ...]]] = {
    "Celu": ("CELU", (("alpha", "alpha", 1.0),)),
    "Elu": ("ELU", (("alpha", "alpha", 1.0),)),
    "Gelu": ("GELU", (("approximate", "approximate", "none"),)),
    "HardSwish": ("Hardswish", ()),
    "LeakyRelu": ("LeakyReLU", (("alpha", "negative_slope", 0.01),)),
    "Mish": ("Mish", ()),
    "Relu": ("ReLU", ()),
    "Sigmoid": ("Sigmoid", ()),
    "Softplus": ("Softplus", ()),
    "Softsign": ("Softsign", ()),
    "Tanh": ("Tanh", ()),
    **{
        name: ("Pointwise", (("", "operator", name),))
        for name in ("Abs", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Sqrt")
    },
}
# The function of two computed values; the same name is the operator's with a constant.
PAIRWISE = {
    "Add": "add",
    "Div": "div",
    "Max": "maximum",
    "Min": "minimum",
    "Mul": "mul",
    "Pow": "pow",
    "Sub": "sub",
    "Sum": "add",
}
SIXTH, HALF = 1 / 6, 0.5
NEARLY = 1e-6
RELU6 = (0.0, 6.0)


def activation(scene: Scene, node: Node) -> None:
    """Plan a function of one value."""
    if scene.try_fold(node):
        return
    x = scene.read(node)
    kind, attributes = ACTIVATIONS[node.op_type]
    options = {
        ours: node.attributes.get(theirs, absent) if theirs else absent
        for theirs, ours, absent in attributes
    }
    scene.add(node, kind, [x], x.shape, options=options)


def hard_sigmoid(scene: Scene, node: Node) -> None:
    """Plan max(0, min(1, alpha x + beta)); torch has it with alpha 1/6 and beta 1/2."""
    x = scene.read(node)
    alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    if abs(alpha - SIXTH) < NEARLY and beta == HALF:
        scene.add(node, "Hardsigmoid", [x], x.shape)
    else:
        scene.add(node, "SlopedSigmoid", [x], x.shape, options={"alpha": alpha, "beta": beta})


def clip(scene: Scene, node: Node) -> None:
    """Plan a function with a least and a largest value."""
    x = scene.read(node)
    low, high = scene.number(node, 1, "min"), scene.number(node, 2, "max")
    if (low, high) == RELU6:
        scene.add(node, "ReLU6", [x], x.shape)
    elif low is None and high is None:
        scene.hand_on(node, x)
    else:
        scene.add(node, "Clip", [x], x.shape, options={"low": low, "high": high})


def prelu(scene: Scene, node: Node) -> None:
    """Plan a ReLU with a learned slope: one for all, or one a channel."""
    x, slope = scene.read(node), scene.need(node, 1)
    flat = _flat_channels(slope, x.sizes)
    if slope.size != 1 and flat is None:
        raise Refused("has slopes that are not one a channel")
    kept = flat or _reshaped(slope, (1,))
    options = {"num_parameters": kept.size}
    scene.add(node, "PReLU", [x], x.shape, options=options, weights={"weight": kept})


def dropout(scene: Scene, node: Node) -> None:
    """Plan a dropout, which does nothing outside training."""
    x = scene.read(node)
    ratio = scene.number(node, 1) if len(node.inputs) > 1 else node.attributes.get("ratio")
    share = 0.5 if ratio is None else float(ratio)
    if not 0 <= share <= 1:
        raise Refused(f"drops {share} of its numbers")
    scene.add(node, "Dropout", [x], x.shape, options={"p": share})


def pairwise(scene: Scene, node: Node) -> None:
    """Plan arithmetic of two values, or of several from left to right."""
    if scene.try_fold(node):
        return
    values = [scene.get(name) for name in node.inputs]
    if len(values) == 1:
        scene.hand_on(node, values[0])
        return
    total = values[0]
    for index, value in enumerate(values[1:], start=1):
        is_last = index == len(values) - 1
        total = _combine(scene, node, total, value, step="" if is_last else str(index))
    if total.is_known:
        raise Refused("computes with constants in a way that is not known")


def _combine(scene: Scene, node: Node, first: Value, second: Value, *, step: str) -> Value:
    if first.shape is None or second.shape is None:
        raise Refused("reads a value whose shape is unknown")
    shape = broadcast(first.sizes, second.sizes)
    if not first.is_known and not second.is_known:
        kind = PAIRWISE[node.op_type]
        return scene.add(node, kind, [first, second], shape, step=step)
    variable, constant = (second, first) if first.is_known else (first, second)
    if variable.is_known or constant.tensor is None or not constant.tensor.is_float:
        raise Refused("computes with sizes, or with constants that are no floats")
    _check_constant(constant.tensor, variable.sizes)
    is_reversed = first.is_known and node.op_type in {"Div", "Pow", "Sub"}
    if not step and not is_reversed and _amend(scene, node, variable, constant.tensor):
        return variable
    return _with_constant(
        scene, node, variable, constant.tensor, is_reversed=is_reversed, shape=shape, step=step
    )


def _with_constant(  # noqa: PLR0913  # two values and how they are put together
    scene: Scene,
    node: Node,
    variable: Value,
    constant: Tensor,
    *,
    is_reversed: bool,
    shape: Sizes,
    step: str,
) -> Value:
    flat = _flat_channels(constant, variable.sizes)
    if node.op_type == "Mul" and flat is not None:
        options: dict[str, Any] = {"shape": (flat.size,), "bias": False}
        return scene.add(
            node, "Scale", [variable], shape, options=options, weights={"weight": flat}, step=step
        )
    options = {"operator": "Add" if node.op_type == "Sum" else node.op_type}
    options |= {"is_reversed": is_reversed} if is_reversed else {}
    if constant.size == 1 and len(constant.shape) <= variable.rank:
        options |= {"number": float(constant.array().reshape(-1)[0])}
        return scene.add(node, "WithConstant", [variable], shape, options=options, step=step)
    options |= {"shape": constant.shape}
    weights = {"value": constant}
    return scene.add(
        node, "WithConstant", [variable], shape, options=options, weights=weights, step=step
    )


def _amend(scene: Scene, node: Node, variable: Value, constant: Tensor) -> bool:
    """Make a sum the bias of the layer whose value it adds to, where it can be; tell whether."""
    layer = scene.layers.get(variable.name)
    if node.op_type != "Add" or layer is None or not scene.is_used_once(variable):
        return False
    if layer.kind == "Linear" and not layer.options["bias"]:
        features = layer.options["out_features"]
        fits = constant.size == features == (constant.shape or (0,))[-1]
        bias = _reshaped(constant, (features,)) if fits else None
    elif layer.kind == "Scale" and not layer.options["bias"]:
        bias = _flat_channels(constant, variable.sizes)
    else:
        return False
    if bias is None or scene.is_shared(layer):
        return False
    options = {**layer.options, "bias": True}
    scene.amend(layer, node, options=options, weights={**layer.weights, "bias": bias})
    return True


def _check_constant(constant: Tensor, sizes: Sizes) -> None:
    """Refuse a constant with other numbers for every picture of a batch, or with more axes."""
    extra = len(constant.shape) - len(sizes)
    if extra > 0 or (extra == 0 and constant.shape and constant.shape[0] != 1 and sizes[0] != 1):
        is_batch = extra > 0 or not isinstance(sizes[0], int)
        if is_batch:
            raise Refused("has other numbers for every picture of a batch")


def _flat_channels(constant: Tensor, sizes: Sizes) -> Tensor | None:
    """Give a constant of one number a channel without its axes of size 1; None if it is none."""
    rank = len(sizes)
    if rank < 2:  # noqa: PLR2004  # pictures and channels
        return None
    channels = sizes[1]
    padded = (*(1,) * (rank - len(constant.shape)), *constant.shape)
    expected = (1, channels, *(1,) * (rank - 2))
    if padded != expected or channels == 1:
        return None
    return _reshaped(constant, (constant.size,))


def _reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    stored = tensor.stored.reshape(shape)
    return Tensor(tensor.name, tensor.kind, shape, stored, tensor.element)
