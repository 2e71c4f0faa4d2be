"""A model that is written out as a Caffe package and imported again predicts the same."""

import shutil

import pytest


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("tuned", [False, True], ids=["imported", "fine-tuned"])
def test_a_model_written_as_caffe_and_imported_again_predicts_the_same(
    zoo_command, digits, tmp_path, tuned
):
    model = "lenet"
    if tuned:
        zoo_command.ok("finetune", "lenet", "digits", "--name", "mine")
        model = "mine"
    folder = tmp_path / "again"
    written = zoo_command.ok("export", model, "--format", "caffe", "-o", folder)
    assert {path.name for path in folder.iterdir()} == {
        "deploy.prototxt",
        "readme.md",
        "weights.caffemodel",
    }
    assert len(written.out.splitlines()) == 3
    zoo_command.ok("import", folder, "--name", "again")
    pictures = sorted(digits.glob("*/*"))
    before, after = (
        zoo_command.ok("predict", name, "--json", *pictures).json for name in (model, "again")
    )
    assert len(before) == len(after) == len(pictures)
    for one, other in zip(before, after, strict=True):
        assert [score["label"] for score in one["scores"]] == [
            score["label"] for score in other["scores"]
        ]
        for mine, its in zip(one["scores"], other["scores"], strict=True):
            assert mine["probability"] == pytest.approx(its["probability"], abs=1e-6)


@pytest.mark.usefixtures("imported")
def test_a_graph_that_was_written_out_can_be_uploaded_and_predicts(
    zoo_command, serve, digits, tmp_path
):
    zoo_command.ok("export", "lenet", "-o", tmp_path / "graph")
    graph = (tmp_path / "graph" / "model.onnx").read_bytes()
    shutil.rmtree(tmp_path / "graph")
    picture = min((digits / "5").iterdir()).read_bytes()
    with serve() as server:
        status, answer = server.upload("graph", {"model.onnx": graph})
        assert (status, answer["job"]) == (201, None)
        scores = [
            server.ask(f"/v1/models/{name}/predict", picture, content_type="image/png")[1]
            for name in ("lenet", "graph")
        ]
    first, second = (one["predictions"][0]["scores"] for one in scores)
    assert first == second
