"""Checkpoints of every kind, from files to a revision that predicts; jobs run in this process."""

import json
import os
import shutil

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from zoo.domain.checkpoint import Wishes
from zoo.domain.config import CARD, CONFIG, GRAPH, WEIGHTS
from zoo.domain.job import JobState
from zoo.domain.recipe import Recipe, Source
from zoo.errors import MalformedCheckpoint, UnsafePickle, WeightsMismatch
from zoo.formats.caffe.net import Convolution, Input, Layer, Net
from zoo.formats.caffe.writing import write_caffemodel
from zoo.formats.safetensors import read_safetensors, write_safetensors
from zoo.networks.blobs import run_blobs
from zoo.networks.build import build_network, load_weights
from zoo.networks.vision import initial_weights
from zoo.operations import fetch, jobs
from zoo.operations.datasets import add_dataset
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.import_ import (
    ImportOptions,
    enqueue_import,
    prepare_import,
    publish_stored,
    stage,
)
from zoo.operations.predict import open_service, predict
from zoo.worker.convert import write_state_dict
from zoo.worker.progress import Progress
from zoo.worker.run import run
from zoo.worker.verify import verify

SIDE = 32


@pytest.fixture
def bring(zoo):
    """A function that imports a path under the name m and gives the job, or the stored revision."""

    def import_it(path, *, check=None, **wishes):
        options = ImportOptions(name="m", wishes=Wishes(**wishes), check=check)
        prepared = prepare_import(zoo, stage(zoo, path), options)
        if not prepared.is_runnable:
            return publish_stored(zoo, prepared)
        return work(zoo, enqueue_import(zoo, prepared))

    return import_it


def work(zoo, job):
    attempt = jobs.claim(zoo, worker="the test", number=job.id)
    run(zoo, Progress(zoo, attempt))
    return jobs.get_job(zoo, job.id)


def ok(job):
    assert job.state is JobState.SUCCEEDED, job.error
    return job.result


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "noise.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


def scores(zoo, picture):
    (found,) = predict(zoo, open_service(zoo), "m", [("noise", picture)], top=1000)
    return {score.index: score.probability for score in found.scores}


@pytest.fixture(scope="session")
def resnet():
    """The state dict of a small torchvision network with seven classes, drawn at random."""
    source = Source(kind="torchvision", architecture="resnet18", arguments={"num_classes": 7})
    return {
        name: torch.from_numpy(value) for name, value in initial_weights(source, seed=0).items()
    }


def test_a_training_checkpoint_of_torchvision_is_found_in_its_nest(
    zoo, bring, resnet, tmp_path, picture
):
    state = {f"module.{name}": tensor for name, tensor in resnet.items()}
    path = tmp_path / "resnet18.pth"
    torch.save({"epoch": 3, "state_dict": state, "best": 0.5}, path)
    result = ok(bring(path, architecture="torchvision:resnet18"))
    assert (result["classes"], result["runs"]) == (7, "classifier")
    assert sum(scores(zoo, picture).values()) == pytest.approx(1, abs=1e-4)
    revision = fetch.get_revision(zoo, "m")
    assert {"resnet18.pth", CARD, CONFIG, GRAPH, WEIGHTS} <= {file.path for file in revision.files}
    checks = list(verify(zoo, revision))
    assert all(check.is_sound for check in checks), checks


def test_the_stored_weights_are_exported_for_torch(zoo, bring, resnet, tmp_path):
    path = tmp_path / "resnet18.safetensors"
    state = {name: tensor.numpy() for name, tensor in resnet.items()}
    path.write_bytes(b"".join(map(bytes, write_safetensors(state))))
    ok(bring(path, architecture="torchvision:resnet18"))
    (tmp_path / "out").mkdir()
    write_state_dict(zoo, fetch.get_revision(zoo, "m"), tmp_path / "out")
    found = torch.load(tmp_path / "out" / "model.pth", weights_only=True)
    assert found.keys() == state.keys()
    assert all(np.array_equal(found[name].numpy(), value) for name, value in state.items())


def test_weights_of_another_network_are_refused_with_a_table(bring, resnet, tmp_path):
    path = tmp_path / "resnet18.pth"
    torch.save(resnet, path)
    job = bring(path, architecture="torchvision:vgg11")
    assert job.state is JobState.FAILED
    assert job.error["error"]["code"] == WeightsMismatch.code
    assert "missing" in job.error["error"]["message"]


