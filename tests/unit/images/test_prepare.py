"""What the networks see: the right part of a picture, at the right size, the same everywhere."""

import io
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo.domain.preprocessing import Interpolation, Preprocessing, Resize
from zoo.errors import UnreadablePicture
from zoo.images.decode import decode
from zoo.images.prepare import prepare, read_picture, resize_whole


def make_noise(width, height):
    """Noise with smooth parts."""
    rng = np.random.default_rng(width * 1000 + height)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), int)
    rough = rng.integers(-20, 21, (height, width, 3))
    return Image.fromarray(np.clip(smooth + rough, 0, 255).astype(np.uint8))


def resized_then_cropped(image, resize_px, crop_px):
    """The two steps as torchvision takes them on a PIL image."""
    width, height = image.size
    short = min(width, height)
    size = int(resize_px * width / short), int(resize_px * height / short)
    resized = image.resize(size, Image.Resampling.BILINEAR)
    top = round((size[1] - crop_px[0]) / 2)
    left = round((size[0] - crop_px[1]) / 2)
    return np.asarray(resized.crop((left, top, left + crop_px[1], top + crop_px[0])))


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int))


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (257, 256), (500, 333), (90, 401)])
@pytest.mark.parametrize(("resize_px", "crop_px"), [(64, (56, 56)), (64, (64, 64)), (57, (40, 52))])
def test_one_step_equals_resize_then_crop(size, resize_px, crop_px):
    image = make_noise(*size)
    ours = prepare(image, Preprocessing(resize_px=resize_px, crop_px=crop_px))
    off = difference(ours, resized_then_cropped(image, resize_px, crop_px))
    assert off.max() <= 1
    assert off.mean() <= 0.25


@pytest.mark.data
@pytest.mark.parametrize(("resize_px", "crop_px"), [(256, 224), (224, 224), (128, 112), (72, 64)])
def test_on_photographs_one_step_equals_resize_then_crop(shared_data, resize_px, crop_px):
    files = sorted((shared_data / "images" / "imagenet_sample").glob("*.jpg"))[::10]
    chosen = Preprocessing(resize_px=resize_px, crop_px=(crop_px, crop_px))
    means = []
    for file in files:
        image = decode(file, name=file.name, max_pixels=10**6)
        expected = resized_then_cropped(image, resize_px, (crop_px, crop_px))
        off = difference(prepare(image, chosen), expected)
        assert off.max() <= 1
        means.append(off.mean())
    assert max(means) <= 0.3
    assert mean(means) <= 0.1


def test_the_array_is_uint8_rgb_of_the_crops_size_and_may_be_written():
    pixels = prepare(make_noise(50, 40), Preprocessing(resize_px=32, crop_px=(20, 30)))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (20, 30, 3)
    pixels[0, 0, 0] = 1
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("resize", Resize)
def test_a_picture_of_the_size_asked_for_comes_through_bit_identical(resize):
    image = make_noise(28, 28)
    chosen = Preprocessing(resize=resize, resize_px=28, crop_px=(28, 28))
    assert np.array_equal(prepare(image, chosen), image)


def test_a_picture_that_is_only_cropped_keeps_its_levels():
    image = make_noise(40, 32)
    chosen = Preprocessing(resize_px=32, crop_px=(24, 20))
    assert np.array_equal(prepare(image, chosen), np.asarray(image)[4:28, 10:30])


def test_squash_gives_both_sides_the_resized_length():
    image = make_noise(300, 100)
    chosen = Preprocessing(resize=Resize.SQUASH, resize_px=64, crop_px=(56, 56))
    whole = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR))
    assert difference(prepare(image, chosen), whole[4:60, 4:60]).max() <= 1


def test_squash_to_a_crop_that_is_not_square_keeps_the_crops_proportions():
    image = make_noise(100, 300)
    chosen = Preprocessing(resize=Resize.SQUASH, resize_px=40, crop_px=(64, 32))
    whole = np.asarray(image.resize((40, 80), Image.Resampling.BILINEAR))
    assert difference(prepare(image, chosen), whole[8:72, 4:36]).max() <= 1


def test_squash_never_falls_short_of_the_crop():
    image = make_noise(100, 300)
    chosen = Preprocessing(resize=Resize.SQUASH, resize_px=20, crop_px=(64, 32))
    whole = np.asarray(image.resize((32, 64), Image.Resampling.BILINEAR))
    assert difference(prepare(image, chosen), whole).max() <= 1


