"""A picture file becomes upright RGB pixels, or one clear reason why not."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from zoo.errors import PathNotFound, UnreadablePicture
from zoo.images.decode import decode, decode_reduced
from zoo.images.resize import size_of

PIXELS = 1_000_000


def make_colours(width=24, height=16):
    """A picture whose four corners differ."""
    y, x = np.mgrid[0:height, 0:width]
    levels = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) % 256], axis=-1)
    return Image.fromarray(levels.astype(np.uint8))


def make_file(image, format_, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def read(data, **options):
    return decode(data, name="a picture", **({"max_pixels": PIXELS} | options))


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "PPM"])
def test_every_lossless_format_gives_its_pixels(format_):
    image = make_colours()
    decoded = read(make_file(image, format_))
    assert decoded.mode == "RGB"
    assert np.array_equal(decoded, image)


def test_lossless_webp_gives_its_pixels():
    image = make_colours()
    assert np.array_equal(read(make_file(image, "WEBP", lossless=True)), image)


def test_a_jpeg_gives_what_pillow_decodes():
    data = make_file(make_colours(), "JPEG")
    assert np.array_equal(read(data), Image.open(io.BytesIO(data)))


def test_a_file_on_disk_reads_like_its_bytes(tmp_path):
    path = tmp_path / "a.txt"  # the name says nothing
    path.write_bytes(make_file(make_colours(), "PNG"))
    assert np.array_equal(read(path), make_colours())


def test_a_jpeg_with_a_second_picture_behind_it_gives_the_first():
    image = make_colours()
    data = make_file(image, "MPO", save_all=True, append_images=[make_colours(8, 8)])
    assert read(data).size == image.size


def test_of_an_animated_png_the_first_picture_counts():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = make_file(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert np.array_equal(read(data), frames[0])


def test_of_an_animated_webp_the_first_picture_counts():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = make_file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert np.array_equal(read(data), frames[0])


def test_of_a_tiff_with_pages_the_first_counts():
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = make_file(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert np.array_equal(read(data), pages[0])


def make_turned(image, orientation, format_, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return make_file(image, format_, exif=exif, **options)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(orientation, format_):
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = make_turned(make_colours(), orientation, format_, **options)
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image)
        assert np.array_equal(read(data), expected)


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_an_orientation_nobody_defined_turns_nothing(orientation):
    assert np.array_equal(
        read(make_turned(make_colours(), orientation, "PNG")), np.asarray(make_colours())
    )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0II*\0", b"Exif\0\0junkjunkjunk", b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"]
)
def test_damaged_exif_leaves_a_picture_as_it_is(exif):
    assert np.array_equal(read(make_file(make_colours(), "PNG", exif=exif)), make_colours())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"just some words\n", "its content is not a picture"),
        (make_file(make_colours(), "GIF"), "it is a GIF"),
        (b"\0\0\0\x20ftypavif" + bytes(40), "it is an AVIF or HEIC picture"),
        (b"\0\0\0\x20ftypheic" + bytes(40), "it is an AVIF or HEIC picture"),
        (make_file(make_colours(), "JPEG2000"), "it is a JPEG 2000 picture"),
        (make_file(make_colours(), "ICO"), "it is an icon"),
        (make_file(make_colours(), "TGA"), "it is a TGA picture"),
        (make_file(make_colours().convert("L"), "TGA"), "it is a TGA picture"),
        (make_file(make_colours().convert("P"), "TGA"), "it is a TGA picture"),
        (make_file(make_colours(), "PDF"), "it is a PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is an SVG"),
        (b"<!DOCTYPE html><p>404", "it is a web page"),
        (b"PK\x03\x04" + bytes(40), "it is a zip archive"),
    ],
)
def test_a_file_of_another_kind_is_refused_for_what_it_is(data, reason):
    with pytest.raises(UnreadablePicture, match=f"a picture: {reason}") as caught:
        read(data)
    assert "JPEG, PNG" in caught.value.hint
    assert caught.value.detail == {"name": "a picture"}


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM"])
def test_a_file_that_is_cut_short_is_refused(format_):
    data = make_file(make_colours(200, 160), format_)
    with pytest.raises(UnreadablePicture, match="a picture: damaged or cut short") as caught:
        read(data[: len(data) // 2])
    assert "again" in caught.value.hint
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("format_", "size_bytes", "where"),
    [
        ("PNG", 33, "before its pixels begin"),  # the header, and nothing after it
        ("PNG", 300, "before all its pixels are there"),
        ("JPEG", 1000, "before all its pixels are there"),
        ("BMP", 14, "before its pixels begin"),
    ],
)
def test_where_a_file_ends_early_is_told(format_, size_bytes, where):
    data = make_file(make_colours(200, 160), format_)[:size_bytes]
    with pytest.raises(UnreadablePicture) as caught:
        read(data)
    told = f"a picture: damaged or cut short (it ends after {size_bytes} bytes, {where})."
    assert str(caught.value) == told


def test_a_progressive_jpeg_that_is_cut_short_is_refused():
    data = make_file(make_colours(200, 160), "JPEG", progressive=True)
    with pytest.raises(UnreadablePicture, match="cut short"):
        read(data[: len(data) // 2])


def make_png_header(width, height):
    """A PNG that announces a size and holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(b""), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (1001, 1000)])
