import re

import numpy as np
import pytest

from zoo.domain.preprocessing import Channels, Preprocessing, Resize
from zoo.errors import (
    IncompletePackage,
    MalformedCard,
    MalformedPrototxt,
    Unsupported,
    WeightsMismatch,
)
from zoo.formats.caffe.net import Input, Net
from zoo.formats.caffe.package import Member, Package
from zoo.formats.caffe.preprocessing import find_preprocessing


def make_net(*shapes):
    inputs = tuple(Input(blob=f"in{index}", shape=shape) for index, shape in enumerate(shapes))
    return Net(name="", inputs=inputs, layers=())


@pytest.fixture
def find(tmp_path, proto):
    """Find the preprocessing of a package made of what is given."""

    def member(name, content):
        path = tmp_path / f"stored-{name}"
        path.write_bytes(content)
        return Member(name=name, path=path)

    def find_in(shape, *, stated=None, train_val=None, mean=None):
        image = None if mean is None else proto.blob((1, *mean.shape), mean.ravel())
        package = Package(
            title="",
            prototxt=Member(name="deploy.prototxt", path=tmp_path),
            weights=Member(name="net.caffemodel", path=tmp_path),
            readme=Member(name="readme.md", path=tmp_path),
            front_matter={} if stated is None else {"preprocessing": stated},
            train_val=member("train_val.prototxt", train_val.encode()) if train_val else None,
            mean=member("mean.binaryproto", image) if image else None,
        )
        return find_preprocessing(package, make_net((1, *shape)))

    return find_in


def data(text):
    return f"layer {{ name: 'd' type: 'Data' top: 'data' {text} }}"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (
            (1, 28, 28),
            Preprocessing(
                resize=Resize.SQUASH,
                resize_px=28,
                crop_px=(28, 28),
                channels=Channels.GRAY,
                scale=0.00390625,
                mean=(0.0,),
                std=(1.0,),
            ),
        ),
        (
            (3, 32, 32),
            Preprocessing(
                resize=Resize.SQUASH,
                resize_px=32,
                crop_px=(32, 32),
                channels=Channels.RGB,
                scale=1.0,
                mean=(0.0, 0.0, 0.0),
                std=(1.0, 1.0, 1.0),
            ),
        ),
        (
            (3, 227, 224),
            Preprocessing(
                resize=Resize.SHORT_SIDE,
                resize_px=256,
                crop_px=(227, 224),
                channels=Channels.BGR,
                scale=1.0,
                mean=(104.0, 117.0, 123.0),
                std=(1.0, 1.0, 1.0),
            ),
        ),
    ],
)
def test_without_a_word_the_family_is_assumed_and_said_to_be(find, shape, expected):
    found, image = find(shape)
    assert image is None
    assert found.source.startswith("assumed: ")
    assert found.as_json() | {"source": ""} == expected.as_json() | {"source": ""}


def test_large_inputs_are_cropped_from_pictures_larger_in_proportion(find):
    assert find((3, 454, 454))[0].resize_px == 512


def test_a_mean_image_is_cropped_at_its_centre_and_never_resized(find):
    mean = np.arange(3 * 35 * 36, dtype=np.float32).reshape(3, 35, 36)
    found, image = find((3, 32, 32), mean=mean)
    assert np.array_equal(image, mean[:, 1:33, 2:34])
    assert image.flags.c_contiguous
    assert found.mean_tensor == "preprocessing.mean"
    assert found.mean == pytest.approx(mean[:, 1:33, 2:34].mean((1, 2)))
    assert found.resize_px == 36
    assert found.source.startswith("mean.binaryproto; assumed: ")


def test_a_mean_image_smaller_than_the_input_becomes_a_mean_per_channel(find):
    mean = np.stack([np.full((4, 40), value, np.float32) for value in (1, 2, 3)])
    found, image = find((3, 32, 32), mean=mean)
    assert image is None
    assert found.mean == (1, 2, 3)
    assert found.mean_tensor is None
    told = "mean.binaryproto, smaller than the crop, by its mean per channel; assumed: "
    assert found.source.startswith(told)


def test_a_mean_image_of_other_channels_is_refused(find):
    with pytest.raises(WeightsMismatch, match=r"mean\.binaryproto has 3 channels, .* reads 1"):
        find((1, 28, 28), mean=np.ones((3, 28, 28), np.float32))


def test_a_training_description_tells_scale_and_mean(find):
    text = data("transform_param { scale: 0.5 mean_value: [10, 20, 30] crop_size: 224 }")
    found, _ = find((3, 224, 224), train_val=text)
    assert found.scale == 0.5
    assert found.mean == (5, 10, 15)
    assert found.source.startswith("train_val.prototxt; assumed: ")


def test_one_mean_value_is_for_all_channels_and_beats_an_image(find):
    mean = np.ones((3, 32, 32), np.float32)
    text = data("transform_param { mean_value: 128 }")
    found, image = find((3, 32, 32), train_val=text, mean=mean)
    assert found.mean == (128, 128, 128)
    assert image is None


def test_a_mean_image_is_scaled_with_the_pixels(find):
    text = data("transform_param { scale: 0.5 mean_file: 'somewhere/mean.binaryproto' }")
    found, image = find((3, 32, 32), train_val=text, mean=np.full((3, 32, 32), 8, np.float32))
    assert np.array_equal(image, np.full((3, 32, 32), 4))
    assert found.mean == (4, 4, 4)


def test_a_training_description_without_a_mean_tells_that_there_is_none(find):
    assert find((3, 224, 224), train_val=data("transform_param { crop_size: 224 }"))[0].mean == (
        0,
        0,
        0,
    )


