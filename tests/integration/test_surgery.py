"""Networks under the knife: a revision in, a job, a revision that is rebuilt and verified out."""

import numpy as np
import pytest
import torch

from zoo.domain.config import CARD, CONFIG, DENSE, GRAPH, LAYERS, PARITY, WEIGHTS
from zoo.domain.geometry import Geometry
from zoo.domain.surgery import Convolutionalize, Cut, FoldBatchNorm, Pads, ReplaceHead
from zoo.formats.caffe.matching import to_blobs
from zoo.formats.caffe.reading import read_net
from zoo.formats.caffe.writing import write_caffemodel, write_mean
from zoo.networks.caffe import build_caffe
from zoo.networks.classifier import with_probabilities
from zoo.operations import fetch
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.predict import open_service, predict
from zoo.operations.publish import Publication, publish, put_text
from zoo.operations.surgery import OWN_HEAD, DenseOptions, enqueue_dense
from zoo.serving.dense import open_dense

SIDE = 28
PADDED = """
name: "padded" input: "data" input_shape { dim: 1 dim: 3 dim: 28 dim: 28 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 5 pad: 2 stride: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@pytest.fixture
def padded(surgeon, tmp_path):
    """A model of Caffe's that pads, normalises and subtracts a mean image."""
    folder = tmp_path / "package"
    folder.mkdir()
    net, rng = read_net(PADDED, name="deploy.prototxt"), np.random.default_rng(0)
    weights = {
        name: rng.uniform(0.1, 1, tensor.shape)
        if "running" in name
        else rng.normal(0, 0.1, tensor.shape)
        for name, tensor in build_caffe(net).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    blobs = to_blobs(net, {name: value.astype(np.float32) for name, value in weights.items()})
    (folder / "deploy.prototxt").write_text(PADDED)
    (folder / "weights.caffemodel").write_bytes(b"".join(write_caffemodel(net, blobs)))
    image = rng.uniform(90, 150, (3, SIDE, SIDE)).astype(np.float32)
    (folder / "mean.binaryproto").write_bytes(write_mean(image))
    return surgeon.bring("padded", folder)


def run(network, x):
    with torch.inference_mode():
        return network(x)


def test_a_classifier_is_made_dense(surgeon):
    parent, revision = fetch.get_revision(surgeon.zoo, "lenet"), surgeon.dense("lenet")
    assert revision.model == "lenet-dense"
    assert revision.parent == parent.address
    names = {file.path for file in revision.files}
    assert {CARD, CONFIG, DENSE, GRAPH, LAYERS, PARITY, WEIGHTS, "deploy.prototxt"} <= names
    config = fetch.read_config(surgeon.zoo, revision)
    assert config.recipe.surgeries == (Convolutionalize(shape=(1, SIDE, SIDE)),)
    assert config.lineage == {"parent": parent.address}
    x = torch.rand(3, 1, SIDE, SIDE)
    expected = run(with_probabilities(surgeon.rebuilt(parent)), x)
    found = run(surgeon.rebuilt(revision), x).flatten(1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    assert not surgeon.unsound(revision)


def test_geometry_and_certificate_are_kept_and_told(surgeon):
    revision = surgeon.dense("lenet", sizes_px=((45, 33),))
    told = surgeon.told(revision)
    geometry = Geometry.from_json(told["geometry"])
    assert open_dense(surgeon.path(revision, GRAPH), device="cpu").geometry == geometry
    certificate = told["certificate"]
    assert certificate["native"]["agreement"]["max_rel_difference"] <= 1e-5
    assert [crops["size_px"] for crops in certificate["crops"]] == [[45, 33]]
    assert len(certificate["sizes"]["sizes_px"]) == 9
    card = surgeon.path(revision, CARD).read_text()
    assert all(sentence in card for sentence in certificate["told"])
    assert revision.summary["runs"] == "dense"
    assert revision.summary["dense"]["smallest_px"] == list(geometry.smallest_px)
    assert revision.summary["dense"]["map_size"][0] == geometry.height.formula


def test_a_dense_model_predicts_what_the_classifier_does(surgeon, picture):
    surgeon.dense("lenet")
    service = open_service(surgeon.zoo)
    dense, plain = (
        next(iter(predict(surgeon.zoo, service, model, [("7", picture)])))
        for model in ("lenet-dense", "lenet")
    )
    assert [score.label for score in dense.scores] == [score.label for score in plain.scores]
    np.testing.assert_allclose(
        [score.probability for score in dense.scores],
        [score.probability for score in plain.scores],
        atol=1e-5,
    )


@pytest.mark.usefixtures("padded")
def test_without_padding_pictures_grow_to_the_smallest_that_gives_a_cell(surgeon):
    revision = surgeon.dense("padded", pads=Pads.REMOVE, border_px=1, name="owner/valid")
    told = surgeon.told(revision)
    geometry = Geometry.from_json(told["geometry"])
    assert geometry.smallest_px[0] > SIDE
    assert told["certificate"]["windows"]["agreement"]["max_rel_difference"] <= 1e-5
    pictures = fetch.read_config(surgeon.zoo, revision).preprocessing
    assert pictures.crop_px == geometry.smallest_px
    assert pictures.resize_px >= max(geometry.smallest_px)
    assert not surgeon.unsound(revision)


@pytest.mark.usefixtures("padded")
def test_a_mean_image_becomes_its_averages_and_the_card_says_what_that_changes(surgeon):
    revision = surgeon.dense("padded")
    pictures = fetch.read_config(surgeon.zoo, revision).preprocessing
    assert pictures.mean_tensor is None
    assert all(90 < mean < 150 for mean in pictures.mean)
    assert "the averages of its mean image" in pictures.source
    mean = surgeon.told(revision)["certificate"]["mean"]
    assert mean["mean"] == list(pictures.mean)
    assert 0 < mean["agreement"]["max_abs_difference"] < 1
    assert "The mean image is of one size" in surgeon.path(revision, CARD).read_text()


def test_a_cut_network_gives_a_layers_values(surgeon):
    parent = fetch.get_revision(surgeon.zoo, "lenet")
    revision = surgeon.operate("lenet", Cut(at="ip1"))
    assert revision.model == "lenet-ip1"
    assert (revision.summary["runs"], revision.summary["classes"]) == ("network", 0)
    x = torch.rand(2, 1, SIDE, SIDE)
    network = surgeon.rebuilt(parent)
    codes = run(
        network.get_submodule("ip1"),
        run(surgeon.rebuilt(surgeon.operate("lenet", Cut(at="pool2"))), x).flatten(1),
    )
    torch.testing.assert_close(run(surgeon.rebuilt(revision), x), codes, rtol=1e-5, atol=1e-6)
    assert LAYERS in {file.path for file in revision.files}
    assert not surgeon.unsound(revision)


@pytest.mark.usefixtures("padded")
def test_a_folded_network_computes_the_same_with_fewer_layers(surgeon):
    parent = fetch.get_revision(surgeon.zoo, "padded")
    revision = surgeon.operate("padded", FoldBatchNorm())
    assert revision.model == "padded-folded"
    assert (revision.summary["runs"], revision.summary["classes"]) == ("classifier", 4)
    config = fetch.read_config(surgeon.zoo, revision)
    assert config.preprocessing.mean_tensor is not None
    before, after = surgeon.rebuilt(parent), surgeon.rebuilt(revision)
    assert not any("bn" in name or "scale" in name for name in after.state_dict())
    x = torch.randn(2, 3, SIDE, SIDE) * 50
    torch.testing.assert_close(run(after, x), run(before, x), rtol=1e-4, atol=1e-6)
    card = surgeon.path(revision, CARD).read_text()
    assert "2 layers of normalisation folded into the weighted layer before each" in card
    assert not surgeon.unsound(revision)


def test_a_new_head_is_untrained_and_the_card_says_so(surgeon):
    surgery = ReplaceHead(at=OWN_HEAD, classes=3)
    revision = surgeon.operate("lenet", surgery, labels=("ant", "bee", "cow"))
    assert revision.model == "lenet-3-classes"
    config = fetch.read_config(surgeon.zoo, revision)
    assert config.label_names == ("ant", "bee", "cow")
    assert config.recipe.surgeries == (ReplaceHead(at="ip2", classes=3),)
    found = run(surgeon.rebuilt(revision), torch.rand(2, 1, SIDE, SIDE))
    torch.testing.assert_close(found, torch.full((2, 3), 1 / 3))
    assert "Nobody has trained the new classifier" in surgeon.path(revision, CARD).read_text()
    assert not surgeon.unsound(revision)


def test_surgeries_follow_each_other(surgeon):
    surgeon.operate("lenet", ReplaceHead(at=OWN_HEAD, classes=3))
    dense = surgeon.dense("lenet-3-classes")
    assert dense.model == "lenet-3-classes-dense"
    assert surgeon.told(dense)["certificate"]["native"]["is_flat"]
    cut = surgeon.operate(dense.address, Cut(at="ip1"))
    assert cut.model == "lenet-3-classes-dense-ip1"
    network = surgeon.rebuilt(cut)
    assert run(network, torch.rand(1, 1, 40, 36)).shape[2:] == (4, 3)
    again = surgeon.operate(dense.address, ReplaceHead(at=OWN_HEAD, classes=2), name="again")
    assert again.summary["runs"] == "classifier"
    assert surgeon.dense("again").summary["runs"] == "dense"
    for revision in (dense, cut, again):
        assert not surgeon.unsound(revision)


@pytest.mark.parametrize("model", ["lenet-dense", "padded-folded", "padded-dense"])
@pytest.mark.usefixtures("padded")
def test_what_was_operated_on_can_be_fine_tuned(surgeon, model):
    parent, kind = model.rsplit("-", 1)
    if kind == "dense":
        surgeon.dense(parent)
    else:
        surgeon.operate(parent, FoldBatchNorm())
    revision = surgeon.published(enqueue_finetune(surgeon.zoo, model, "digits", name="tuned"))
    assert revision.summary["accuracy"]["value"] > 0.3
    assert len(fetch.read_config(surgeon.zoo, revision).label_names) == 5
    assert not surgeon.unsound(revision)


@pytest.mark.parametrize("options", [{}, {"pads": Pads.REMOVE}])
@pytest.mark.usefixtures("padded")
def test_an_exported_dense_model_comes_back_with_its_certificate(
    surgeon, zoo_cli, tmp_path, options
):
    revision = surgeon.dense("padded", **options)
    folder = tmp_path / "exported"
    assert zoo_cli("export", "padded-dense", "--format", "safetensors", "-o", folder).code == 0
    again = surgeon.bring("again", folder)
    assert again.summary["runs"] == "dense"
    told, before = surgeon.told(again), surgeon.told(revision)
    assert told["geometry"] == before["geometry"]
    assert told["certificate"]["native"] == before["certificate"]["native"]
    assert surgeon.path(again, WEIGHTS).read_bytes() == surgeon.path(revision, WEIGHTS).read_bytes()
    assert not surgeon.unsound(again)


def test_verify_finds_a_geometry_that_is_not_the_networks(surgeon):
    revision = surgeon.dense("lenet")
    text = surgeon.path(revision, DENSE).read_text().replace('"stride_px": 4', '"stride_px": 8')
    files = {file.path: file for file in revision.files} | {DENSE: put_text(surgeon.zoo, text)}
    wrong = publish(
        surgeon.zoo, Publication(model="wrong", files=files, message="", summary=revision.summary)
    )
    (found,) = surgeon.unsound(wrong)
    assert found.name == "geometry"
    assert "not what dense.json or the graph says" in found.found


def test_the_same_job_that_waits_is_given_again(surgeon):
    first = enqueue_dense(surgeon.zoo, "lenet", DenseOptions())
    assert enqueue_dense(surgeon.zoo, "lenet:main", DenseOptions()).id == first.id
    assert enqueue_dense(surgeon.zoo, "lenet", DenseOptions(border_px=1)).id != first.id
