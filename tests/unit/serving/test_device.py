"""Asked for CUDA, a server begins on CUDA or not at all, and says what is missing."""

import pytest

from zoo.errors import Unsupported
from zoo.serving import device
from zoo.serving.predictor import CPU, CUDA


class Session:
    def __init__(self, provider):
        self.provider = provider

    def get_providers(self):
        return [self.provider, CPU]


@pytest.mark.parametrize("asked", ["cpu", "auto"])
def test_nothing_is_tried_where_cuda_was_not_asked_for(asked, monkeypatch):
    monkeypatch.setattr(device, "open_bare", None)
    device.check_device(asked)


def test_cuda_that_comes_up_is_taken(monkeypatch):
    monkeypatch.setattr(device, "open_bare", lambda *_: Session(CUDA))
    device.check_device("cuda")


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(device, "open_bare", lambda *_: Session(CPU))
    monkeypatch.setattr(device, "NVIDIA_DRIVER", tmp_path / "no driver")
    monkeypatch.setattr(device, "LIBRARIES", ("libzoo-is-not-there.so.1", "libc.so.6"))
    with pytest.raises(Unsupported, match="CPUExecutionProvider") as refused:
        device.check_device("cuda")
    missing = refused.value.detail["missing"]
    assert "the NVIDIA driver" in missing
    assert "libzoo-is-not-there.so.1" in missing
    assert "libc.so.6" not in missing
    assert "ZOO_DEVICE=cpu" in refused.value.hint


def test_the_smallest_graph_is_one():
    from zoo.serving.predictor import Opening, open_bare  # noqa: PLC0415

    assert open_bare(device.IDENTITY, Opening(device="cpu")).get_providers() == [CPU]
