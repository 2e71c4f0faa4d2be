"""What is written for other servers: Triton's model repository, and a graph that resizes."""

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("stocked")

MODEL = "lenet-digits"


def test_a_model_is_written_into_a_repository_that_holds_others(zoo_cli, home, tmp_path):
    repository = tmp_path / "triton"
    (repository / "other").mkdir(parents=True)
    ran = zoo_cli("triton-export", MODEL, "-o", repository, "--max-batch", 4)
    assert ran.code == 0, ran.err
    folder = repository / MODEL
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"1/model.onnx", "config.pbtxt", "labels.txt"}
    assert ran.out.splitlines() == sorted(str(folder / name) for name in files)
    with open_zoo(read_settings(home=home)) as zoo:
        _, graph = get_file(zoo, get_revision(zoo, MODEL), "model.onnx")
        assert (folder / "1" / "model.onnx").read_bytes() == graph.read_bytes()
    assert (folder / "labels.txt").read_text().split() == ["5", "6", "7", "8", "9"]
    config = (folder / "config.pbtxt").read_text()
    assert f'name: "{MODEL}"\n' in config
    assert "max_batch_size: 4\n" in config
    assert sorted(path.name for path in repository.iterdir()) == [MODEL, "other"]


def test_nothing_of_a_repository_is_overwritten(zoo_cli, tmp_path):
    assert zoo_cli("triton-export", MODEL, "-o", tmp_path).code == 0
    (tmp_path / MODEL / "config.pbtxt").write_text("mine")
    again = zoo_cli("triton-export", MODEL, "-o", tmp_path)
    assert again.code == 1
    assert "exists already" in again.err
    assert (tmp_path / MODEL / "config.pbtxt").read_text() == "mine"
    assert zoo_cli("triton-export", MODEL, "-o", tmp_path, "--name", "second").code == 0


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("nothing", "-o", "x"), 3, "no model 'nothing'"),
        ((MODEL, "-o", "x", "--name", "../up"), 1, "'../up'"),
        ((MODEL, "-o", "x", "--max-batch", "0"), 2, "max-batch"),
        ((MODEL,), 2, "--output"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(zoo_cli, in_folder, arguments, code, told):
    ran = zoo_cli("triton-export", *arguments)
    assert ran.code == code
    assert told in ran.err
    assert not (in_folder / "x").exists()


def test_a_graph_that_resizes_says_what_predict_says(zoo_cli, tmp_path, picture):
    folder = tmp_path / "out"
    ran = zoo_cli("export", MODEL, "--with-resize", "-o", folder)
    assert ran.code == 0, ran.err
    graph = folder / "model.onnx"
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    larger = tmp_path / "larger.png"
    Image.open(picture).convert("RGB").resize((90, 70), Image.Resampling.BICUBIC).save(larger)
    pixels = np.array(Image.open(larger))
    ((found,),) = session.run(["probabilities"], {"picture": pixels})
    said = zoo_cli("predict", MODEL, larger, "--json").json[0]["scores"]
    assert max(abs(found[one["index"]] - one["probability"]) for one in said) < 0.02
    assert int(found.argmax()) == said[0]["index"]


def test_only_a_graph_can_resize(zoo_cli, tmp_path):
    ran = zoo_cli("export", MODEL, "--with-resize", "--format", "safetensors", "-o", tmp_path / "x")
    assert ran.code == 2
    assert "--with-resize" in ran.err
    assert not (tmp_path / "x").exists()
