"""What filters look like: small pictures side by side, in true colours or blue, white and red."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.domain.filters import Layout, Numbers, Portrait, Scaling, Tensor
from zoo.domain.preprocessing import Channels
from zoo.errors import Invalid
from zoo.filters.colours import DIVERGING, Pixels, paint, paint_rgb

SIDE_PX = 1024  # that a picture keeps within where its numbers have a pixel each
TILE_PX = 64  # side up to which a tile is enlarged, and numbers of a kernel's side that are shown
MOST_TILES = 1024
MOST_CHANNELS = 32  # tiles of one filter
MOST_ROWS, MOST_COLUMNS = 512, 1024  # numbers of a matrix
MATRIX_SCALE = 16  # pixels of a number of a matrix, at most
GAP_PX, UNIT_GAP_PX = 1, 5  # between tiles, and between filters of several
COLOURS = 3
GROUND = (96, 96, 96)  # between tiles; neither 0 nor a strong number looks like it
STRIP_PX, FONT_PX, MARGIN_PX = 44, 12, 6  # the legend below maps
FACE_TILES, FACE_KERNEL, FACE_MATRIX = 64, 16, 32  # of a face: filters, numbers of a side
FACE_PX, FACE_GAP_PX = 224, 1  # that a face keeps within; around each of its tiles


def draw_portrait(
    tensor: Tensor,
    *,
    scaling: Scaling = Scaling.SHARED,
    channels: Channels | None = None,
    has_legend: bool = True,
) -> Portrait:
    """Draw the filters of a tensor, O x I/groups x h x w or out x in.

    Filters of three channels that read a picture are one tile each, in the picture's colours: grey
    is 0. Others are a row of tiles, one per input channel, and kernels of one number make one map
    of outputs by inputs: blue is below 0, red above. Large tensors are shown in part, which the
    legend tells.

    Args:
        tensor: two axes or more; of three axes of space the first two count as height.
        scaling: whether colours mean the same in all filters.
        channels: the order in which the network reads colour; None where these are no colours.
        has_legend: whether a strip below tells what is shown.

    Raises:
        Invalid: there is no number to be drawn.
    """
    shown = _show(tensor, scaling, channels)
    tiles = shown.paint()
    pixels = _enlarge(tiles, shown.scale) if shown.is_matrix else _lay_out(tiles)
    if has_legend and not shown.is_coloured:
        pixels = _with_legend(pixels, shown.told, shown.ends)
    told = f"{shown.told} in RGB, {shown.ends}" if shown.is_coloured else shown.told
    return Portrait(pixels=pixels, told=told)


def lay_portrait(
    tensor: Tensor, *, scaling: Scaling = Scaling.SHARED, channels: Channels | None = None
) -> Layout:
    """Tell where the filters lie in what ``draw_portrait`` draws without its legend.

    Raises:
        Invalid: there is no number to be drawn.
    """
    shown = _show(tensor, scaling, channels)
    if shown.is_matrix:
        height, width = (side * shown.scale for side in shown.shares.shape)
        return Layout(size_px=(height, width), tiles=(), told=shown.told, ends=shown.ends)
    shape = shown.tiles_shape
    grid = _fit_grid(shape, SIDE_PX)
    width = (shape[3] * grid.scale + GAP_PX) * shape[1] - GAP_PX
    places = (grid.place(index) for index in range(shape[0]))
    return Layout(
        size_px=grid.size_px,
        tiles=tuple((left, top, width, shape[2] * grid.scale) for left, top in places),
        told=shown.told,
        ends=shown.ends,
        is_coloured=shown.is_coloured,
    )


def draw_face(tensor: Tensor, *, channels: Channels | None = None) -> Pixels:
    """Draw what a network is known by at a glance: its first filters in a square, no legend.

    At most 64 filters, each by its own strength, in the colours of ``draw_portrait``; of those that
    read no colours the first channel is shown, of kernels of one number a corner of the matrix.

    Raises:
        Invalid: there is no number to be drawn.
    """
    if tensor.count == 0:
        raise Invalid(f"{tensor.name} holds no numbers that could be drawn.")
    if math.prod(_kernel(tensor)) == 1:
        part = _read(tensor, (FACE_MATRIX, FACE_MATRIX, 1, 1))
        shares, _ = _scale(part.numbers[:, :, 0, 0], Scaling.SHARED)
        return _enlarge(paint(shares), max(FACE_PX // max(shares.shape), 1))
    is_coloured = channels in {Channels.RGB, Channels.BGR} and tensor.shape[1] == COLOURS
    shown = COLOURS if is_coloured else 1
    part = _read(tensor, (FACE_TILES, shown, FACE_KERNEL, FACE_KERNEL))
    shares, _ = _scale(part.numbers, Scaling.OWN)
    if is_coloured:
        turned = shares[:, ::-1] if channels is Channels.BGR else shares
        tiles = paint_rgb(np.moveaxis(turned, 1, -1))
    else:
        tiles = paint(shares[:, 0])
    columns, sides = math.ceil(math.sqrt(len(tiles))), tiles.shape[1:3]
    scale = max((FACE_PX // columns - 2 * FACE_GAP_PX) // max(sides), 1)
    around = (FACE_GAP_PX, FACE_GAP_PX)
    framed = np.empty((len(tiles), 1, *(side * scale + sum(around) for side in sides), 3), np.uint8)
    framed[:] = GROUND
    inner = slice(FACE_GAP_PX, -FACE_GAP_PX)
    for index, tile in enumerate(tiles):
        framed[index, 0, inner, inner] = _enlarge(tile, scale)
    return _lay_out(framed, most_px=FACE_PX)


@dataclass(frozen=True, slots=True)
class _Part:
    """The numbers that are shown, filters x channels x h x w, and of how many they are."""

    numbers: Numbers
    of: tuple[int, int, int, int]


def _kernel(tensor: Tensor) -> tuple[int, int]:
    """Give a kernel's height and width; a third axis of space counts as height."""
    sides = tensor.shape[2:]
    return (math.prod(sides[:-1]), sides[-1]) if sides else (1, 1)


