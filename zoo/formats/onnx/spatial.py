"""Operations on maps, pictures x channels x height x width: convolutions, poolings, resizing."""

import math
from dataclasses import dataclass

from zoo.formats.onnx.model import Node
from zoo.formats.onnx.scene import Refused, Scene, Value
from zoo.formats.onnx.sizes import Size, Sizes, told

MAPS = 4
Pair = tuple[int, int]
AVERAGES_OVERHANG = 19  # the version from which every runtime divides an overhanging average alike
SIZED = 11  # the version from which Resize takes sizes
LARGEST = 2**13  # of a kernel, stride, padding or factor
POOLS = {"GlobalAveragePool": "AdaptiveAvgPool2d", "GlobalMaxPool": "AdaptiveMaxPool2d"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What slides over a map; pads are top, left, bottom, right."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    pads: tuple[int, int, int, int]
    has_ceil: bool

    @property
    def is_even(self) -> bool:
        """Tell whether the padding is the same on both sides."""
        return self.pads[:2] == self.pads[2:]

    @property
    def extents(self) -> Pair:
        """How far the window reaches."""
        high, wide = (
            dilation * (kernel - 1) + 1
            for kernel, dilation in zip(self.kernel, self.dilation, strict=True)
        )
        return high, wide


def convolution(scene: Scene, node: Node) -> None:
    """Plan a convolution; uneven padding is a layer before it."""
    x, weight, bias = _maps(scene, node), scene.need(node, 1), scene.weight(node, 2)
    if len(weight.shape) != MAPS:
        raise Refused(f"has weights of {told(weight.shape)}, not of two dimensions")
    group = node.attributes.get("group", 1)
    outputs, inputs, *kernel = weight.shape
    _check_groups(group, outputs)
    if x.sizes[1] not in {inputs * group, None} or min(weight.shape) < 1:
        raise Refused(f"reads {told(x.sizes)} with weights of {told(weight.shape)} x {group}")
    if bias is not None and bias.shape != (outputs,):
        raise Refused(f"has a bias of {told(bias.shape)}")
    window = _window(node, x, tuple(kernel))
    sides = _slid(x.sizes, window)
    x, window = _padded(scene, node, x, window, value=0.0)
    options = {
        "in_channels": inputs * group,
        "out_channels": outputs,
        "kernel_size": window.kernel,
        "stride": window.stride,
        "padding": window.pads[:2],
        "dilation": window.dilation,
        "groups": group,
        "bias": bias is not None,
    }
    weights = {"weight": weight} | ({"bias": bias} if bias is not None else {})
    shape = (x.sizes[0], outputs, *sides)
    scene.add(node, "Conv2d", [x], shape, options=options, weights=weights)


def transposed_convolution(scene: Scene, node: Node) -> None:
    """Plan a transposed convolution, which makes maps larger."""
    x, weight, bias = _maps(scene, node), scene.need(node, 1), scene.weight(node, 2)
    group = node.attributes.get("group", 1)
    if len(weight.shape) != MAPS or "output_shape" in node.attributes:
        raise Refused("is not of two dimensions, or states the size it gives")
    inputs, outputs, *kernel = weight.shape
    _check_groups(group, inputs)
    if node.attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        raise Refused("pads by itself")
    window = _window(node, x, tuple(kernel))
    extra = _pair(node, "output_padding", 0)
    if not window.is_even or x.sizes[1] not in {inputs, None} or min(weight.shape) < 1:
        raise Refused("pads its sides differently, or reads other channels")
    if any(e >= max(s, d) for e, s, d in zip(extra, window.stride, window.dilation, strict=True)):
        raise Refused(f"adds {extra} to a stride of {window.stride}")
    options = {
        "in_channels": inputs,
        "out_channels": outputs * group,
        "kernel_size": window.kernel,
        "stride": window.stride,
        "padding": window.pads[:2],
        "output_padding": extra,
        "dilation": window.dilation,
        "groups": group,
        "bias": bias is not None,
    }
    sides = tuple(
        (side - 1) * stride - 2 * pad + extent + more if isinstance(side, int) else None
        for side, stride, pad, extent, more in zip(
            x.sizes[2:], window.stride, window.pads[:2], window.extents, extra, strict=True
        )
    )
    weights = {"weight": weight} | ({"bias": bias} if bias is not None else {})
    shape = (x.sizes[0], outputs * group, *sides)
    scene.add(node, "ConvTranspose2d", [x], shape, options=options, weights=weights)


def max_pool(scene: Scene, node: Node) -> None:
    """Plan a maximum over windows."""
    x = _maps(scene, node)
    if node.attributes.get("storage_order"):
        raise Refused("counts columns first")
    window = _without_ceil(_window(node, x, _kernel(node)), x.sizes)
    sides = _slid(x.sizes, window)
    x, window = _padded(scene, node, x, window, value=-math.inf)
    options = _pool_options(window) | {"dilation": window.dilation}
    shape = (*x.sizes[:2], *sides)
    scene.add(node, "MaxPool2d", [x], shape, options=options)


def average_pool(scene: Scene, node: Node) -> None:
    """Plan an average over windows; what lies in the padding counts, or does not."""
    x = _maps(scene, node)
    window = _without_ceil(_window(node, x, _kernel(node)), x.sizes)
    if window.dilation != (1, 1):
        raise Refused("is an average with gaps")
    counts = bool(node.attributes.get("count_include_pad", 0))
    if window.has_ceil and counts and scene.model.opset < AVERAGES_OVERHANG:
        raise Refused(f"averages what hangs over the edge, before version {AVERAGES_OVERHANG}")
    sides = _slid(x.sizes, window)
    shape = (*x.sizes[:2], *sides)
    if not counts and _needs_layer(window):
        if window.has_ceil:
            raise Refused("pads its sides differently and rounds its size up")
        top, left, bottom, right = window.pads
        options: dict[str, object] = {
            "kernel_size": window.kernel,
            "stride": window.stride,
            "pads": (left, right, top, bottom),
        }
        scene.add(node, "CountedAvgPool2d", [x], shape, options=options)
        return
    x, window = _padded(scene, node, x, window, value=0.0)
    options = _pool_options(window) | {"count_include_pad": counts}
    scene.add(node, "AvgPool2d", [x], shape, options=options)


def global_pool(scene: Scene, node: Node) -> None:
    """Plan an average or maximum over whole maps."""
    x = _maps(scene, node)
    shape = (*x.sizes[:2], 1, 1)
    scene.add(node, POOLS[node.op_type], [x], shape, options={"output_size": 1})


def local_response_norm(scene: Scene, node: Node) -> None:
    """Plan a normalisation across channels."""
    x = _maps(scene, node)
    size = node.attributes.get("size", 0)
    if not 1 <= size <= LARGEST or size % 2 == 0:
        raise Refused(f"has the size {size}, which is not odd")
    options = {
        "size": size,
        "alpha": node.attributes.get("alpha", 1e-4),
        "beta": node.attributes.get("beta", 0.75),
        "k": node.attributes.get("bias", 1.0),
    }
    scene.add(node, "LocalResponseNorm", [x], x.shape, options=options)


def depth_to_space(scene: Scene, node: Node) -> None:
    """Plan the move of channels into height and width."""
    x = _maps(scene, node)
    block, mode = node.attributes.get("blocksize", 0), node.attributes.get("mode", "DCR")
    pictures, channels, *sides = x.sizes
    if not isinstance(channels, int) or block < 1 or channels % block**2:
        raise Refused(f"divides {told([channels])} channels by {block} x {block}")
    shape = (pictures, channels // block**2, *(_times(side, block) for side in sides))
    scene.add(node, "DepthToSpace", [x], shape, options={"block": block, "mode": mode})


def resize(scene: Scene, node: Node) -> None:
    """Plan a resize by whole factors or to a size, in the ways that torch has too."""
    x = _maps(scene, node)
    scales, sizes = _targets(scene, node)
    changed = [scale for scale in scales or () if scale != 1]
    mode = _resize_mode(node, changed, is_sized=sizes is not None, is_old=_is_old(scene, node))
    if sizes is not None:
        target = sizes[2:]
        if len(sizes) != MAPS or sizes[1] != x.sizes[1] or min(target) < 1 or max(target) > LARGEST:
            raise Refused(f"resizes {told(x.sizes)} to {sizes}")
        _check_factors(mode, x.sizes[2:], target)
        options = {"size": target, "mode": mode}
        shape: Sizes = (*x.sizes[:2], *target)
    elif scales and len(scales) == MAPS and scales[:2] == (1.0, 1.0):
        if any(scale != int(scale) or not 1 <= scale <= LARGEST for scale in scales[2:]):
            raise Refused(f"resizes by {scales[2:]}, which are no whole factors")
        factors = tuple(int(scale) for scale in scales[2:])
        options = {"factors": factors, "mode": mode}
        sides = tuple(_times(s, f) for s, f in zip(x.sizes[2:], factors, strict=True))
        shape = (*x.sizes[:2], *sides)
    else:
        raise Refused("resizes other axes than height and width")
    scene.add(node, "Resize", [x], shape, options=options)


def _check_factors(mode: str, sides: Sizes, target: tuple[int, ...]) -> None:
    """Refuse what libraries round differently: nearest to a size that is no multiple."""
    whole = all(
        isinstance(side, int) and size % side == 0 for side, size in zip(sides, target, strict=True)
    )
    if mode == "nearest" and not whole:
        raise Refused(f"repeats pixels of {told(sides)} to {told(target)}, no whole factors")


def _is_old(scene: Scene, node: Node) -> bool:
    """Tell whether a resize is of the time before it could be told how pixels lie."""
    return node.op_type == "Upsample" or scene.model.opset < SIZED


def _targets(scene: Scene, node: Node) -> tuple[tuple[float, ...] | None, tuple[int, ...] | None]:
    if _is_old(scene, node):
        return scene.floats(node, 1, "scales"), None
    scales = scene.floats(node, 2) or None
    value = scene.find(node, 3)
    if value is None or scales:
        return scales, None
    numbers = value.numbers or scene.ints(node, 3) or ()
    ints = tuple(number for number in numbers[1:] if isinstance(number, int))
    if len(numbers) != len(ints) + 1:
        raise Refused("resizes to a size that is not known")
    return None, (1, *ints)


def _resize_mode(node: Node, scales: list[float], *, is_sized: bool, is_old: bool) -> str:
    """Name torch's mode; ``scales`` are those that are not 1."""
    old = is_old and ("asymmetric", "floor")
    place, rounding = old or (
        node.attributes.get("coordinate_transformation_mode", "half_pixel"),
        node.attributes.get("nearest_mode", "round_prefer_floor"),
    )
    mode = node.attributes.get("mode", "nearest")
    if node.attributes.get("antialias") or node.attributes.get("axes"):
        raise Refused("resizes some axes, or smoothly")
    if not scales and not is_sized:
        return "nearest"
    if mode == "nearest" and (place, rounding) in NEAREST:
        return "nearest"
    if mode == "linear" and place in LINEAR:
        return LINEAR[place]
    raise Refused(f"resizes in the mode {mode}, {place}, {rounding}")


# What repeats every pixel as often where the factor is whole: torch's nearest.
NEAREST = {
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
}
LINEAR = {
    "half_pixel": "bilinear",
    "pytorch_half_pixel": "bilinear",
    "align_corners": "bilinear_corners",
}


def _maps(scene: Scene, node: Node) -> Value:
    x = scene.read(node)
    if x.rank != MAPS:
        raise Refused(f"reads {told(x.sizes)}, not maps of height and width")
    return x


def _kernel(node: Node) -> tuple[int, ...]:
    kernel = node.attributes.get("kernel_shape") or ()
    if len(kernel) != 2 or min(kernel) < 1 or max(kernel) > LARGEST:  # noqa: PLR2004  # height, width
        raise Refused(f"has the kernel {kernel}, not of height and width")
    return tuple(kernel)


def _pair(node: Node, name: str, absent: int) -> Pair:
    found = tuple(node.attributes.get(name) or (absent, absent))
    if len(found) != 2 or min(found) < absent or max(found) > LARGEST:  # noqa: PLR2004
        raise Refused(f"has {name} {found}")
    return found[0], found[1]


def _window(node: Node, x: Value, kernel: tuple[int, ...]) -> Window:
    high, wide = kernel
    window = Window(
        kernel=(high, wide),
        stride=_pair(node, "strides", 1),
        dilation=_pair(node, "dilations", 1),
        pads=(0, 0, 0, 0),
        has_ceil=bool(node.attributes.get("ceil_mode", 0)),
    )
    pads = _pads(node, x.sizes, window)
    return Window(
        kernel=window.kernel,
        stride=window.stride,
        dilation=window.dilation,
        pads=(pads[0], pads[1], pads[2], pads[3]),
        has_ceil=window.has_ceil,
    )


def _pads(node: Node, sizes: Sizes, window: Window) -> tuple[int, ...]:
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in {"SAME_UPPER", "SAME_LOWER"}:
        totals = [
            _same_padding(side, extent, stride)
            for side, extent, stride in zip(sizes[2:], window.extents, window.stride, strict=True)
        ]
        less = tuple(total // 2 for total in totals)
        more = tuple(total - total // 2 for total in totals)
        return (*less, *more) if automatic == "SAME_UPPER" else (*more, *less)
    pads = node.attributes.get("pads") if automatic != "VALID" else None
    found = tuple(pads or (0, 0, 0, 0))
    if len(found) != MAPS or min(found) < 0 or max(found) > LARGEST:
        raise Refused(f"has pads {found}")
    return found


def _same_padding(side: Size, extent: int, stride: int) -> int:
    """Give the padding with which a map becomes ceil(side / stride) long."""
    if isinstance(side, int):
        return max((math.ceil(side / stride) - 1) * stride + extent - side, 0)
    if stride == 1:
        return extent - 1
    raise Refused("pads by the size of its input, which is free")


def _slid(sizes: Sizes, window: Window) -> Sizes:
    """Give height and width of what the window gives.

    A window that would begin in the padding after the end is left out, as PyTorch and ONNX do.
    """
    found: list[Size] = []
    for axis, side in enumerate(sizes[2:]):
        before, after = window.pads[axis], window.pads[axis + 2]
        stride = window.stride[axis]
        if not isinstance(side, int):
            found.append(None)
            continue
        room = side + before + after - window.extents[axis]
        if room < 0:
            raise Refused(f"has a window larger than its input of {told(sizes)}")
        count = (math.ceil(room / stride) if window.has_ceil else room // stride) + 1
        if window.has_ceil and (count - 1) * stride >= side + before:
            count -= 1
        found.append(count)
    return tuple(found)


def _without_ceil(window: Window, sizes: Sizes) -> Window:
    """Say that sizes round down where rounding up gives the same."""
    plain = Window(
        kernel=window.kernel,
        stride=window.stride,
        dilation=window.dilation,
        pads=window.pads,
        has_ceil=False,
    )
    is_free = None in sizes[2:]
    return plain if not is_free and _slid(sizes, plain) == _slid(sizes, window) else window


def _needs_layer(window: Window) -> bool:
    """Tell whether torch's poolings do not take this padding."""
    is_wide = any(2 * pad > size for pad, size in zip(window.pads, window.kernel * 2, strict=True))
    return not window.is_even or is_wide


def _padded(
    scene: Scene, node: Node, x: Value, window: Window, *, value: float
) -> tuple[Value, Window]:
    """Pad in a layer of its own where the module itself cannot."""
    is_needed = not window.is_even if node.op_type == "Conv" else _needs_layer(window)
    if not is_needed:
        return x, window
    if window.has_ceil:
        raise Refused("pads its sides differently and rounds its size up")
    top, left, bottom, right = window.pads
    padded = (
        *x.sizes[:2],
        *(
            side + before + after if isinstance(side, int) else None
            for side, before, after in zip(
                x.sizes[2:], window.pads[:2], window.pads[2:], strict=True
            )
        ),
    )
    options = {"pads": (left, right, top, bottom), "mode": "constant", "value": value}
    result = scene.add(node, "Pad", [x], padded, options=options, step="pad")
    bare = Window(
        kernel=window.kernel,
        stride=window.stride,
        dilation=window.dilation,
        pads=(0, 0, 0, 0),
        has_ceil=False,
    )
    return result, bare


def _pool_options(window: Window) -> dict[str, object]:
    return {
        "kernel_size": window.kernel,
        "stride": window.stride,
        "padding": window.pads[:2],
        "ceil_mode": window.has_ceil,
    }


def _check_groups(group: int, channels: int) -> None:
    if group < 1 or channels % group:
        raise Refused(f"divides {channels} channels into {group} groups")


def _times(size: Size, factor: int) -> Size:
    return size * factor if isinstance(size, int) else None
