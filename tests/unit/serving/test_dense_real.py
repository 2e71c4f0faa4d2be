"""Real networks with their weights: dense as classifiers, and in tiles as at once."""

import numpy as np
import pytest

from zoo.domain.preprocessing import Channels, Preprocessing, Resize
from zoo.domain.surgery import Convolutionalize, Pads
from zoo.export.dense import write_dense
from zoo.export.onnx import write_onnx
from zoo.images.decode import decode
from zoo.images.prepare import resize_whole
from zoo.networks.dense import convolutionalize, measure_geometry
from zoo.serving.dense import open_dense
from zoo.serving.predictor import open_predictor
from zoo.serving.tiles import smallest_tile_px

pytestmark = pytest.mark.data

DIGITS = Preprocessing(
    resize=Resize.SQUASH,
    resize_px=28,
    crop_px=(28, 28),
    channels=Channels.GRAY,
    mean=(0.0,),
    std=(1.0,),
)
PHOTOGRAPHS = Preprocessing(
    resize=Resize.SQUASH,
    resize_px=227,
    crop_px=(227, 227),
    channels=Channels.BGR,
    scale=1.0,
    mean=(104.0, 117.0, 123.0),
    std=(1.0, 1.0, 1.0),
)
# LeNet's poolings round up and overhang; SqueezeNet pads its classifier and averages all of a map.
REAL = {"lenet_mnist_v1": (DIGITS, 10), "squeezenet_v1.0": (PHOTOGRAPHS, 1000)}


@pytest.fixture(scope="module", params=REAL)
def package(request):
    return request.param, *REAL[request.param]


@pytest.fixture
def make_dense(load_package):
    """Open a package's network as a dense one."""

    def make(name, pictures, classes, pads=Pads.KEEP):
        surgery = Convolutionalize(shape=(pictures.channel_count, *pictures.crop_px), pads=pads)
        network = convolutionalize(load_package(name), surgery)
        labels = tuple(map(str, range(classes)))
        geometry = measure_geometry(network, surgery)
        written = write_dense(network, pictures, labels, geometry=geometry)
        return open_dense(written, device="cpu")

    return make


@pytest.fixture
def photograph(shared_data):
    """Give a photograph of this height and width."""
    path = shared_data / "images" / "imagenet_sample" / "0156_n02086646_Blenheim_spaniel.jpg"
    image = decode(path, name=path.name, max_pixels=10**7)
    return lambda *size_px: resize_whole(image, size_px, PHOTOGRAPHS.interpolation)


def test_at_the_crops_size_a_dense_network_answers_as_the_classifier(
    package, make_dense, load_package, photograph
):
    name, pictures, classes = package
    labels = tuple(map(str, range(classes)))
    written = write_onnx(load_package(name), pictures, None, labels)
    picture = photograph(*pictures.crop_px)[np.newaxis]
    expected = open_predictor(written, device="cpu").predict(picture)
    assert make_dense(*package).predict(picture) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("pads", Pads)
def test_a_photograph_in_tiles_gives_the_map_of_the_whole(make_dense, photograph, pads):
    lenet = make_dense("lenet_mnist_v1", *REAL["lenet_mnist_v1"], pads)
    tile = smallest_tile_px(lenet.geometry.height) + 5
    for size in [(90, 141), (143, 77), (100, 100), (tile, 4 * tile + 1)]:
        picture = photograph(*size)
        difference = lenet.score_map(picture, tile_px=tile) - lenet.score_map(picture)
        assert np.abs(difference).max() <= 1e-5


def test_a_large_network_in_tiles_gives_the_map_of_the_whole(make_dense, photograph):
    squeezenet = make_dense("squeezenet_v1.0", *REAL["squeezenet_v1.0"])
    tile = smallest_tile_px(squeezenet.geometry.height) + 20
    picture = photograph(433, 478)
    difference = squeezenet.score_map(picture, tile_px=tile) - squeezenet.score_map(picture)
    assert np.abs(difference).max() <= 1e-5