def _read(tensor: Tensor, most: tuple[int, int, int, int]) -> _Part:
    """Read the first filters, channels and numbers of a kernel; no others are touched."""
    of = (tensor.shape[0], tensor.shape[1], *_kernel(tensor))
    filters, channels, height, width = map(min, of, most)
    area = of[2] * of[3]
    numbers = np.empty((filters, channels, height, width))
    for index in range(filters):
        for channel in range(channels):
            start = (index * of[1] + channel) * area
            kernel = tensor.read(slice(start, start + height * of[3]))
            numbers[index, channel] = kernel.reshape(height, of[3])[:, :width]
    return _Part(numbers, of)


def _scale(numbers: Numbers, scaling: Scaling) -> tuple[Numbers, str]:
    """Bring numbers to -1..1 about 0, and say what the ends stand for."""
    size = np.where(np.isfinite(numbers), abs(numbers), 0)
    axes = None if scaling is Scaling.SHARED else tuple(range(1, numbers.ndim))
    extent = size.max(axis=axes, keepdims=True)
    told = f"+-{float(extent.max()):.3g}" if scaling is Scaling.SHARED else "each filter's own"
    return numbers / np.where(extent > 0, extent, 1), told


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What of a tensor is shown, as shares of the strongest number."""

    shares: Numbers  # filters x channels x h x w; outputs x inputs of a matrix
    told: str
    ends: str
    is_matrix: bool = False
    is_coloured: bool = False
    is_turned: bool = False  # the channels come as BGR

    @property
    def tiles_shape(self) -> tuple[int, int, int, int]:
        """Filters, tiles of each, and their height and width."""
        filters, channels, height, width = self.shares.shape
        return filters, 1 if self.is_coloured else channels, height, width

    @property
    def scale(self) -> int:
        """Pixels of a number of a matrix."""
        return min(max(SIDE_PX // int(max(self.shares.shape)), 1), MATRIX_SCALE)

    def paint(self) -> Pixels:
        """Give the tiles in their colours, filters x tiles x h x w x 3; of a matrix its pixels."""
        if not self.is_coloured:
            return paint(self.shares)
        turned = self.shares[:, ::-1] if self.is_turned else self.shares
        return paint_rgb(np.moveaxis(turned, 1, -1))[:, np.newaxis]


def _show(tensor: Tensor, scaling: Scaling, channels: Channels | None) -> _Shown:
    if tensor.count == 0:
        raise Invalid(f"{tensor.name} holds no numbers that could be drawn.")
    if math.prod(_kernel(tensor)) == 1:
        return _show_matrix(tensor, scaling)
    is_coloured = channels in {Channels.RGB, Channels.BGR} and tensor.shape[1] == COLOURS
    several = COLOURS if is_coloured else min(tensor.shape[1], MOST_CHANNELS)
    filters = MOST_TILES if is_coloured else MOST_TILES // several
    part = _read(tensor, (filters, several, TILE_PX, TILE_PX))
    shares, ends = _scale(part.numbers, scaling)
    return _Shown(
        shares=shares,
        told=_tell_part(part, ("filters",) if is_coloured else ("filters", "channels")),
        ends=ends,
        is_coloured=is_coloured,
        is_turned=channels is Channels.BGR,
    )


def _show_matrix(tensor: Tensor, scaling: Scaling) -> _Shown:
    rows, columns = tensor.shape[0], min(tensor.shape[1], MOST_COLUMNS)
    numbers = np.stack(
        [
            tensor.read(slice(row * tensor.fan_in, row * tensor.fan_in + columns))
            for row in range(min(rows, MOST_ROWS))
        ]
    )
    part = _Part(numbers[:, :, np.newaxis, np.newaxis], (rows, tensor.shape[1], 1, 1))
    shares, ends = _scale(numbers, scaling)
    told = _tell_part(part, ("outputs", "inputs"))
    return _Shown(shares=shares, told=told, ends=ends, is_matrix=True)


def _tell_part(part: _Part, names: tuple[str, ...]) -> str:
    """Say how many of how many are shown: ``32 of 64 filters x 16 channels``."""
    counts = [
        _tell_count(shown, whole, name)
        for shown, whole, name in zip(part.numbers.shape, part.of, names, strict=False)
    ]
    kernel, whole = part.numbers.shape[2:], part.of[2:]
    if kernel != whole:
        counts.append(f"{kernel[0]} x {kernel[1]} of {whole[0]} x {whole[1]} numbers")
    return " x ".join(counts)


def _tell_count(shown: int, whole: int, name: str) -> str:
    counted = name if whole != 1 else name.removesuffix("s")
    return f"{shown} {counted}" if shown == whole else f"{shown} of {whole} {counted}"


def _lay_out(tiles: Pixels, *, most_px: int = SIDE_PX) -> Pixels:
    """Lay the tiles of filters, filters x tiles x h x w x 3, out as squarely as they go."""
    grid = _fit_grid(tiles.shape, most_px)
    pixels = np.full((*grid.size_px, 3), GROUND, np.uint8)
    for index, filter_tiles in enumerate(tiles):
        left, top = grid.place(index)
        for tile in filter_tiles:
            enlarged = _enlarge(tile, grid.scale)
            height, width, _ = enlarged.shape
            pixels[top : top + height, left : left + width] = enlarged
            left += width + GAP_PX
    return pixels


def _fit_grid(shape: tuple[int, ...], most_px: int) -> "_Grid":
    """Choose the largest scale at which the filters fit."""
    largest = max(TILE_PX // max(shape[2:4]), 1)
    grids = (_choose_grid(shape, scale) for scale in range(largest, 0, -1))
    return next(grid for grid in grids if grid.scale == 1 or max(grid.size_px) <= most_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Where filters lie; pixels are height, width."""

    scale: int
    rows: int
    columns: int
    gap_px: int
    step_px: tuple[int, int]  # from one filter to the next

    @property
    def size_px(self) -> tuple[int, int]:
        down, along = self.step_px
        return self.rows * down + self.gap_px, self.columns * along + self.gap_px

    def place(self, index: int) -> tuple[int, int]:
        """Give the left and the upper side of a filter."""
        row, column = divmod(index, self.columns)
        return self.gap_px + column * self.step_px[1], self.gap_px + row * self.step_px[0]


