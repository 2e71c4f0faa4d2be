"""What `zoo doctor` shows: where the zoo stands and what is unsound."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from zoo.catalog.database import SCHEMA
from zoo.operations import inspect
from zoo.operations.inspect import examine


@pytest.fixture
def found(zoo):
    """Everything that is found, by name."""
    return lambda **settings: {
        finding.name: finding
        for finding in examine(replace(zoo, settings=zoo.settings.model_copy(update=settings)))
    }


def test_versions_and_limits_are_shown(zoo, found):
    shown = found()
    assert {"python", "zoo", "numpy", "providers"} <= set(shown)
    assert shown["setting max_picture_pixels"].value == str(zoo.settings.max_picture_pixels)
    assert "CPUExecutionProvider" in shown["providers"].value


def test_the_catalog_is_shown_with_its_schema(found):
    finding = found()["catalog"]
    assert finding.is_sound
    assert "zoo.db" in finding.value
    assert f"schema {SCHEMA}" in finding.value
    assert "SQLite" in finding.value


def test_another_schema_is_unsound(zoo, found):
    with zoo.catalog.writing() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    finding = found()["catalog"]
    assert not finding.is_sound
    assert "zoo db upgrade" in finding.hint


@pytest.mark.parametrize(
    ("installed", "is_sound"),
    [
        ({"onnxruntime": "1.28"}, True),
        ({"onnxruntime-gpu": "1.28"}, True),
        ({"onnxruntime": "1.28", "onnxruntime-gpu": "1.28"}, False),
        ({}, False),
    ],
)
def test_one_build_of_onnx_runtime_is_sound(monkeypatch, installed, is_sound):
    monkeypatch.setattr(inspect, "_version", installed.get)
    finding = inspect._onnxruntime()
    assert finding.is_sound is is_sound
    assert bool(finding.hint) is not is_sound
    assert all(name in finding.value for name in installed)


def test_what_is_not_installed_has_no_version():
    assert inspect._version("no-such-package-anywhere") is None


@pytest.mark.parametrize(
    ("device", "driver", "is_sound"),
    [("auto", "none", True), ("cpu", "none", True), ("cuda", "none", False), ("cuda", ".", True)],
)
def test_cuda_without_a_driver_is_unsound(monkeypatch, found, device, driver, is_sound):
    monkeypatch.setattr(inspect, "NVIDIA_DRIVER", Path(driver))
    assert found(device=device)["device"].is_sound is is_sound


@pytest.mark.parametrize(("little", "is_sound"), [(0, True), (2**80, False)])
def test_a_disk_that_is_nearly_full_is_unsound(monkeypatch, found, little, is_sound):
    monkeypatch.setattr(inspect, "LITTLE_BYTES", little)
    assert found()["home"].is_sound is is_sound
