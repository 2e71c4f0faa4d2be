"""A checkpoint that nothing here can run is kept all the same, and says why."""

import shutil

import pytest


@pytest.fixture
def package(starter, tmp_path):
    """A package with layers of a kind that nobody knows."""
    folder = tmp_path / "package"
    shutil.copytree(starter, folder)
    prototxt = folder / "deploy.prototxt"
    prototxt.write_text(prototxt.read_text().replace('"ReLU"', '"Warp"'))
    return folder


def test_layers_beyond_the_zoo_are_named_and_the_checkpoint_is_kept(zoo_command, package, digits):
    ran = zoo_command.ok("import", package, "--name", "x")
    assert ran.out.startswith("stored x, not runnable")
    assert "relu1" in ran.err
    assert "Warp" in ran.err
    shown = zoo_command.ok("show", "x").out
    assert "relu1" in shown
    assert zoo_command.read_file("x", "lenet_digits.caffemodel")
    zoo_command.ok("export", "x", "--format", "torch", "-o", package / "out")
    assert (package / "out" / "model.pth").exists()
    assert "Warp" in zoo_command("predict", "x", package / "deploy.prototxt").told
    assert "x@" in zoo_command("finetune", "x", digits).told
    zoo_command.ok("verify", "x")
