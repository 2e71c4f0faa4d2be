"""Real packages and networks of libraries, dense: against references, and through another zoo."""

import numpy as np
import pytest

from zoo.domain.config import WEIGHTS
from zoo.domain.recipe import Source
from zoo.domain.surgery import Pads
from zoo.formats.safetensors import write_safetensors
from zoo.networks.vision import initial_weights
from zoo.worker.verify import verify

PACKAGES = {
    "cifar10_full_v1": "floor((N - 32) / 8) + 1",
    "lenet_mnist_v1": "floor((N - 25) / 4) + 1",
    "mini_caffenet_synthetic": "floor((N - 199) / 32) + 1",
    "squeezenet_v1.0": "floor((N - 213) / 16) + 1",
}
WITH_REFERENCE = sorted(PACKAGES.keys() - {"squeezenet_v1.0"})


@pytest.mark.data
@pytest.mark.parametrize("package", PACKAGES)
def test_a_real_package_is_dense_with_a_certificate(surgeon, shared_data, package):
    surgeon.bring("m", shared_data / "models" / package)
    revision = surgeon.dense("m")
    told = surgeon.told(revision)
    assert told["geometry"]["height"]["formula"] == PACKAGES[package]
    certificate = told["certificate"]
    native = certificate["native"]["agreement"]
    assert native["max_rel_difference"] <= 1e-5
    assert native["top1_equal"] == native["rows"] == 6
    assert len(certificate["sizes"]["sizes_px"]) == 8
    assert certificate["sizes"]["parity"]["max_rel_difference"] <= 1e-4
    (crops,) = certificate["crops"]
    assert crops["is_exact"] == (package == "lenet_mnist_v1")  # which alone pads nothing
    assert (certificate["mean"] is not None) == (package == "cifar10_full_v1")
    assert not surgeon.unsound(revision)


@pytest.mark.data
@pytest.mark.parametrize("package", WITH_REFERENCE)
def test_its_map_is_what_another_program_computed(surgeon, shared_data, package):
    folder = shared_data / "models" / package
    surgeon.bring("m", folder)
    checks = list(verify(surgeon.zoo, surgeon.dense("m"), reference=folder / "fullconv.npz"))
    assert "blob:prob" in {check.name for check in checks}
    assert all(check.is_sound for check in checks), checks


@pytest.mark.data
def test_without_padding_a_real_network_is_itself_on_every_window(surgeon, shared_data):
    surgeon.bring("m", shared_data / "models" / "mini_caffenet_synthetic")
    revision = surgeon.dense("m", pads=Pads.REMOVE, sizes_px=((451, 420),))
    certificate = surgeon.told(revision)["certificate"]
    assert certificate["windows"]["agreement"]["rows"] == 2 * np.prod(
        certificate["crops"][0]["map_size"]
    )
    assert certificate["windows"]["agreement"]["max_rel_difference"] <= 1e-5


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        ("torchvision", "squeezenet1_1"),
        ("torchvision", "mobilenet_v3_small"),
        ("timm", "resnet10t"),
    ],
)
def test_a_librarys_network_goes_through_another_zoo(
    surgeon, zoo_cli, tmp_path, kind, architecture
):
    source = Source(kind=kind, architecture=architecture, arguments={"num_classes": 7})
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"".join(map(bytes, write_safetensors(initial_weights(source, seed=0)))))
    surgeon.bring("m", path, architecture=f"{kind}:{architecture}")
    revision = surgeon.dense("m")
    folder = tmp_path / "exported"
    assert zoo_cli("export", "m-dense", "--format", "safetensors", "-o", folder).code == 0
    again = surgeon.bring("again", folder)
    assert surgeon.told(again)["geometry"] == surgeon.told(revision)["geometry"]
    assert surgeon.path(again, WEIGHTS).read_bytes() == surgeon.path(revision, WEIGHTS).read_bytes()
    assert not surgeon.unsound(again)
