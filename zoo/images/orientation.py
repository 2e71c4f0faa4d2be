"""Turning a picture upright: the EXIF orientation, for pixels and for the place they lie at."""

from PIL.Image import Image, Transpose

EXIF_TAG = 0x0112

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""

_SWAP = Transpose.TRANSPOSE
_MIRROR = Transpose.FLIP_LEFT_RIGHT
_FLIP = Transpose.FLIP_TOP_BOTTOM

# Exif 2.3, section 4.6.4, tag Orientation: the steps that undo each of its values.
STEPS: dict[int, tuple[Transpose, ...]] = {
    2: (_MIRROR,),
    3: (_MIRROR, _FLIP),
    4: (_FLIP,),
    5: (_SWAP,),
    6: (_SWAP, _MIRROR),
    7: (_SWAP, _MIRROR, _FLIP),
    8: (_SWAP, _FLIP),
}


def turn_upright(image: Image, extent: Box, orientation: object) -> tuple[Image, Box]:
    """Undo an EXIF orientation; a value that is none of 2 to 8 changes nothing."""
    for step in STEPS.get(orientation, ()) if isinstance(orientation, int) else ():
        extent = _moved(extent, step, width=image.width, height=image.height)
        image = image.transpose(step)
    return image, extent


def _moved(extent: Box, step: Transpose, *, width: int, height: int) -> Box:
    """Tell where the extent lies after the step."""
    left, top, right, bottom = extent
    if step is _SWAP:
        return top, left, bottom, right
    if step is _MIRROR:
        return width - right, top, width - left, bottom
    return left, height - bottom, right, height - top
