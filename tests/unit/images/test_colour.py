"""Pixels of every kind become the 8-bit RGB a viewer would show."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zoo.errors import UnreadablePicture
from zoo.images import colour
from zoo.images.decode import decode


def make_file(image, format_, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def read(data):
    return np.asarray(decode(data, name="a", max_pixels=10_000))


def make_tiff(levels, *, bits, photometric, sample_format=1):
    """A grey TIFF of one strip, written by hand: Pillow writes only some of the kinds."""
    height, width = levels.shape
    if bits == 12:  # two levels in three bytes
        pairs = levels.reshape(-1, 2).tolist()
        data = b"".join(((a << 12) | b).to_bytes(3, "big") for a, b in pairs)
    else:
        data = levels.tobytes()
    tags = [
        (256, width), (257, height), (258, bits), (259, 1), (262, photometric),
        (273, 8), (277, 1), (278, height), (279, len(data)), (339, sample_format),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    index = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + index


GREY = np.array([[0, 100, 32768, 65535]], np.uint16)


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(format_):
    rgb = read(make_file(Image.fromarray(GREY), format_))
    assert rgb.shape == (1, 4, 3)
    assert rgb[0, :, 0].tolist() == [0, 0, 128, 255]
    assert (rgb == rgb[..., :1]).all()


def test_16_bit_grey_of_the_other_byte_order_is_the_same():
    levels = GREY.astype(">u2").tobytes()
    image = Image.frombytes("I;16B", (4, 1), levels)
    assert read(make_file(image, "TIFF"))[0, :, 0].tolist() == [0, 0, 128, 255]


def test_a_16_bit_ppm_is_scaled_by_its_own_maximum():
    data = b"P5\n4 1\n1000\n" + np.array([0, 250, 500, 1000], ">u2").tobytes()
    assert read(data)[0, :, 0].tolist() == [0, 64, 128, 255]


def test_16_bit_colour_keeps_its_upper_bits():
    data = b"P6\n1 1\n65535\n" + np.array([0, 32768, 65535], ">u2").tobytes()
    assert read(data)[0, 0].tolist() == [0, 128, 255]


def test_12_bit_grey_is_scaled_by_12_bits():
    levels = np.array([[0, 1024, 2048, 4095]], np.uint16)
    assert read(make_tiff(levels, bits=12, photometric=1))[0, :, 0].tolist() == [0, 64, 128, 255]


def test_a_16_bit_tiff_whose_zero_is_white_is_turned():
    assert read(make_tiff(GREY, bits=16, photometric=0))[0, :, 0].tolist() == [255, 255, 127, 0]


@pytest.mark.parametrize(
    ("kind", "sample_format", "said"),
    [(np.uint32, 1, "whole numbers of 32 bits"), (np.float32, 3, "floating-point numbers of 32")],
)
def test_levels_without_a_stated_range_are_refused(kind, sample_format, said):
    levels = np.ones((2, 2), kind)
    data = make_tiff(levels, bits=32, photometric=1, sample_format=sample_format)
    with pytest.raises(UnreadablePicture, match=f"its pixels are {said}") as raised:
        read(data)
    assert "damaged" not in str(raised.value)
    assert raised.value.hint == "Scale them to 0..255, and save it as grey or RGB of 8 bits."


def test_grey_becomes_three_equal_channels():
    image = Image.fromarray(np.array([[0, 7, 255]], np.uint8))
    assert read(make_file(image, "PNG"))[0].tolist() == [[0] * 3, [7] * 3, [255] * 3]


def test_one_bit_becomes_black_and_white():
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert read(make_file(image, "PNG"))[0].tolist() == [[0] * 3, [255] * 3]


def test_a_palette_is_looked_up():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert read(make_file(image, "PNG"))[0].tolist() == [[10, 20, 30], [200, 100, 50]]


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red = read(make_file(image, "JPEG", quality=100))[0, 0]
    assert red[0] > 250
    assert red[1:].max() < 5


def test_what_is_transparent_becomes_white():
    image = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (255, 0, 0, alpha))
    assert read(make_file(image, "PNG"))[0].tolist() == [[255] * 3, [255, 127, 127], [255, 0, 0]]


def test_transparent_grey_becomes_white():
    image = Image.new("LA", (1, 1), (0, 0))
    assert read(make_file(image, "PNG"))[0, 0].tolist() == [255] * 3


def test_a_transparent_colour_of_a_palette_becomes_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    data = make_file(image, "PNG", transparency=0)
    assert read(data)[0].tolist() == [[255] * 3, [200, 100, 50]]


def test_a_colour_that_stands_for_transparency_becomes_white():
    image = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    data = make_file(image, "PNG", transparency=(1, 2, 3))
    assert read(data)[0].tolist() == [[255] * 3, [4, 5, 6]]


def test_pixels_without_transparency_keep_their_levels_exactly():
    levels = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    assert np.array_equal(read(make_file(Image.fromarray(levels), "PNG")), levels)


def test_a_16_bit_grey_level_that_stands_for_transparency_becomes_white():
    data = make_file(Image.fromarray(GREY), "PNG")
    place = data.index(b"IDAT") - 4
    chunk = b"tRNS" + struct.pack(">H", 100)
    chunk = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    rgb = read(data[:place] + chunk + data[place:])
    assert rgb[0].tolist() == [[0] * 3, [255] * 3, [128] * 3, [255] * 3]  # 0, not 100, is black


def test_a_tiff_of_a_kind_that_is_not_read_is_not_called_damaged():
    little = make_tiff(GREY, bits=16, photometric=0)
    tags = struct.iter_unpack("<HHII", little[-4 - 120 : -4])
    entries = b"".join(struct.pack(">HHII", *tag) for tag in tags)
    data = b"MM\0*" + little[7:3:-1] + little[8:16] + struct.pack(">H", 10) + entries + bytes(4)
    with pytest.raises(UnreadablePicture, match="a: its pixels are of a kind that is not") as told:
        read(data)
    assert "8 bits" in told.value.hint


@pytest.mark.parametrize(
    "mode", ["L", "LA", "RGBA", "P", "P;alpha", "1", "CMYK", "I;16", "RGB;key"]
)
def test_a_picture_converted_in_strips_is_the_same(mode, monkeypatch):
    levels = np.random.default_rng(0).integers(0, 256, (37, 11, 4)).astype(np.uint8)
    image, options = Image.fromarray(levels), {}
    if mode.startswith("P"):
        image = image.convert("RGB").quantize(64)
        options = {"transparency": bytes(range(0, 256, 4))} if mode == "P;alpha" else {}
    elif mode == "RGB;key":
        image = image.convert("RGB")
        options = {"transparency": tuple(map(int, levels[30, 5, :3]))}
    elif mode == "I;16":
        image = Image.fromarray(levels[..., :2].copy().view(np.uint16)[..., 0])
    else:
        image = image.convert(mode)
    data = make_file(image, "TIFF" if mode == "CMYK" else "PNG", **options)
    whole = read(data)
    monkeypatch.setattr(colour, "STRIP_PIXELS", 50)  # four rows
    assert np.array_equal(read(data), whole)