def test_a_mean_image_that_is_not_in_the_package_is_told_and_never_looked_for(find, tmp_path):
    (tmp_path / "mean").write_bytes(b"not to be read")
    text = data(f"transform_param {{ mean_file: '{tmp_path / 'mean'}' }}")
    found, _ = find((3, 224, 224), train_val=text)
    assert found.mean == (104, 117, 123)
    assert "whose mean image is not here" in found.source


def test_a_data_layer_that_resizes_to_a_square_squashes(find):
    text = data("image_data_param { new_height: 256 new_width: 256 }")
    found, _ = find((3, 227, 227), train_val=text)
    assert (found.resize, found.resize_px) == (Resize.SQUASH, 256)
    assert find((3, 300, 300), train_val=text)[0].resize is Resize.SHORT_SIDE


def test_the_data_layer_of_the_test_phase_is_asked_first(find):
    text = data("include { phase: TRAIN } transform_param { scale: 0.5 }")
    other = data("include { phase: TEST } transform_param { scale: 0.25 }")
    assert find((3, 32, 32), train_val=text + other)[0].scale == 0.25
    assert find((3, 32, 32), train_val=text)[0].scale == 0.5


def test_old_data_layers_have_their_scale_in_data_param(find):
    text = "layers { type: DATA top: 'data' data_param { scale: 0.00390625 } }"
    assert find((1, 28, 28), train_val=text)[0].scale == 0.00390625


def test_a_training_description_without_a_data_layer_tells_nothing(find):
    found, _ = find((1, 28, 28), train_val="layer { type: 'ReLU' bottom: 'x' top: 'y' }")
    assert found.source.startswith("assumed")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("mean_value: [1, 2]", "2 mean_value for 3 channels"), ("scale: 0", "must be above 0")],
)
def test_a_transformation_that_cannot_be_is_refused(find, text, reason):
    with pytest.raises(MalformedPrototxt, match=reason):
        find((3, 32, 32), train_val=data(f"transform_param {{ {text} }}"))


def test_the_readme_wins(find):
    stated = {
        "resize": "squash",
        "resize_px": 64,
        "crop_px": [56, 48],
        "channels": "BGR",
        "scale": 0.5,
        "mean": [1, 2, 3],
        "std": 4,
    }
    found, image = find(
        (3, 32, 32),
        stated=stated,
        train_val=data("transform_param { scale: 0.1 mean_value: 9 }"),
        mean=np.ones((3, 32, 32), np.float32),
    )
    assert image is None
    assert found == Preprocessing(
        resize=Resize.SQUASH,
        resize_px=64,
        crop_px=(56, 48),
        channels=Channels.BGR,
        scale=0.5,
        mean=(1.0, 2.0, 3.0),
        std=(4.0, 4.0, 4.0),
        source="readme.md (resize, resize_px, crop_px, channels, scale, mean, std);"
        " train_val.prototxt",
    )


def test_what_was_written_as_json_can_be_stated(find):
    found, _ = find((3, 227, 227))
    assert find((3, 227, 227), stated=found.as_json())[0] == found


def test_a_mean_that_is_not_stated_follows_the_scale_and_the_order_that_are(find):
    found, _ = find((3, 227, 227), stated={"scale": 0.5, "channels": "RGB"})
    assert found.mean == (61.5, 58.5, 52)
    assert found.source.startswith("readme.md (scale, channels); assumed: ")


def test_a_stated_mean_image_is_taken_from_the_package(find):
    stated = {"mean_tensor": "preprocessing.mean", "resize_px": 40}
    found, image = find((3, 32, 32), stated=stated, mean=np.ones((3, 36, 36), np.float32))
    assert image.shape == (3, 32, 32)
    assert found.resize_px == 40
    with pytest.raises(IncompletePackage, match="wants a mean image"):
        find((3, 32, 32), stated=stated)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ("squash", "should be a mapping"),
        ({"crop": 5}, "has no field 'crop'; it has resize, resize_px"),
        ({"resize": "stretch"}, "resize is 'stretch'; it should be short_side or squash"),
        ({"resize": ["squash"]}, "should be short_side or squash"),
        ({"resize_px": 0}, "whole number from 1"),
        ({"resize_px": True}, "whole number from 1"),
        ({"crop_px": [1, 2, 3]}, "a height and a width"),
        ({"crop_px": 99}, re.escape("crops (99, 99) from pictures of 40")),
        ({"channels": "GRAY"}, "a network of 3 channels takes RGB or BGR"),
        ({"scale": 0}, "should be above 0"),
        ({"scale": "1/256"}, "should be a number"),
        ({"mean": [1, 2]}, "3 numbers, one a channel"),
        ({"mean": [1, 2, float("nan")]}, "should be a number"),
        ({"std": 0}, "should be above 0"),
        ({"mean_tensor": "other"}, "should be preprocessing.mean"),
        ({"mean_tensor": []}, "should be preprocessing.mean"),
    ],
)
def test_a_statement_that_cannot_be_is_refused(find, stated, reason):
    if isinstance(stated, dict) and "crop_px" in stated:
        stated = {"resize_px": 40} | stated
    with pytest.raises(MalformedCard, match=reason) as caught:
        find((3, 32, 32), stated=stated)
    assert str(caught.value).startswith("readme.md")


@pytest.mark.parametrize("shapes", [[(1, 4, 8, 8)], [(1, 3)], [(1, 3, 8, 8), (1, 3)]])
def test_networks_that_do_not_read_one_picture_are_refused(tmp_path, shapes):
    nowhere = Member(name="x", path=tmp_path)
    package = Package(title="", prototxt=nowhere, weights=nowhere)
    with pytest.raises(Unsupported, match="not one picture"):
        find_preprocessing(package, make_net(*shapes))
