"""The readers on published models, whose blobs another program has computed."""

from dataclasses import replace

import numpy as np
import pytest

from zoo.errors import IncompletePackage, MalformedPrototxt
from zoo.formats.caffe.caffemodel import read_blobs, read_mean
from zoo.formats.caffe.matching import to_blobs, to_weights
from zoo.formats.caffe.package import read_package
from zoo.formats.caffe.preprocessing import find_preprocessing
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.recover import recover_net
from zoo.formats.caffe.shapes import infer_shapes
from zoo.formats.caffe.writing import write_caffemodel, write_prototxt
from zoo.formats.frontmatter import read_front_matter

pytestmark = pytest.mark.data

PARAMETERS = {  # how many numbers each network has learned
    "cifar10_full_h5": 89_578,
    "cifar10_full_v1": 89_578,
    "lenet_mnist_v1": 431_080,
    "mini_caffenet_synthetic": 210_978,
    "mtcnn_pnet": 6_632,
    "mtcnn_rnet": 100_178,
    "simpnet_300k_cifar10": 302_316,
    "squeezenet_v1.0": 1_248_424,
}
UNUSED = {"mtcnn_rnet": ("conv5-3",)}  # weights of layers that the prototxt lacks


def open_package(shared_data, name):
    folder = shared_data / "models" / name
    return read_package({path.name: path for path in folder.iterdir()})


def open_net(package):
    return read_net(read_text(package.prototxt.path), name=package.prototxt.name)


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_weights_fit_their_networks(shared_data, name):
    package = open_package(shared_data, name)
    net = open_net(package)
    weights, matching = to_weights(net, read_blobs(package.weights.path))
    assert sum(array.size for array in weights.values()) == PARAMETERS[name]
    assert matching.ignored == UNUSED.get(name, ())
    assert net.unknown == ()
    assert package.sha1
    assert package.licence


@pytest.mark.parametrize("name", PARAMETERS)
def test_inferred_shapes_are_those_another_program_computed(shared_data, name):
    package = open_package(shared_data, name)
    net = open_net(package)
    reference = np.load(shared_data / "models" / name / "reference.npz")
    images = reference[f"input:{net.inputs[0].blob}"]
    net = replace(net, inputs=(replace(net.inputs[0], shape=images.shape),))
    shapes = infer_shapes(net, batch=len(images))
    computed = {key.removeprefix("blob:"): reference[key].shape for key in reference.files}
    compared = [layer for layer in net.layers if layer.tops[0] in computed]
    assert compared
    for layer in compared:
        assert shapes[layer.name].tops == (computed[layer.tops[0]],), layer


def test_a_snapshot_of_training_gives_the_published_network(shared_data):
    package = open_package(shared_data, "simpnet_300k_cifar10")
    found, published = recover_net(package.weights.path), open_net(package)
    assert found.inputs == published.inputs
    assert found.layers[:-1] == published.layers[:-1]
    assert found.layers[-1].parameters == published.layers[-1].parameters
    assert read_net(write_prototxt(found), name="x") == replace(found, dropped=(), unknown=())


def test_a_net_without_data_layers_is_recovered_as_it_is(shared_data):
    package = open_package(shared_data, "mini_caffenet_synthetic")
    assert recover_net(package.weights.path) == open_net(package)


@pytest.mark.parametrize(("name", "side"), [("lenet_mnist_v1", 28), ("cifar10_full_v1", 32)])
def test_weights_tell_the_size_that_their_data_layer_does_not(shared_data, name, side):
    found = recover_net(open_package(shared_data, name).weights.path)
    assert found.inputs[0].shape[2:] == (side, side)


@pytest.mark.parametrize("name", ["mtcnn_pnet", "cifar10_full_h5"])
def test_files_that_do_not_tell_the_size_of_pictures_are_not_enough(shared_data, name):
    with pytest.raises(IncompletePackage) as caught:
        recover_net(open_package(shared_data, name).weights.path)
    assert "deploy.prototxt" in caught.value.hint


