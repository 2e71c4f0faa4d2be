"""Plain JPEGs are decoded to the pixels that Pillow gives; what is not plain is left to it."""

import io
import random

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import UnreadablePicture
from zoo.images import decode as decoding
from zoo.images.decode import decode, decode_reduced
from zoo.images.jpeg import decode_plain, find_plain
from zoo.images.prepare import prepare, read_picture
from zoo.images.resize import size_of

SIZE = (53, 41)


def draw(size=SIZE, mode="RGB"):
    channels = len(Image.new(mode, (1, 1)).getbands())
    coarse = np.random.default_rng(0).integers(0, 256, (7, 9, channels), np.uint8)
    return Image.fromarray(coarse.squeeze()).convert(mode).resize(size, Image.Resampling.BICUBIC)


def write(image=None, **options):
    data = io.BytesIO()
    (image or draw()).save(data, "JPEG", **options)
    return data.getvalue()


def colours(image):
    """Give the pixels of a picture that was decoded, whose A says nothing."""
    assert np.asarray(image)[..., 3].min() == 255
    return np.asarray(image)[..., :3]


def read(data, at_least_px=1000, **more):
    return decode_reduced(data, name="it", max_pixels=10**8, at_least_px=at_least_px, **more)


def by_pillow(data):
    image = JpegImageFile(io.BytesIO(data))
    image.load()
    return image


@pytest.fixture
def asked(monkeypatch):
    """Note what the plain way was asked for."""
    sizes = []

    def note(data, size):
        sizes.append(size)
        return decode_plain(data, size)

    monkeypatch.setattr(decoding, "decode_plain", note)
    return sizes


@pytest.mark.parametrize("size", [(1, 1), (8, 16), SIZE, (640, 3)])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("more", [{}, {"restart_marker_blocks": 2}, {"comment": b"hello"}])
def test_the_pixels_are_those_of_pillow(size, subsampling, more):
    data = write(draw(size), quality=80, subsampling=subsampling, **more)
    assert find_plain(data) == size
    np.testing.assert_array_equal(colours(decode_plain(data, size)), by_pillow(data))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("L", {}),
        ("CMYK", {}),
        ("RGB", {"progressive": True}),
        ("RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
    ],
)
def test_what_is_not_plain_is_left_to_pillow(mode, options, asked):
    data = write(draw(mode=mode), **options)
    assert find_plain(data) is None
    np.testing.assert_array_equal(read(data).image, by_pillow(data).convert("RGB"))
    assert not asked


def test_other_files_are_not_plain():
    for data in (b"", b"\xff\xd8\xff", b"no picture at all, whatever it says", bytes(100)):
        assert find_plain(data) is None
    assert find_plain(b"BM" + write()[2:]) is None


def test_no_more_memory_is_used_than_was_asked_for(monkeypatch):
    monkeypatch.setattr(decoding, "find_plain", lambda _: (1, 1))  # as if it could be misled
    taken = []
    with pytest.raises(UnreadablePicture, match="two sizes"):
        read(write(), take=taken.append)
    assert len(taken) == 1


def test_memory_is_asked_for_once(asked):
    taken = []
    read(write(), take=taken.append)
    assert asked == [SIZE]
    assert len(taken) == 1


def test_what_is_damaged_is_judged_by_pillow(asked):
    data = write(quality=95)
    taken = []
    with pytest.raises(UnreadablePicture, match="cut short"):
        read(data[: len(data) // 2], take=taken.append)
    assert asked == [SIZE]
    assert len(taken) == 1
    spoiled = bytearray(data)
    spoiled[-len(data) // 3] ^= 0x55  # which Pillow passes over
    np.testing.assert_array_equal(
        np.asarray(read(bytes(spoiled)).image)[..., :3], by_pillow(bytes(spoiled))
    )


def test_a_large_picture_is_reduced_or_refused_as_ever(asked):
    data = write(draw((400, 300)))
    assert read(data, at_least_px=75).image.size == (200, 150)
    with pytest.raises(UnreadablePicture, match="pixels"):
        decode_reduced(data, name="it", max_pixels=1000, at_least_px=1000)
    assert not asked
    assert size_of(read(data, at_least_px=76).image) == (400, 300)
    assert asked


def test_who_wants_all_of_a_picture_gets_rgb(asked):
    data = write()
    np.testing.assert_array_equal(decode(data, name="it", max_pixels=10**6), by_pillow(data))
    assert not asked


def test_networks_see_the_same_of_it():
    data = write(draw((90, 70)))
    seen = Preprocessing(resize_px=40, crop_px=(36, 32))
    np.testing.assert_array_equal(
        read_picture(data, seen, name="it", max_pixels=10**6), prepare(by_pillow(data), seen)
    )


def test_a_file_that_tells_two_sizes_is_left_to_pillow():
    data = write()
    assert decode_plain(data, (SIZE[0] + 1, SIZE[1])) is None
    assert decode_plain(data, (SIZE[0], SIZE[1] - 1)) is None


def test_damaged_files_give_what_pillow_makes_of_them():
    chance = random.Random(5)
    sound = [write(subsampling=one, quality=90) for one in (0, 2)]
    same = 0
    for _ in range(2000):
        data = bytearray(chance.choice(sound))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(2, len(data))] = chance.randrange(256)
        size = find_plain(bytes(data))
        if size is None or not 0 < size[0] * size[1] < 10**6:
            continue
        found = decode_plain(bytes(data), size)
        if found is not None:
            np.testing.assert_array_equal(colours(found), by_pillow(bytes(data)))
            same += 1
    assert same > 100
