"""`zoo codes`: the codes of a dataset as a file."""

import numpy as np
import pytest

from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("stocked")


def test_a_file_has_the_codes_and_what_the_pictures_are(zoo_cli, tmp_path):
    ran = zoo_cli("codes", "lenet", "digits", "-o", tmp_path / "new" / "codes.npz")
    assert ran.code == 0, ran.err
    assert ran.out.split() == ["LAYER", "CODES", "codes", "64"]
    with np.load(tmp_path / "new" / "codes.npz") as file:
        assert file["codes"].shape == (50, 64)
        assert file["codes"].min() >= 0  # after the ReLU
        assert file["classes"].tolist() == ["5", "6", "7", "8", "9"]
        assert np.bincount(file["labels"]).tolist() == [10] * 5
        assert set(file["splits"].tolist()) == {"train", "val"}
        assert len(set(file["digests"].tolist())) == len(set(file["paths"].tolist())) == 50


def test_layers_along_the_depth_and_one_split(zoo_cli, tmp_path):
    ran = zoo_cli("codes", "lenet", "digits", "--all", "--split", "val", "-o", tmp_path / "all.npz")
    assert ran.code == 0, ran.err
    layers = [line.split()[0] for line in ran.out.splitlines()[1:]]
    assert layers[-1] == "codes"
    with np.load(tmp_path / "all.npz") as file:
        assert set(layers) < set(file)
        assert {len(file[layer]) for layer in layers} == {10}
        one = file[layers[0]]
    ran = zoo_cli("codes", "lenet", "digits", "--layer", layers[0], "-o", tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as file:
        assert (file["codes"][file["splits"] == "val"] == one).all()


def test_codes_are_computed_once_and_the_cache_is_bounded(zoo_cli, tmp_path, home, monkeypatch):
    ran = zoo_cli("codes", "lenet", "digits", "-o", tmp_path / "a.npz")
    assert "codes: pictures" not in ran.err  # the fine-tune had computed them
    monkeypatch.setenv("ZOO_CACHE_BYTES", "0")
    zoo_cli("codes", "lenet", "digits", "-o", tmp_path / "b.npz")
    with open_zoo(read_settings(home=home)) as zoo:
        assert not list(zoo.codes_folder.rglob("*.npz"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_bad_input_is_told_and_nothing_is_written(zoo_cli, tmp_path):
    goal = tmp_path / "codes.npz"
    ran = zoo_cli("codes", "lenet", "digits", "--layer", "conv9", "-o", goal)
    assert "conv9" in ran.err
    assert ran.code == 3
    ran = zoo_cli("codes", "lenet", "digits", "--split", "test", "-o", goal)
    assert "no pictures of these splits" in ran.err
    assert zoo_cli("codes", "lenet", "digits", "--all", "--layer", "x", "-o", goal).code == 2
    assert list(tmp_path.glob("*.npz")) == []
    goal.write_bytes(b"mine")
    ran = zoo_cli("codes", "lenet", "digits", "-o", goal)
    assert "exists already" in ran.err
    assert goal.read_bytes() == b"mine"