def test_weights_without_an_architecture_are_stored(zoo, bring, resnet, tmp_path):
    path = tmp_path / "resnet18.pth"
    torch.save(resnet, path)
    revision = bring(path)
    assert revision.summary["runs"] == "stored"
    assert "--arch" in revision.summary["reason"]
    weights = read_safetensors(fetch.get_file(zoo, revision, WEIGHTS)[1])
    assert set(weights) == set(resnet)


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_a_pickle_that_would_run_something_is_refused(bring, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(UnsafePickle, match="system"):
        bring(path)
    assert not (tmp_path / "executed").exists()


def test_a_graph_of_the_zoos_own_comes_back_as_it_went(zoo, bring, starter, tmp_path, picture):
    ok(bring(starter))
    before = scores(zoo, picture)
    graph = tmp_path / "lenet.onnx"
    shutil.copyfile(fetch.get_file(zoo, fetch.get_revision(zoo, "m"), GRAPH)[1], graph)
    assert ok(bring(graph))["runs"] == "classifier"
    after = scores(zoo, picture)
    assert after == pytest.approx(before, abs=1e-5)
    config = json.loads(fetch.get_file(zoo, fetch.get_revision(zoo, "m"), CONFIG)[1].read_bytes())
    assert config["zoo"]["source"]["kind"] == "onnx"
    assert config["zoo"]["preprocessing"]["channels"] == "GRAY"


def foreign_graph(path, *, odd=False):
    """Write a classifier as other programs do: float NCHW in, scores out."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    head = rng.standard_normal((5, 4)).astype(np.float32)
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Round" if odd else "Relu", ["c"], ["r"]),
        onnx.helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        onnx.helper.make_node("Flatten", ["g"], ["f"]),
        onnx.helper.make_node("Gemm", ["f", "h"], ["y"], transB=1),
    ]
    shapes = {"x": ["n", 3, SIDE, SIDE], "y": ["n", 5]}
    ends = {
        name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    constants = [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(head, "h")]
    graph = onnx.helper.make_graph(nodes, "net", [ends["x"]], [ends["y"]], constants)
    opset = onnx.helper.make_opsetid("", 18)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


@pytest.mark.parametrize("kind", ["onnx", "onnx-graph"])
def test_a_foreign_graph_predicts(zoo, bring, tmp_path, picture, kind):
    foreign_graph(tmp_path / "net.onnx", odd=kind == "onnx-graph")
    result = ok(bring(tmp_path / "net.onnx"))
    assert (result["classes"], result["runs"]) == (5, "classifier")
    assert "assumed" in result["preprocessing"]
    assert sum(scores(zoo, picture).values()) == pytest.approx(1, abs=1e-4)
    config = json.loads(fetch.get_file(zoo, fetch.get_revision(zoo, "m"), CONFIG)[1].read_bytes())
    assert config["zoo"]["source"]["kind"] == kind


UNKNOWN_LAYERS = """
input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }
layer { name: "odd" type: "Python" bottom: "conv" top: "odd" }
layer { name: "odder" type: "LSTM" bottom: "odd" top: "odder" }
"""


def test_a_network_with_unknown_layers_is_stored_and_all_are_named(zoo, bring, tmp_path):
    conv = Convolution(num_output=2, kernel=(1, 1), has_bias=False)
    layer = Layer(name="conv", bottoms=("data",), tops=("conv",), parameters=conv)
    net = Net(name="n", inputs=(Input(blob="data", shape=(1, 3, 8, 8)),), layers=(layer,))
    blobs = {"conv": (np.ones((2, 3, 1, 1), np.float32),)}
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "net.caffemodel").write_bytes(b"".join(map(bytes, write_caffemodel(net, blobs))))
    (folder / "deploy.prototxt").write_text(UNKNOWN_LAYERS)
    revision = bring(folder)
    for told in ("odd (Python", "odder (LSTM"):
        assert told in revision.summary["reason"]
    assert {"net.caffemodel", "deploy.prototxt", WEIGHTS, CARD} == {f.path for f in revision.files}

    checks = list(verify(zoo, revision))
    assert all(check.is_sound for check in checks)


@pytest.mark.data
@pytest.mark.parametrize(
    "package",
    [
        "cifar10_full_h5",
        "cifar10_full_v1",
        "lenet_mnist_v1",
        "mini_caffenet_synthetic",
        "mtcnn_pnet",
        "mtcnn_rnet",
        "simpnet_300k_cifar10",
        "squeezenet_v1.0",
    ],
)
def test_every_blob_of_a_published_package_is_what_another_program_computed(
    zoo, bring, shared_data, package
):
    folder = shared_data / "models" / package
    result = ok(bring(folder))
    assert result["runs"] == ("network" if package.startswith("mtcnn") else "classifier")
    reference = folder / "reference.npz"
    checks = list(verify(zoo, fetch.get_revision(zoo, "m"), reference=reference))
    assert all(check.is_sound for check in checks), checks
    named = {name for name in np.load(reference).files if name.startswith("blob:")}
    assert named <= {check.name for check in checks}
    assert {"torch = onnx", "opencv = ours"} <= {check.name for check in checks}


@pytest.mark.data
def test_a_wrong_order_of_channels_is_found_by_measuring(zoo, bring, shared_data):
    dataset = add_dataset(zoo, shared_data / "images" / "cifar10_mini")
    package = shared_data / "models" / "cifar10_full_v1"
    wrong = ok(bring(package, check=dataset.address, preprocessing={"channels": "BGR"}))
    assert wrong["accuracy"]["value"] < 0.7
    assert any("Import it again with --channels RGB." in note for note in wrong["notes"])
    right = ok(bring(package, check=dataset.address))
    assert right["accuracy"]["right"] == 467
    assert any("none is surely better" in note for note in right["notes"])


def test_a_blob_that_differs_from_the_reference_fails(zoo, bring, starter, tmp_path):
    ok(bring(starter))
    picture = np.zeros((1, 1, 28, 28), np.float32)
    np.savez(tmp_path / "wrong.npz", **{"input:data": picture, "blob:prob": np.ones((1, 5))})
    checks = list(verify(zoo, fetch.get_revision(zoo, "m"), reference=tmp_path / "wrong.npz"))
    assert [check.name for check in checks if not check.is_sound] == ["blob:prob"]


def test_numbers_that_are_none_fail(zoo, resnet, tmp_path, bring):
    broken = {name: tensor.clone() for name, tensor in resnet.items()}
    broken["fc.bias"][0] = float("nan")
    torch.save(broken, tmp_path / "broken.pth")
    revision = bring(tmp_path / "broken.pth")
    (failed,) = [check for check in verify(zoo, revision) if not check.is_sound]
    assert "fc.bias" in failed.found


@pytest.mark.data
@pytest.mark.parametrize(("package", "side"), [("lenet_mnist_v1", 28), ("cifar10_full_v1", 32)])
def test_weights_that_came_alone_tell_their_network_and_its_size(
    zoo, bring, shared_data, package, side
):
    folder = shared_data / "models" / package
    result = ok(bring(folder / "weights.caffemodel"))
    assert result["runs"] == "classifier"
    revision = fetch.get_revision(zoo, "m")
    assert revision.find_file("recovered.prototxt")
    config = json.loads(fetch.get_file(zoo, revision, CONFIG)[1].read_bytes())
    assert config["pretrained_cfg"]["input_size"][1:] == [side, side]
    reference = dict(np.load(folder / "reference.npz"))
    network = build_network(
        Recipe(source=Source(kind="caffe", path="recovered.prototxt")),
        fetch.local_files(zoo, revision),
    )
    load_weights(network, read_safetensors(fetch.get_file(zoo, revision, WEIGHTS)[1]))
    blobs = run_blobs(network, torch.from_numpy(reference["input:data"]))
    assert np.allclose(blobs["ip1"].numpy(), reference["blob:ip1"], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("stocked")
def test_what_was_exported_as_safetensors_comes_back_with_its_surgeries(
    zoo, zoo_cli, bring, tmp_path
):
    assert (
        zoo_cli("export", "lenet-digits", "--format", "safetensors", "-o", tmp_path / "out").code
        == 0
    )
    ok(bring(tmp_path / "out"))
    revision = fetch.get_revision(zoo, "m")
    config = json.loads(fetch.get_file(zoo, revision, CONFIG)[1].read_bytes())
    assert [surgery["kind"] for surgery in config["zoo"]["surgeries"]] == ["replace_head"]
    assert config["label_names"] == ["5", "6", "7", "8", "9"]
    assert all(check.is_sound for check in verify(zoo, revision))


def external_graph(folder, location="weights.data"):
    """Write a graph whose weights lie in another file."""
    folder.mkdir()
    foreign_graph(folder / "net.onnx")
    model = onnx.load(folder / "net.onnx")
    onnx.save(
        model,
        folder / "net.onnx",
        save_as_external_data=True,
        location="weights.data",
        size_threshold=0,
    )
    model = onnx.load(folder / "net.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    (folder / "net.onnx").write_bytes(model.SerializeToString())


def test_a_fine_tuned_graph_keeps_the_files_that_its_network_is_built_from(
    zoo, bring, digits, tmp_path
):
    external_graph(tmp_path / "net")
    ok(bring(tmp_path / "net"))
    dataset = add_dataset(zoo, digits)
    ok(work(zoo, enqueue_finetune(zoo, "m", dataset.address, name="tuned")))
    tuned = fetch.get_revision(zoo, "tuned")
    assert tuned.find_file("weights.data")
    assert all(check.is_sound for check in verify(zoo, tuned))


@pytest.mark.parametrize("location", ["../weights.data", "/etc/passwd", "a\\b"])
def test_weights_outside_the_revision_are_not_read(bring, tmp_path, location):
    external_graph(tmp_path / "net", location)
    with pytest.raises(MalformedCheckpoint):
        bring(tmp_path / "net")