@pytest.mark.parametrize("name", ["lenet_mnist_v1", "mini_caffenet_synthetic"])
def test_published_weights_are_not_copied(shared_data, name):
    package = open_package(shared_data, name)
    weights, _ = to_weights(open_net(package), read_blobs(package.weights.path))
    assert not any(array.flags.writeable or array.flags.owndata for array in weights.values())


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_published_network_written_out_is_read_back_equal(shared_data, name, tmp_path):
    package = open_package(shared_data, name)
    net = replace(open_net(package), dropped=(), unknown=())
    weights, _ = to_weights(net, read_blobs(package.weights.path))
    assert read_net(write_prototxt(net), name="written") == net
    path = tmp_path / "net.caffemodel"
    path.write_bytes(b"".join(write_caffemodel(net, to_blobs(net, weights))))
    again, _ = to_weights(net, read_blobs(path))
    assert again.keys() == weights.keys()
    assert all(np.array_equal(again[key], weights[key]) for key in weights)


@pytest.mark.parametrize("name", ["cifar10_full_h5", "cifar10_full_v1"])
def test_the_mean_image_of_cifar_is_found(shared_data, name):
    package = open_package(shared_data, name)
    chosen, image = find_preprocessing(package, open_net(package))
    assert image.shape == (3, 32, 32)
    assert chosen.mean == pytest.approx((125.307, 122.950, 113.865), abs=1e-3)


def test_the_mean_image_of_imagenet_is_read(shared_data):
    image = read_mean(shared_data / "models" / "ilsvrc12" / "imagenet_mean.binaryproto")
    assert image.shape == (3, 256, 256)
    assert image.mean((1, 2)) == pytest.approx((104.007, 116.669, 122.679), abs=1e-3)


CAFFENET = {
    "bvlc_alexnet_deploy": (10, 1000),
    "bvlc_reference_caffenet_deploy": (10, 1000),
    "bvlc_reference_caffenet_train_val": (10, 1000),
    "caffenet_v0_deploy": (10, 1000),
    "caffenet_v1_deploy": (10, 1000),
    "bvlc_caffenet_full_conv": (10, 1000, 8, 8),
    "finetune_flickr_style_train_val": (10, 20),
}


@pytest.mark.parametrize(("name", "shape"), CAFFENET.items())
def test_descriptions_of_caffenet_give_their_classes(shared_data, name, shape):
    path = shared_data / "prototxt" / f"{name}.prototxt"
    net = read_net(read_text(path), name=path.name)
    assert net.layers[-1].type == "Softmax"
    assert infer_shapes(net, batch=10)[net.layers[-1].name].tops == (shape,)


def test_three_generations_of_caffenet_are_one_network(shared_data):
    folder = shared_data / "prototxt"
    names = ("caffenet_v0_deploy", "caffenet_v1_deploy", "bvlc_reference_caffenet_deploy")
    oldest, older, new = (
        read_net(read_text(folder / f"{name}.prototxt"), name=name) for name in names
    )
    assert oldest.layers == older.layers == new.layers
    assert oldest.inputs == older.inputs == new.inputs
    assert oldest.unknown == older.unknown == new.unknown == ()


def test_googlenet_has_only_known_layers(shared_data):
    path = shared_data / "prototxt" / "bvlc_googlenet_deploy.prototxt"
    net = read_net(read_text(path), name=path.name)
    assert infer_shapes(net)[net.layers[-1].name].tops == ((1, 1000),)


def test_a_solver_is_no_network(shared_data):
    path = shared_data / "prototxt" / "finetune_flickr_style_solver.prototxt"
    with pytest.raises(MalformedPrototxt, match="describes no input"):
        read_net(read_text(path), name=path.name)


def test_readmes_of_the_model_zoo_are_read(shared_data):
    for path in (shared_data / "prototxt").glob("*readme.md"):
        front_matter, prose = read_front_matter(path.read_text(), name=path.name)
        assert front_matter.keys() >= {"name", "caffemodel", "caffemodel_url", "license", "sha1"}
        assert prose.startswith(("This model", "The"))
