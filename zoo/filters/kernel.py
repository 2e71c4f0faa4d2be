"""One filter under the microscope: its numbers, its planes enlarged, and its spectrum."""

import math

import numpy as np

from zoo.domain.filters import KernelStatistics, Numbers, Portrait, Tensor
from zoo.domain.preprocessing import Channels
from zoo.errors import Invalid, LayerNotFound
from zoo.filters.colours import Pixels, paint, paint_rgb

MOST_TOLD = 2**14  # numbers that are told one by one
MOST_PLANES = 64  # that are drawn
SIDE_PX, TILE_PX = 1024, 96  # of a picture, of a plane
FEW, FEW_PX = 4, 192  # planes, and their side
GAP_PX = 2
SPECTRUM = 64  # frequencies along a side, those of the kernel in a field of zeros
SPECTRUM_PX = 4  # a frequency
COLOURS = 3
GROUND = (96, 96, 96)  # between planes; neither 0 nor a strong number looks like it


def describe_kernel(tensor: Tensor, index: int) -> KernelStatistics:
    """Tell the numbers of one filter; those that are not finite are told as None.

    Raises:
        LayerNotFound: the layer has no filter of that number.
    """
    numbers = _read(tensor, index)
    finite = numbers[np.isfinite(numbers)]
    with np.errstate(over="ignore"):  # what is not finite is told as None
        norm = float(np.sqrt(np.square(finite).sum()))
    is_whole = numbers.size <= MOST_TOLD
    return KernelStatistics(
        layer=tensor.layer,
        index=index,
        filters=tensor.shape[0],
        shape=tensor.shape[1:],
        least=float(finite.min()) if finite.size else None,
        largest=float(finite.max()) if finite.size else None,
        mean=_finite(float(finite.mean())) if finite.size else None,
        std=_finite(float(finite.std())) if finite.size else None,
        norm=_finite(norm),
        planes=_tell(numbers) if is_whole else (),
        is_whole=is_whole,
    )


def draw_kernel(tensor: Tensor, index: int, *, channels: Channels | None = None) -> Portrait:
    """Draw one filter: the planes of its channels, blue below 0 and red above, on one scale.

    One of three channels that reads a picture is drawn in the picture's colours first, grey being
    0, and its planes come as red, green and blue. A filter of single numbers is laid out in rows.

    Raises:
        LayerNotFound: the layer has no filter of that number.
        Invalid: it has no number to be drawn.
    """
    numbers = _read(tensor, index)
    if not numbers.size:
        raise Invalid(f"{tensor.name} holds no numbers that could be drawn.")
    extent = float(np.max(np.where(np.isfinite(numbers), abs(numbers), 0)))
    shares = numbers / (extent or 1.0)
    if math.prod(shares.shape[1:]) == 1:
        told = f"{numbers.size} numbers in rows, +-{extent:.3g}"
        return Portrait(pixels=_enlarged(paint(_in_rows(shares)), TILE_PX * 4), told=told)
    is_coloured = channels in {Channels.RGB, Channels.BGR} and len(shares) == COLOURS
    if is_coloured and channels is Channels.BGR:
        shares = shares[::-1]
    shown = shares[:MOST_PLANES]
    tile_px = FEW_PX if len(shares) <= FEW else TILE_PX
    tiles = [_enlarged(tile, tile_px) for tile in paint(shown)]
    if is_coloured:
        tiles.insert(0, _enlarged(paint_rgb(np.moveaxis(shares, 0, -1)), tile_px))
    of = f"{len(shown)} of {len(shares)}" if len(shown) < len(shares) else str(len(shares))
    planes = "all colours, then red, green and blue" if is_coloured else f"{of} channels"
    return Portrait(pixels=_side_by_side(tiles), told=f"{planes}, +-{extent:.3g}")


def draw_spectrum(tensor: Tensor, index: int) -> Portrait:
    """Draw how strongly one filter answers to waves: frequency 0 in the middle, red the strongest.

    It is the root mean square over the channels of the magnitude of the two-dimensional discrete
    Fourier transform of the kernel in a field of zeros: the gain of the filter for a wave of each
    direction and length, up to one period in two pixels at the edges.

    Raises:
        LayerNotFound: the layer has no filter of that number.
        Invalid: its kernel is a single number, whose gain is the same for all waves.
    """
    planes = np.nan_to_num(_read(tensor, index), nan=0.0, posinf=0.0, neginf=0.0)
    if math.prod(planes.shape[1:]) <= 1:
        raise Invalid(f"Kernels of {tensor.layer} are single numbers: no wave is told from others.")
    sides = [max(SPECTRUM, side) for side in planes.shape[1:]]
    power = np.zeros(sides)
    for plane in planes:  # one after the other: thousands of them would take memory
        power += np.abs(np.fft.fft2(plane, sides)) ** 2
    gain = np.fft.fftshift(np.sqrt(power / len(planes)))
    strongest = float(gain.max())
    pixels = _enlarged(paint(gain / (strongest or 1.0)), SPECTRUM_PX * SPECTRUM)
    return Portrait(pixels=pixels, told=f"gain up to {strongest:.3g}")


def _read(tensor: Tensor, index: int) -> Numbers:
    """Read one filter: channels x height x width, where a third axis of space is height too."""
    if not 0 <= index < tensor.shape[0]:
        raise LayerNotFound(
            f"{tensor.layer} has {tensor.shape[0]} filters, so none of number {index}.",
            hint=f"The first is 0, the last {tensor.shape[0] - 1}.",
            layer=tensor.layer,
            kernel=index,
        )
    numbers = tensor.read(slice(index * tensor.fan_in, (index + 1) * tensor.fan_in))
    channels, sides = tensor.shape[1], tensor.shape[2:] or (1, 1)
    return numbers.reshape(channels, math.prod(sides[:-1]), sides[-1])


def _tell(numbers: Numbers) -> tuple[tuple[tuple[float | None, ...], ...], ...]:
    return tuple(
        tuple(tuple(_finite(float(one)) for one in row) for row in plane) for plane in numbers
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _in_rows(shares: Numbers) -> Numbers:
    """Lay single numbers out in rows, as squarely as they go; what is over stays 0."""
    flat = shares.reshape(-1)
    columns = math.ceil(math.sqrt(flat.size))
    rows = np.zeros((math.ceil(flat.size / columns), columns))
    rows.reshape(-1)[: flat.size] = flat
    return rows


def _enlarged(pixels: Pixels, most_px: int) -> Pixels:
    """Make each number a square, so that the longer side is near ``most_px``; or cut to it."""
    scale = max(most_px // max(pixels.shape[:2]), 1)
    cut = pixels[:SIDE_PX, :SIDE_PX]
    return cut.repeat(scale, axis=0).repeat(scale, axis=1)


def _side_by_side(tiles: list[Pixels]) -> Pixels:
    """Lay tiles of one size in rows that are no wider than a picture."""
    height, width, _ = tiles[0].shape
    columns = min(max((SIDE_PX - GAP_PX) // (width + GAP_PX), 1), len(tiles))
    rows = math.ceil(len(tiles) / columns)
    size = rows * (height + GAP_PX) + GAP_PX, columns * (width + GAP_PX) + GAP_PX, 3
    pixels = np.full(size, GROUND, np.uint8)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        top, left = GAP_PX + row * (height + GAP_PX), GAP_PX + column * (width + GAP_PX)
        pixels[top : top + height, left : left + width] = tile
    return pixels
