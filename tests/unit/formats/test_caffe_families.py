"""What a network's name tells of the pictures it was trained on."""

import pytest

from zoo.domain.preprocessing import Channels, Resize
from zoo.formats.caffe.families import prepare_as_family


@pytest.mark.parametrize(
    ("name", "side", "scale", "mean", "resize_px"),
    [
        ("VGG_ILSVRC_16_layers", 224, 1.0, (103.939, 116.779, 123.68), 256),
        ("DENSENET_121", 224, 0.017, (103.94, 116.78, 123.68), 256),
        ("MOBILENET_V2", 224, 0.017, (103.94, 116.78, 123.68), 256),
        ("GoogleNet", 224, 1.0, (104, 117, 123), 256),
        ("CaffeNet", 227, 1.0, (104, 117, 123), 256),
        ("SE-ResNet-50", 224, 1.0, (104, 117, 123), 256),
        ("InceptionV4", 299, 1 / 128, (128, 128, 128), 320),
        ("dpn92", 224, 1 / 59.88, (104, 117, 124), 256),
    ],
)
def test_families_are_fed_as_their_publishers_say(name, side, scale, mean, resize_px):
    found = prepare_as_family(3, side, side, name=name)
    assert (found.channels, found.resize) == (Channels.BGR, Resize.SHORT_SIDE)
    assert found.scale == scale
    assert found.mean == pytest.approx([value * scale for value in mean])
    assert found.resize_px == resize_px
    assert "assumed" not in found.source


def test_resnext_divides_by_a_deviation_per_channel():
    found = prepare_as_family(3, 224, 224, name="ResNeXt-50")
    assert found.std == (57.375, 57.12, 58.395)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (3, 224)])
def test_a_name_without_a_family_is_assumed_by_the_input(channels, side):
    found = prepare_as_family(channels, side, side, name="net")
    assert found.source.startswith("assumed")
    assert len(found.mean) == len(found.std) == channels


def test_a_thumbnail_of_a_known_name_is_still_a_thumbnail():
    found = prepare_as_family(3, 32, 32, name="cifar10_vgg")
    assert found.channels is Channels.RGB