@pytest.mark.parametrize(
    ("size", "resize_px", "crop_px", "resized"),
    [
        ((100, 100), 20, (64, 64), (64, 64)),
        ((200, 100), 20, (64, 64), (128, 64)),
        ((100, 200), 20, (64, 64), (64, 128)),
        ((100, 300), 32, (32, 64), (64, 192)),
        ((300, 100), 32, (64, 32), (192, 64)),
    ],
)
def test_where_the_resize_leaves_too_little_the_picture_is_scaled_until_the_crop_fits(
    size, resize_px, crop_px, resized
):
    image = make_noise(*size)
    width, height = resized
    top, left = round((height - crop_px[0]) / 2), round((width - crop_px[1]) / 2)
    whole = np.asarray(image.resize(resized, Image.Resampling.BILINEAR))
    expected = whole[top : top + crop_px[0], left : left + crop_px[1]]
    ours = prepare(image, Preprocessing(resize_px=resize_px, crop_px=crop_px))
    assert difference(ours, expected).max() <= 1


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    resize=st.sampled_from(Resize),
    resize_px=st.integers(1, 60),
    crop_px=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_every_picture_fills_every_crop_with_its_own_colour(size, resize, resize_px, crop_px):
    image = Image.new("RGB", size, (200, 100, 50))
    pixels = prepare(image, Preprocessing(resize=resize, resize_px=resize_px, crop_px=crop_px))
    assert pixels.shape == (*crop_px, 3)
    assert (pixels == (200, 100, 50)).all()


def test_a_picture_of_one_row_takes_no_more_memory_than_its_crop():
    image = Image.new("RGB", (100_000, 1), "red")  # resized as a whole it would be 25 million wide
    assert prepare(image, Preprocessing()).shape == (224, 224, 3)


def make_jpeg(image, orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def test_a_small_picture_is_read_as_decode_and_prepare_read_it():
    data = make_jpeg(make_noise(120, 90))
    chosen = Preprocessing(resize_px=64, crop_px=(56, 56))
    expected = prepare(decode(data, name="a", max_pixels=10**6), chosen)
    assert np.array_equal(read_picture(data, chosen, name="a", max_pixels=10**6), expected)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("resize", Resize)
def test_a_large_jpeg_is_read_with_little_difference(orientation, resize):
    data = make_jpeg(make_noise(1203, 1001), orientation)
    chosen = Preprocessing(resize=resize, resize_px=64, crop_px=(56, 56))
    expected = prepare(decode(data, name="a", max_pixels=10**7), chosen)
    off = difference(read_picture(data, chosen, name="a", max_pixels=10**7), expected)
    assert off.mean() < 1
    assert off.max() <= 6


@pytest.mark.parametrize(("size", "resize_px", "crop_px"), [((1803, 1402), 80, (72, 72))])
def test_served_pixels_are_those_of_training_but_for_a_level(size, resize_px, crop_px):
    """A JPEG decoded at a quarter and resized in one step, beside all its pixels in two."""
    data = make_jpeg(make_noise(*size))
    served = read_picture(
        data, Preprocessing(resize_px=resize_px, crop_px=crop_px), name="a", max_pixels=10**7
    )
    whole = decode(data, name="a", max_pixels=10**7)
    off = difference(served, resized_then_cropped(whole, resize_px, crop_px))
    assert 0 < off.mean() < 1


def test_a_picture_that_cannot_be_read_is_named():
    with pytest.raises(UnreadablePicture, match=r"ants/1\.jpg"):
        read_picture(b"no", Preprocessing(), name="ants/1.jpg", max_pixels=10)


@pytest.mark.parametrize("interpolation", Interpolation)
def test_a_whole_picture_of_the_size_asked_for_comes_through_bit_identical(interpolation):
    image = make_noise(37, 21)
    assert np.array_equal(resize_whole(image, (21, 37), interpolation), np.asarray(image))


def test_a_whole_picture_is_resized_as_its_interpolation_says():
    image = make_noise(37, 21)
    for interpolation, filter_ in zip(
        Interpolation, (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC), strict=True
    ):
        resized = resize_whole(image, (9, 50), interpolation)
        expected = np.asarray(image.resize((50, 9), filter_))
        assert difference(resized, expected).max() <= 1  # Weights are rounded otherwise.
