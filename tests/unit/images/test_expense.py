"""Files that would cost far more than their pixels are refused before anything is decoded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zoo.errors import UnreadablePicture
from zoo.images.decode import decode, decode_reduced

LEVELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
START_OF_SCAN = b"\xff\xda"


def make_file(format_, **options):
    buffer = io.BytesIO()
    Image.fromarray(LEVELS).save(buffer, format_, **options)
    return buffer.getvalue()


def read(data, **options):
    return decode(data, name="a", max_pixels=10_000, **options)


def make_part(code, data):
    return bytes([0xFF, code]) + struct.pack(">H", len(data) + 2) + data


def make_scans(count, *, behind=b""):
    """A progressive JPEG whose last scan is repeated until it has so many."""
    data = make_file("JPEG", progressive=True)
    last = data[data.rindex(START_OF_SCAN) : -2]
    return data[:-2] + last * (count - data.count(START_OF_SCAN)) + data[-2:] + behind


def make_jpeg(parts):
    data = make_file("JPEG")
    return data[:2] + parts + data[2:]


def make_chunk(name, data=b""):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def make_png(chunks):
    data = make_file("PNG")
    return data[:33] + chunks + data[33:]  # behind the header


def make_tiff(entries, *, is_big=False):
    if is_big:
        told = b"".join(struct.pack("<HHQQ", *entry) for entry in entries)
        return struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(entries)) + told
    told = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + told


def test_a_jpeg_of_64_scans_is_read():
    assert read(make_scans(64)).size == (48, 32)


@pytest.mark.parametrize("filling", [b"", b"\xff\xff"])
def test_a_jpeg_of_more_scans_is_refused_and_told_why(filling):
    data = make_scans(65).replace(START_OF_SCAN, filling + START_OF_SCAN)
    with pytest.raises(UnreadablePicture, match=r"a: it has more than 64 scans, each over") as told:
        read(data)
    assert "save it again" in told.value.hint


def test_scans_in_a_file_on_disk_are_counted_too(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(make_scans(65))
    with pytest.raises(UnreadablePicture, match="scans"):
        read(path)


def test_what_looks_like_scans_beside_the_picture_is_not_counted():
    fake = make_part(0xE5, START_OF_SCAN * 100)  # as in a thumbnail or a video behind the picture
    data = make_scans(10, behind=START_OF_SCAN * 100)
    assert read(data[:2] + fake + data[2:]).size == (48, 32)
    assert read(make_jpeg(fake) + START_OF_SCAN * 100).size == (48, 32)


def test_stray_bytes_between_the_parts_of_a_jpeg_are_passed_over():
    assert read(make_jpeg(make_part(0xE5, b"") + b"stray\xff\xff")).size == (48, 32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (make_jpeg(b"\xff\xe5\0\2" * 66_000), "65536 parts before its first scan"),
        (make_jpeg(make_part(0xE5, b"") + bytes(66_000)), "65536 parts before its first scan"),
        (make_jpeg(make_part(0xE1, b"Exif\0\0") * 17), "EXIF is in more than 16 parts"),
        (make_png(make_chunk(b"prVt") * 66_000), "65536 chunks"),
        (make_png(make_chunk(b"iCCP", b"a\0\0" + zlib.compress(b"")) * 9), "8 colour profiles"),
        (make_tiff([(273, 4, 2**20, 8)]), "tags has more than 524288 numbers"),
        (make_tiff([(273, 4, 2**20, 8)], is_big=True), "tags has more than 524288 numbers"),
        (make_tiff([(256, 4, 1, 1)] * 66_000, is_big=True), "65536 entries"),
    ],
    ids=["parts", "stray", "exif", "chunks", "profiles", "numbers", "big numbers", "entries"],
)
def test_too_much_around_the_pixels_is_refused(data, reason):
    with pytest.raises(UnreadablePicture, match=f"a: .*{reason}"):
        read(data)


@pytest.mark.parametrize(
    ("options", "each"),
    [
        ({"format_": "PNG"}, 8),
        ({"format_": "JPEG"}, 8),
        ({"format_": "JPEG", "progressive": True}, 8 + 2 * 3),
        ({"format_": "WEBP"}, 16),
        ({"format_": "TIFF"}, 16),
    ],
)
def test_the_memory_that_decoding_needs_is_told_before(options, each):
    told = []
    read(make_file(**options), take=told.append)
    assert told == [each * 48 * 32]


def test_a_reduced_jpeg_needs_memory_for_what_is_decoded():
    told = []
    decode_reduced(make_file("JPEG"), name="a", max_pixels=10**4, at_least_px=8, take=told.append)
    assert told == [8 * 24 * 16]
