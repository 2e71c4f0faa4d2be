"""The certificate of a dense network: what was measured of it, and what that means in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoo.domain.geometry import Geometry, Side
from zoo.domain.surgery import Convolutionalize, Pads
from zoo.export.parity import Agreement, BlobParity

Size = tuple[int, int]  # height, width
TOLD = 3  # layers named at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """The dense network held against what it was made of."""

    size_px: Size
    is_original: bool  # else against the dense network that keeps the padding, cell by cell
    is_flat: bool  # the answers expected are all alike, which proves little
    agreement: Agreement
    in_double: Agreement | None = None  # with 64 bits, where 32 round too much


@dataclass(frozen=True, slots=True, kw_only=True)
class Crops:
    """The cells of a larger picture's map, each held against the crop under it."""

    size_px: Size
    map_size: Size
    crop_px: Size
    is_exact: bool  # a cell sees neither padding nor a window that is cut off
    agreement: Agreement  # over the cells that were compared
    in_double: Agreement | None = None  # with 64 bits, where 32 round too much


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """ONNX Runtime held against torch at several sizes of picture."""

    sizes_px: tuple[Size, ...]
    map_sizes: tuple[Size, ...]
    parity: BlobParity


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """What it changes that a mean image became one number per channel."""

    mean: tuple[float, ...]
    agreement: Agreement  # of the original with both, at its own size


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was measured of a dense network."""

    surgery: Convolutionalize
    geometry: Geometry
    native: Native
    crops: tuple[Crops, ...]
    windows: Crops | None  # of a network without padding, against itself on each window alone
    sizes: Sizes | None  # where there is a graph
    mean: Mean | None

    def as_json(self) -> dict[str, Any]:
        """Write it down as dense.json holds it, with the words for those who read it."""
        written = {
            "native": asdict(self.native),
            "crops": [asdict(crops) for crops in self.crops],
            "windows": asdict(self.windows) if self.windows else None,
            "sizes": asdict(self.sizes) if self.sizes else None,
            "mean": asdict(self.mean) if self.mean else None,
        }
        return written | {"told": [*self.tell_geometry(), *self.tell_measured()]}

    def summary(self) -> dict[str, Any]:
        """Give the figures that lists show; of both sides, height first."""
        sides = self.geometry.height, self.geometry.width
        return {
            "window_px": [side.window_px for side in sides],
            "stride_px": [side.stride_px for side in sides],
            "start_px": [side.start_px for side in sides],
            "smallest_px": list(self.geometry.smallest_px),
            "map_size": [side.formula for side in sides],
            "native_difference": self.native.agreement.max_rel_difference,
        }

    def tell_geometry(self) -> list[str]:
        """Say how a map lies over pictures, a sentence each."""
        high, wide = self.geometry.height, self.geometry.width
        window = (
            f"A cell sees {_both(high.window_px, wide.window_px)} pixels (its receptive field);"
            f" the next one begins {_both(high.stride_px, wide.stride_px)} pixels further (the"
            f" effective stride); the first begins at {_both(high.start_px, wide.start_px)}"
            f"{_in_padding(high, wide)}."
        )
        smallest = f"The smallest picture is {_size(self.geometry.smallest_px)}, height x width."
        whole = _tell_whole(self.geometry.whole_picture)
        return [window, f"{smallest} {_formulas(high, wide)}", *([whole] if whole else [])]

    def tell_measured(self) -> list[str]:
        """Say what was compared with what, and how far it differs, a sentence each."""
        told = [self._tell_native(), *map(self._tell_crops, self.crops)]
        if self.windows is not None:
            told.append(
                f"Each of {self.windows.agreement.rows} cells of a picture of"
                f" {_size(self.windows.size_px)} is what the network gives for that cell's window"
                f" alone: {_differ(self.windows)}."
            )
        if self.sizes is not None:
            told.append(_tell_sizes(self.sizes))
        if self.mean is not None:
            numbers = ", ".join(f"{number:.4g}" for number in self.mean.mean)
            told.append(
                "The mean image is of one size, so its averages per channel took its place"
                f" ({numbers}). With them the original itself changes, at its own size:"
                f" {_differ(self.mean)}."
            )
        return told

    def _tell_native(self) -> str:
        flat = " Its answers are the same for all pictures, so this proves little."
        return self._tell_compared() + flat * self.native.is_flat

    def _tell_compared(self) -> str:
        native = self.native
        if native.is_original:
            return (
                f"At the original's size, {_size(native.size_px)}, it computes what the original"
                f" does, on {native.agreement.rows} pictures: {_differ(native)}."
            )
        border, reasons = self.surgery.border_px, []
        if border:
            reasons.append(f"{border} zeros are put around every picture")
        if self.surgery.pads is Pads.REMOVE:
            reasons.append("cells that see padding are left out")
        return (
            f"It has no map that the original's answer could be held against, because"
            f" {' and '.join(reasons)}. Its cells are those of the dense network that keeps its"
            f" padding and is given the same numbers, {native.agreement.rows} of them at"
            f" {_size(native.size_px)}: {_differ(native)}."
        )

    def _tell_crops(self, crops: Crops) -> str:
        agreement = crops.agreement
        about = (
            f"At {_size(crops.size_px)} it gives {_size(crops.map_size)} cells."
            f" {agreement.rows} of them were held against the original on the crop of"
            f" {_size(crops.crop_px)} under each"
        )
        if not agreement.rows:
            return f"{about}, as no crop of the original's size lies inside the picture."
        if crops.is_exact:
            return f"{about}; no padding is involved, so they are equal: {_differ(crops)}."
        return (
            f"{about}. They need not be equal, because {self._why_not()}:"
            f" {_differ(crops)}. This is how much it matters on noise and on smooth pictures."
        )

    def _why_not(self) -> str:
        if not self.geometry.is_local:
            return "every cell depends on the whole picture, and a crop is another picture"
        return (
            "at the edges of a crop the original sees padding, or a window cut short, where the map"
            " sees the picture"
        )


def _tell_sizes(compared: Sizes) -> str:
    parity = compared.parity
    sizes = ", ".join(map(_size, compared.sizes_px))
    return (
        f"`model.onnx` was compared with the network in torch at {len(compared.sizes_px)} sizes"
        f" ({sizes}): maps have the size that the formula says, and no probability differs by more"
        f" than {parity.max_rel_difference:.1e} of the map's largest (ONNX Runtime"
        f" {parity.onnxruntime}, {parity.provider})."
    )


def _differ(measured: Native | Crops | Mean) -> str:
    agreement = measured.agreement
    best = f"the best class is the same in {agreement.top1_equal} of {agreement.rows}"
    if agreement.ties:
        best += f" (in {agreement.ties} more two are equally good)"
    told = (
        f"a probability differs by at most {agreement.max_abs_difference:.2g}, that is"
        f" {agreement.max_rel_difference:.2g} of the largest beside it; {best}"
    )
    exact = None if isinstance(measured, Mean) else measured.in_double
    if exact is None:
        return told
    return f"{told}. That is rounding: with 64 bits it is {exact.max_rel_difference:.1e}"


def _tell_whole(layers: Sequence[str]) -> str:
    if not layers:
        return ""
    more = f" and {len(layers) - TOLD} more" if len(layers) > TOLD else ""
    return (
        "Its cells depend on the whole picture, not on their windows alone, through"
        f" {', '.join(layers[:TOLD])}{more}; it cannot be read in tiles."
    )


def _formulas(high: Side, wide: Side) -> str:
    if high.formula == wide.formula:
        return f"N pixels of a side give {high.formula} cells."
    return f"N pixels of height give {high.formula} rows, N of width {wide.formula} columns."


def _in_padding(high: Side, wide: Side) -> str:
    return ", in the padding" if min(high.start_px, wide.start_px) < 0 else ""


def _size(size: Size) -> str:
    return f"{size[0]} x {size[1]}"


def _both(high: int, wide: int) -> str:
    """Write a number down for both sides, once where it is one."""
    return str(high) if high == wide else f"{high} x {wide}"
