"""What trained networks hold, and what the literature says of it."""

import numpy as np
import pytest

from zoo.domain.filters import Tensor
from zoo.domain.preprocessing import Channels
from zoo.filters.portrait import draw_portrait
from zoo.filters.statistics import describe_tensor
from zoo.formats.caffe.caffemodel import read_blobs

pytestmark = pytest.mark.data

# The first layers of networks that were trained, and how far they span the bound of 1 / fan_in.
FIRST = {
    "squeezenet_v1.0": 102.4,
    "mtcnn_pnet": 84.1,
    "cifar10_full_v1": 32.7,
    "mtcnn_rnet": 17.5,
    "lenet_mnist_v1": 13.1,
    "simpnet_300k_cifar10": 6.2,
}


@pytest.fixture(scope="module")
def open_layer(shared_data):
    """A function that opens the filters of a layer of a Caffe model."""

    def read(model, layer):
        (path,) = (shared_data / "models" / model).glob("*.caffemodel")
        array = np.ascontiguousarray(read_blobs(path)[layer][0])
        return Tensor(
            name=f"{layer}.weight",
            kind=array.dtype.name,
            shape=array.shape,
            stored=array.reshape(-1),
        )

    return read


def test_the_first_layer_of_squeezenet_holds_what_was_measured_of_it(open_layer):
    found = describe_tensor(open_layer("squeezenet_v1.0", "conv1"))
    assert found.shape == (96, 3, 7, 7)
    assert found.least == pytest.approx(-0.697, abs=5e-4)
    assert found.largest == pytest.approx(0.651, abs=5e-4)
    assert found.std == pytest.approx(0.101, abs=5e-4)
    assert found.kurtosis == pytest.approx(8.1, abs=0.06)
    assert found.he_std == pytest.approx(0.117, abs=5e-4)
    assert found.inverse_bound == pytest.approx(0.0068, abs=5e-5)
    assert found.dead == 0


def test_a_trained_first_layer_spans_about_100_times_the_tutorials_bound(open_layer):
    found = describe_tensor(open_layer("squeezenet_v1.0", "conv1"))
    assert 50 < found.bound_ratio < 200


@pytest.mark.parametrize(("model", "expected"), FIRST.items())
def test_every_trained_first_layer_leaves_that_bound_far_behind(open_layer, model, expected):
    found = describe_tensor(open_layer(model, "conv1"))
    assert found.bound_ratio == pytest.approx(expected, abs=0.06)
    assert found.bound_ratio > 5


def test_two_thirds_of_its_3_x_3_filters_are_pruned(open_layer):
    for fire in range(2, 10):
        found = describe_tensor(open_layer("squeezenet_v1.0", f"fire{fire}/expand3x3"))
        assert 0.66 < found.zero_share < 0.71
        assert 7 < found.kurtosis < 20


def test_first_layers_of_pictures_are_drawn_as_tiles_of_colour(open_layer):
    tensor = open_layer("squeezenet_v1.0", "conv1")
    pixels = draw_portrait(tensor, channels=Channels.BGR).pixels
    assert pixels.shape == (641, 641, 3)
    levels = pixels[1:64, 1:64].reshape(7, 9, 7, 9, 3)
    assert np.ptp(levels, axis=(1, 3)).max() == 0  # a number is a square of 9 x 9
    drawn = levels[:, 0, :, 0, ::-1].astype(float)
    numbers = tensor.read(slice(0, 147)).reshape(3, 7, 7).transpose(1, 2, 0)
    extent = describe_tensor(tensor).extent
    assert np.abs(drawn - 127.5 * (1 + numbers / extent)).max() <= 0.5 + 1e-6
