"""Models of a Hub, from its cache: no network is asked."""

import json

import pytest

from zoo.domain.recipe import Source
from zoo.formats.safetensors import write_safetensors
from zoo.networks.vision import initial_weights
from zoo.networks.vision.libraries import import_transformers

COMMIT = "a" * 40


@pytest.fixture
def hub(tmp_path):
    """A function that gives the folder of a repository in the Hub's cache."""

    def make(repository):
        base = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        snapshot = base / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (base / "refs").mkdir()
        (base / "refs" / "main").write_text(COMMIT)
        return snapshot

    return make


@pytest.fixture
def offline(tmp_path):
    return {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}


def test_a_timm_model_comes_with_its_labels_and_its_preprocessing(zoo_command, hub, offline):
    folder = hub("lab/tiny")
    source = Source(kind="timm", architecture="test_resnet", arguments={"num_classes": 3})
    weights = initial_weights(source, seed=0)
    (folder / "model.safetensors").write_bytes(b"".join(write_safetensors(weights)))
    cfg = {
        "input_size": [3, 96, 96],
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "crop_pct": 0.75,
        "interpolation": "bicubic",
    }
    config = {
        "architecture": "test_resnet",
        "num_classes": 3,
        "label_names": ["ant", "bee", "cat"],
        "pretrained_cfg": cfg,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text("---\nlicense: mit\n---\nTop-1 accuracy 50%.")

    zoo_command.ok("import", "hub:lab/tiny@main", env=offline)

    stored = json.loads(zoo_command.read_file("tiny", "config.json"))
    assert stored["label_names"] == ["ant", "bee", "cat"]
    for name, value in cfg.items():
        told = stored["pretrained_cfg"][name]
        assert told == value if name == "interpolation" else told == pytest.approx(value)
    assert "license: mit" in zoo_command.read_file("tiny", "README.md").decode()
    checks = zoo_command.ok("verify", "tiny", "--json").json["checks"]
    assert "torch = onnx" in {check["name"] for check in checks}


def test_a_transformers_model_comes_with_its_labels(zoo_command, hub, offline):
    folder = hub("lab/faces")
    transformers = import_transformers()  # Where its import of torchvision is mended.
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        num_labels=2,
        id2label={0: "no face", 1: "face"},
    )
    transformers.ResNetForImageClassification(config).save_pretrained(folder)
    preprocessor = {
        "do_normalize": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "size": {"shortest_edge": 64},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))

    zoo_command.ok("import", "hub:lab/faces", env=offline)

    stored = json.loads(zoo_command.read_file("faces", "config.json"))
    assert stored["label_names"] == ["no face", "face"]
    assert stored["pretrained_cfg"]["mean"] == pytest.approx([0.5, 0.5, 0.5])
    zoo_command.ok("verify", "faces")


def test_a_repository_that_is_not_there_is_told(zoo_command, offline):
    ran = zoo_command("import", "hub:lab/nothing", env=offline)
    assert ran.code == 3
    assert "lab/nothing" in ran.told
