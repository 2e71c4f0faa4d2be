"""Poolings, with the windows that Caffe and torch leave out."""

from collections.abc import Mapping
from typing import Any

from zoo.export.layers.base import FLOAT, HEIGHT, WIDTH, Rows, map_size, pair
from zoo.export.sheet import Place
from zoo.networks import layers


def window(module: Any) -> dict[str, Any]:  # noqa: ANN401  # poolings of torch and of our own
    """Give the attributes of a pooling's windows."""
    return {
        "kernel_shape": pair(module.kernel_size),
        "strides": pair(module.stride),
        "pads": pair(getattr(module, "padding", 0)) * 2,
        "ceil_mode": int(module.ceil_mode),
    }


def write_pool(place: Place, operator: str, module: Any, **more: Any) -> str:  # noqa: ANN401  # poolings of torch and of our own
    """Write a pooling, less the windows that would begin in the padding at the far edge."""
    chosen = window(module) | more
    pooled = place.step("pool", operator, *place.reads, **chosen)
    return drop_empty(place, [pooled], chosen)[0]


def drop_empty(
    place: Place, pooled: list[str], chosen: Mapping[str, Any], name: str = "windows"
) -> list[str]:
    """Cut off windows that begin in the padding at the far edge, where there can be such.

    Runtimes leave them out already, but not all of them, and ONNX's own inference of shapes does
    not know that. There can be some where rounding up adds more than a kernel less its padding.
    """
    windows = zip(chosen["kernel_shape"], chosen["strides"], chosen["pads"], strict=False)
    may_be_empty = chosen["ceil_mode"] and any(
        pad > 0 and pad + stride > kernel for kernel, stride, pad in windows
    )
    if not may_be_empty:
        return pooled
    reach = [pad + step - 1 for pad, step in zip(chosen["pads"], chosen["strides"], strict=False)]
    size = map_size(place, place.reads[0], f"{name}/size")
    grown = place.step(f"{name}/grown", "Add", size, place.integers(f"{name}/reach", *reach))
    steps = place.integers(f"{name}/strides", *chosen["strides"])
    ends = place.step(f"{name}/ends", "Div", grown, steps)
    starts = place.integers(f"{name}/starts", 0, 0)
    axes = place.integers(f"{name}/axes", HEIGHT, WIDTH)
    return [
        place.step(f"{name}/{number}", "Slice", each, starts, ends, axes)
        for number, each in enumerate(pooled)
    ]


def _widely_padded_pool(place: Place, module: layers.WidelyPaddedPool2d) -> str:
    if module.is_average:
        return write_pool(place, "AveragePool", module, count_include_pad=1)
    return write_pool(place, "MaxPool", module)


def _masked_max_pool(place: Place, module: layers.MaskedMaxPool2d) -> tuple[str, str]:
    """ONNX counts places through the whole batch; the rest of a map's area is left of them."""
    chosen = window(module)
    if not any(module.kernel_size):
        chosen["kernel_shape"] = [place.size(HEIGHT), place.size(WIDTH)]
    both = [f"{place.writes}/pool", f"{place.writes}/places"]
    place.sheet.add_all("MaxPool", place.reads, both, **chosen)
    pooled, places = drop_empty(place, both, chosen)
    area = place.step("area", "ReduceProd", map_size(place, place.reads[0]), keepdims=1)
    mask = place.step("place", "Mod", places, area)
    return pooled, place.step("mask", "Cast", mask, to=FLOAT)


def _stochastic_pool(place: Place, module: layers.StochasticPool2d) -> str:
    (x,) = place.reads
    is_whole = not any(module.kernel_size)
    operator = "GlobalAveragePool" if is_whole else "AveragePool"
    chosen = {} if is_whole else window(module)
    square = place.step("square", "Mul", x, x)
    squares = place.step("squares", operator, square, **chosen)
    total = place.step("total", operator, x, **chosen)
    nothing = place.number("nothing", 0)
    drawn = place.step("drawn", "Div", squares, total)
    is_positive = place.step("is_positive", "Greater", total, nothing)
    return place.end("Where", is_positive, drawn, nothing)


def _spp(place: Place, module: layers.SPP) -> str:
    pooled = []
    for number, (kernel, pads) in enumerate(
        module.windows((place.size(HEIGHT), place.size(WIDTH)))
    ):
        chosen = {
            "kernel_shape": kernel,
            "strides": kernel,
            "pads": pads * 2,
            "ceil_mode": 1,
        }
        if module.is_average:
            chosen["count_include_pad"] = 1
        operator = "AveragePool" if module.is_average else "MaxPool"
        level = place.step(f"level_{number}", operator, *place.reads, **chosen)
        pooled += drop_empty(place, [level], chosen, f"windows_{number}")
    if len(pooled) == 1:
        return pooled[0]
    rows = [place.step(f"row_{n}", "Flatten", level, axis=1) for n, level in enumerate(pooled)]
    return place.end("Concat", *rows, axis=1)


ROWS: Rows = {
    layers.MaskedMaxPool2d: _masked_max_pool,
    layers.SPP: _spp,
    layers.StochasticPool2d: _stochastic_pool,
    layers.WidelyPaddedPool2d: _widely_padded_pool,
}