def _choose_grid(shape: tuple[int, ...], scale: int) -> _Grid:
    """Choose how many filters stand side by side: the longer side is as short as it can be.

    Among equals the one with fewer empty places, then the wider one.
    """
    count, several, height, width = shape[:4]
    gap = UNIT_GAP_PX if several > 1 else GAP_PX
    step = (height * scale + gap, (width * scale + GAP_PX) * several - GAP_PX + gap)
    grids = (
        _Grid(scale=scale, rows=-(-count // columns), columns=columns, gap_px=gap, step_px=step)
        for columns in range(1, count + 1)
    )
    return min(grids, key=lambda grid: (max(grid.size_px), grid.rows * grid.columns, grid.rows))


def _enlarge(pixels: Pixels, scale: int) -> Pixels:
    """Make each pixel a square of so many."""
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def _with_legend(pixels: Pixels, told: str, ends: str) -> Pixels:
    """Add a strip below: what is shown, and which numbers the colours stand for."""
    font = ImageFont.load_default(FONT_PX)
    low, high = ("-" + ends[2:], "+" + ends[2:]) if ends.startswith("+-") else ("-", "+ " + ends)
    bar_px = DIVERGING.shape[0] // 2
    needed = [font.getlength(told), font.getlength(low + high) + bar_px + 2 * MARGIN_PX]
    width = max(pixels.shape[1], math.ceil(max(needed)) + 2 * MARGIN_PX)
    picture = Image.new("RGB", (width, len(pixels) + STRIP_PX), "white")
    picture.paste(Image.fromarray(pixels))
    pen = ImageDraw.Draw(picture)
    first = len(pixels) + MARGIN_PX + FONT_PX // 2
    second = len(pixels) + STRIP_PX - MARGIN_PX - FONT_PX // 2
    pen.text((MARGIN_PX, first), told, "black", font, anchor="lm")
    pen.text((MARGIN_PX, second), low, "black", font, anchor="lm")
    left = MARGIN_PX + math.ceil(font.getlength(low)) + MARGIN_PX
    bar = np.tile(DIVERGING[: 2 * bar_px : 2], (FONT_PX, 1, 1))
    picture.paste(Image.fromarray(bar), (left, second - FONT_PX // 2))
    pen.text((left + bar_px + MARGIN_PX, second), high, "black", font, anchor="lm")
    return np.asarray(picture)