def test_a_picture_of_too_many_pixels_is_refused_by_its_announcement(width, height):
    with pytest.raises(UnreadablePicture, match=f"{width} x {height} pixels") as caught:
        read(make_png_header(width, height))
    assert "ZOO_MAX_PICTURE_PIXELS" in caught.value.hint


def test_a_webp_that_announces_too_many_pixels_is_refused_before_memory_is_taken():
    data = bytearray(make_turned(make_colours(), 6, "WEBP"))
    data[24:30] = b"\xff\x3f\0" * 2  # the canvas of an extended WebP, less one: 16384 x 16384
    with pytest.raises(UnreadablePicture, match="268435456 pixels") as caught:
        read(bytes(data))
    assert "ZOO_MAX_PICTURE_PIXELS" in caught.value.hint


def test_more_pixels_than_pillow_takes_by_itself_are_the_callers_to_allow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)  # Pillow's own limit, of the whole process
    assert read(make_file(make_colours(), "PNG")).size == (24, 16)


def test_a_picture_of_exactly_the_allowed_pixels_is_taken():
    assert read(make_file(make_colours(), "PNG"), max_pixels=24 * 16).size == (24, 16)


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(UnreadablePicture):
        read(b"P6\n0 0\n255\n")


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(PathNotFound, match="no such file"):
        read(tmp_path / "absent.jpg")


def test_a_folder_is_not_a_picture(tmp_path):
    with pytest.raises(UnreadablePicture, match="Is a directory"):
        read(tmp_path)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it can get over
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damage_ends_in_pixels_or_in_our_error(format_, seed):
    rng = random.Random(seed)
    data = bytearray(
        make_turned(make_colours(), 6, format_)
        if format_ not in {"BMP", "PPM"}
        else make_file(make_colours(), format_)
    )
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(8, len(data))] = rng.randrange(256)
    try:
        decoded = read(bytes(data))
    except UnreadablePicture:
        return
    assert decoded.mode == "RGB"


def make_photo(width, height):
    """A picture with detail at all sizes, as photographs have."""
    rng = np.random.default_rng(0)
    levels = np.zeros((height, width, 3))
    for cells in (4, 16, 64, 256):
        coarse = rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
        levels += np.asarray(Image.fromarray(coarse).resize((width, height), 3)) / 4
    return Image.fromarray(levels.astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "reduced", "extent"),
    [
        ((399, 500), (399, 500), (399, 500)),
        ((401, 402), (201, 201), (200.5, 201)),
        ((803, 1001), (201, 251), (200.75, 250.25)),
        ((1602, 1601), (201, 201), (200.25, 200.125)),
    ],
)
def test_a_large_jpeg_is_decoded_to_twice_the_pixels_needed(size, reduced, extent):
    data = make_file(make_photo(*size), "JPEG")
    decoded = decode_reduced(data, name="a", max_pixels=10**7, at_least_px=100)
    assert size_of(decoded.image) == reduced
    assert decoded.extent == (0, 0, *extent)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_extent_of_a_reduced_jpeg_turns_with_it(orientation):
    size = (1603, 1801)
    data = make_turned(make_photo(*size), orientation, "JPEG", quality=95)
    whole = decode(data, name="a", max_pixels=10**7)
    decoded = decode_reduced(data, name="a", max_pixels=10**7, at_least_px=100)
    expected = np.asarray(whole.resize((50, 50), Image.Resampling.BILINEAR), int)

    def off(box):
        small = decoded.image.resize((50, 50), Image.Resampling.BILINEAR, box=box)
        return np.abs(np.asarray(small, int) - expected)

    assert off(decoded.extent).max() <= 3
    assert off(decoded.extent).mean() < off(None).mean() / 2  # as if the picture filled the image


def test_other_formats_are_never_reduced():
    image = make_photo(800, 800)
    decoded = decode_reduced(make_file(image, "PNG"), name="a", max_pixels=10**7, at_least_px=10)
    assert decoded.extent == (0, 0, 800, 800)


def test_a_reduced_jpeg_that_is_cut_short_is_refused():
    data = make_file(make_photo(800, 800), "JPEG")
    with pytest.raises(UnreadablePicture, match="cut short"):
        decode_reduced(data[:-2000], name="a", max_pixels=10**7, at_least_px=100)


@pytest.mark.data
def test_every_real_picture_decodes_and_the_placeholder_is_named(shared_data):
    files = sorted((shared_data / "images" / "hymenoptera").glob("*/*/*"))
    refused = []
    for file in files:
        try:
            decode(file, name=file.name, max_pixels=PIXELS)
        except UnreadablePicture as error:
            refused.append(str(error))
    assert len(files) == 244 + 153 + 1
    assert refused == ["imageNotFound.gif: it is a GIF."]
