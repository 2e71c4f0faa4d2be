"""A graph that resizes and crops by itself: any uint8 picture in, what the graph gave before out.

The sizes follow ``zoo.images.prepare`` in whole numbers, so they are the same for every picture. As
in ``zoo.images.resize`` the width is resized first and then the height, each rounded to whole
levels. What differs is that here the whole picture is resized and then cropped, not only the window
that the crop keeps, and that there the height comes first where it shrinks while the width grows.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, version_converter

from zoo.domain.preprocessing import Interpolation, Preprocessing, Resize
from zoo.errors import NotRunnable, Unsupported
from zoo.export.pictures import IMAGES
from zoo.export.sheet import Sheet

PICTURE = "picture"
OLDEST = 18  # the version of operations from which Resize averages as Pillow does
RESIZE = "zoo.resize"  # metadata
PILLOW_CUBIC = -0.5  # the coefficient of Pillow's bicubic filter
LARGEST_LEVEL = 255.0


def with_resize(graph: bytes, preprocessing: Preprocessing) -> bytes:
    """Put resize and centre crop before a graph; the same bytes for the same graph.

    Input ``picture``: uint8, H x W x 3, RGB, of any size; outputs as before, for one picture.

    Raises:
        Unsupported: its operations are of a version that cannot be converted.
        NotRunnable: it does not read ``images``.
    """
    model = _load(graph)
    if [one.name for one in model.graph.input] != [IMAGES]:
        raise NotRunnable(f"The graph does not read {IMAGES!r} alone.")
    sheet = Sheet()
    Writer(sheet=sheet).write(preprocessing)
    nodes = [*sheet.nodes, *model.graph.node]
    del model.graph.node[:], model.graph.input[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(sheet.constants.values())
    model.graph.input.append(
        helper.make_tensor_value_info(PICTURE, TensorProto.UINT8, ["rows", "columns", 3])
    )
    for output in model.graph.output:
        if output.type.tensor_type.shape.dim:
            output.type.tensor_type.shape.dim[0].dim_value = 1
    told = {entry.key: entry.value for entry in model.metadata_props} | {RESIZE: "inside"}
    del model.metadata_props[:]
    helper.set_model_props(model, dict(sorted(told.items())))
    written: bytes = model.SerializeToString(deterministic=True)
    return written


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes the nodes of resize and crop; numbers are whole, of 64 bits, unless said."""

    sheet: Sheet

    def write(self, chosen: Preprocessing) -> None:
        """Write all nodes, from ``picture`` to ``images``."""
        height, width = self._read_sides()
        rows, columns = self._target(chosen, height, width)
        crop_height, crop_width = chosen.crop_px
        value = self._add("Unsqueeze", "first", PICTURE, self._numbers("axis", 0))
        value = self._add("Cast", "float", value, to=TensorProto.FLOAT)
        value = self._add("Transpose", "channels_first", value, perm=[0, 3, 1, 2])
        filter_ = chosen.interpolation
        value = self._resize("across", value, height, columns, filter_)
        value = self._resize("down", value, rows, columns, filter_)
        top, left = self._half(rows, crop_height, "top"), self._half(columns, crop_width, "left")
        value = self._crop(value, (top, left), chosen.crop_px)
        value = self._add("Transpose", "channels_last", value, perm=[0, 2, 3, 1])
        self.sheet.add("Cast", [value], IMAGES, to=TensorProto.UINT8)

    def _read_sides(self) -> tuple[str, str]:
        shape = self._add("Shape", "shape", PICTURE)
        height, width = (
            self._add("Gather", name, shape, self._numbers(name, axis), axis=0)
            for axis, name in enumerate(("height", "width"))
        )
        return height, width

    def _target(self, chosen: Preprocessing, height: str, width: str) -> tuple[str, str]:
        """Give the height and width of the whole picture when it is resized."""
        if chosen.resize is Resize.SQUASH:
            sides = squashed(chosen)
            return self._numbers("rows", sides[0]), self._numbers("columns", sides[1])
        crop_height, crop_width = chosen.crop_px
        target = self._numbers("target", chosen.resize_px)
        high, wide = (
            self._numbers("crop_height", crop_height),
            self._numbers("crop_width", crop_width),
        )
        short = self._add("Min", "short", height, width)
        rows, columns = (
            self._scaled(name, target, side, short)
            for name, side in (("rows", height), ("columns", width))
        )
        fits = self._add(
            "And",
            "fits",
            self._add("GreaterOrEqual", "fits_wide", columns, wide),
            self._add("GreaterOrEqual", "fits_high", rows, high),
        )
        # The crop does not fit in: the side that it lacks most gets the crop's size.
        is_width = self._add(
            "GreaterOrEqual",
            "lacks_width",
            self._add("Mul", "wide_by_height", wide, height),
            self._add("Mul", "high_by_width", high, width),
        )
        grown_rows = self._add(
            "Max", "grown_rows", self._scaled("rows_by_width", wide, height, width), high
        )
        grown_columns = self._add(
            "Max", "grown_columns", self._scaled("columns_by_height", high, width, height), wide
        )
        larger_rows = self._add("Where", "larger_rows", is_width, grown_rows, high)
        larger_columns = self._add("Where", "larger_columns", is_width, wide, grown_columns)
        return (
            self._add("Where", "resized_rows", fits, rows, larger_rows),
            self._add("Where", "resized_columns", fits, columns, larger_columns),
        )

    def _resize(
        self, name: str, value: str, rows: str, columns: str, filter_: Interpolation
    ) -> str:
        """Resize to whole levels; a cubic filter reaches beyond the first and the last of them."""
        # All four axes: ONNX Runtime moves transposes past a Resize, and forgets which it has.
        first = self._numbers("one_of_3", 1, 3)
        sizes = self._add("Concat", f"{name}_sizes", first, rows, columns, axis=0)
        cubic = filter_ is Interpolation.BICUBIC
        value = self._add(
            "Resize",
            name,
            value,
            "",
            "",
            sizes,
            mode="cubic" if cubic else "linear",
            antialias=1,
            exclude_outside=1,
            coordinate_transformation_mode="half_pixel",
            **({"cubic_coeff_a": PILLOW_CUBIC} if cubic else {}),
        )
        half = self.sheet.number("resize.half", 0.5)  # Pillow rounds halves up.
        value = self._add("Floor", f"{name}_rounded", self._add("Add", f"{name}_half", value, half))
        least, most = (
            self.sheet.number(f"resize.{end}", level)
            for end, level in (("least", 0.0), ("most", LARGEST_LEVEL))
        )
        return self._add("Clip", f"{name}_clipped", value, least, most)

    def _half(self, side: str, crop: int, name: str) -> str:
        """Give half of what the crop leaves over, rounded half to even, as torchvision does."""
        two = self._numbers("two", 2)
        over = self._add("Sub", f"{name}_over", side, self._numbers(f"{name}_crop", crop))
        half = self._add("Div", f"{name}_half", over, two)
        rest = self._add("Mod", f"{name}_rest", over, two)
        is_odd = self._add("Mod", f"{name}_odd", half, two)
        return self._add("Add", name, half, self._add("Mul", f"{name}_up", rest, is_odd))

    def _crop(self, value: str, starts: tuple[str, str], crop_px: tuple[int, int]) -> str:
        starting = self._add("Concat", "starts", *starts, axis=0)
        ends = self._add("Add", "ends", starting, self._numbers("crop", *crop_px))
        return self._add("Slice", "cropped", value, starting, ends, self._numbers("sides", 2, 3))

    def _scaled(self, name: str, target: str, side: str, by: str) -> str:
        """Give target * side / by, rounded down, as ``int`` rounds."""
        return self._add("Div", name, self._add("Mul", f"{name}_product", target, side), by)

    def _add(self, operator: str, name: str, *reads: str, **attributes: object) -> str:
        return self.sheet.add(operator, list(reads), f"resize/{name}", **attributes)

    def _numbers(self, name: str, *values: int) -> str:
        return self.sheet.keep(f"resize.{name}", np.array(values, np.int64))


def squashed(chosen: Preprocessing) -> tuple[int, int]:
    """Give the height and width that a squashed picture gets, whatever its shape."""
    short = min(chosen.crop_px)
    target = max(chosen.resize_px, short)
    height, width = (round(target * side / short) for side in chosen.crop_px)
    return height, width


def _load(graph: bytes) -> ModelProto:
    model = onnx.load_from_string(graph)
    versions = [one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}]
    if min(versions) >= OLDEST:
        return model
    told = {entry.key: entry.value for entry in model.metadata_props}
    try:
        converted = version_converter.convert_version(model, OLDEST)
    except (RuntimeError, ValueError, version_converter.ConvertError) as error:
        raise Unsupported(
            f"The graph's operations are of version {min(versions)}, and cannot be converted to"
            f" {OLDEST}, which resizes: {error}",
            hint="Export it without --with-resize.",
        ) from error
    helper.set_model_props(converted, told)
    return converted
