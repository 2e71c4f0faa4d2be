"""The picture formats the zoo reads, and those it knows by sight and refuses.

A file is known by how its content begins, never by its name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from zoo.images.expense import (
    Expense,
    estimate_jpeg,
    estimate_nothing,
    estimate_png,
    estimate_tiff,
)

HEAD_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A picture format: how its files begin, Pillow's reader, and what a file costs besides."""

    begins: re.Pattern[bytes]
    reader: type[ImageFile]
    estimate: Callable[[BinaryIO], Expense] = estimate_nothing


# Pillow's readers are named here, not found by Image.open, for two reasons: Image.open holds every
# picture against one limit of pixels for the whole process where ours is given with each call, and
# it takes a phone's JPEG with a second picture behind the first for another format (MPO).
FORMATS: dict[str, Format] = {
    "JPEG": Format(
        begins=re.compile(rb"\xff\xd8\xff"), reader=JpegImageFile, estimate=estimate_jpeg
    ),
    "PNG": Format(
        begins=re.compile(rb"\x89PNG\r\n\x1a\n"), reader=PngImageFile, estimate=estimate_png
    ),
    "WebP": Format(begins=re.compile(rb"RIFF[\s\S]{4}WEBP"), reader=WebPImageFile),
    "BMP": Format(begins=re.compile(rb"BM"), reader=BmpImageFile),
    "TIFF": Format(
        begins=re.compile(rb"II[*+]\0|MM\0[*+]"), reader=TiffImageFile, estimate=estimate_tiff
    ),
    "PPM": Format(begins=re.compile(rb"P[1-6]\s"), reader=PpmImageFile),
}

REFUSED: dict[str, re.Pattern[bytes]] = {
    "a GIF": re.compile(rb"GIF8[79]a"),
    "an AVIF or HEIC picture": re.compile(rb"[\s\S]{4}ftyp(avi[fs]|hei[cfmsx]|hevc|mif1|msf1)"),
    "a JPEG 2000 picture": re.compile(rb"\0\0\0\x0cjP {2}|\xff\x4f\xff\x51"),
    "a Photoshop file": re.compile(rb"8BPS"),
    "an icon": re.compile(rb"\0\0[\x01\x02]\0(?!\0\0)"),  # and how many, at least one
    # No mark: a length, whether there is a palette, the kind, the palette, where, how large, depth.
    "a TGA picture": re.compile(
        rb"[\s\S](\0[\x02\x03\x0a\x0b]\0{5}|\x01[\x01\x09][\s\S]{5})[\s\S]{8}[\x08\x0f\x10\x18\x20]"
    ),
    "a PDF": re.compile(rb"%PDF"),
    "a PostScript file": re.compile(rb"%!PS"),
    "an SVG or another XML file": re.compile(rb"(\xef\xbb\xbf)?\s*<(svg|\?xml)", re.IGNORECASE),
    "a web page": re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE),
    "a zip archive": re.compile(rb"PK\x03\x04"),
}


def find_format(head: bytes) -> Format | None:
    """Find the format of a file that begins with these bytes, or None."""
    found = (known for known in FORMATS.values() if known.begins.match(head))
    return next(found, None)


def describe_foreign(head: bytes) -> str:
    """Say what a file that begins with these bytes is, when it is of none of the formats."""
    if not head:
        return "the file is empty"
    found = (f"it is {name}" for name, begins in REFUSED.items() if begins.match(head))
    return next(found, "its content is not a picture")
