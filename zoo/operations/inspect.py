"""Looking at what a zoo stands on."""

import platform
import shutil
import sqlite3
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from zoo.catalog.database import SCHEMA
from zoo.errors import ZooError
from zoo.operations.opening import Zoo
from zoo.operations.patrol import get_patrol
from zoo.serving.predictor import CUDA, NVIDIA_DRIVER

SHOWN = (
    "zoo",
    "torch",
    "numpy",
    "onnx",
    "scikit-learn",
    "sqlalchemy",
    "flask",
    "pillow",
    "cykooz-resizer",
)
LITTLE_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing the zoo stands on, and whether it is sound."""

    name: str
    value: str
    is_sound: bool = True
    hint: str = ""


def examine(zoo: Zoo) -> list[Finding]:
    """Look at versions, devices, providers, database and disk."""
    return [
        Finding(name="python", value=platform.python_version()),
        *(Finding(name=name, value=version(name)) for name in SHOWN),
        _onnxruntime(),
        _provider(),
        _device(zoo),
        _catalog(zoo),
        _home(zoo),
        _store(zoo),
        _scrub(zoo),
        *(
            Finding(name=f"setting {name}", value=str(value))
            for name, value in zoo.settings
            if name.startswith(("max_", "served_", "worker_", "web_", "lease_"))
        ),
    ]


def _onnxruntime() -> Finding:
    """Find both builds installed: they share one folder, and the last one written wins."""
    found = {name: _version(name) for name in ("onnxruntime-gpu", "onnxruntime")}
    installed = [f"{name} {number}" for name, number in found.items() if number]
    is_sound = len(installed) == 1
    return Finding(
        name="onnxruntime",
        value=", ".join(installed) or "not installed",
        is_sound=is_sound,
        hint=""
        if is_sound
        else "Keep one of the two: pip uninstall onnxruntime, then reinstall onnxruntime-gpu.",
    )


def _provider() -> Finding:
    """Say which providers a session really gets: the library lists CUDA on every machine."""
    from onnxruntime import get_ep_devices  # slow to import

    real = sorted({device.ep_name for device in get_ep_devices()})
    return Finding(name="providers", value=", ".join(real))


def _device(zoo: Zoo) -> Finding:
    has_driver = NVIDIA_DRIVER.exists()
    wants_cuda = zoo.settings.device == "cuda"
    return Finding(
        name="device",
        value=f"{zoo.settings.device}; NVIDIA driver: {'yes' if has_driver else 'none'}",
        is_sound=has_driver or not wants_cuda,
        hint="" if has_driver or not wants_cuda else f"{CUDA} needs an NVIDIA driver.",
    )


def _scrub(zoo: Zoo) -> Finding:
    """Say how far the reading of all bytes is, and what it found damaged."""
    state = get_patrol(zoo)
    if zoo.settings.scrub_days == 0:
        told = "off"
    elif state.finished_at is None:
        told = "no whole round yet"
    else:
        told = f"every byte read by {state.finished_at[:16]}"
    if state.started_at is not None:
        told += f"; {state.read_bytes} bytes read in this round"
    return Finding(
        name="scrub",
        value=told + (f"; damaged or missing: {', '.join(state.faults)}" if state.faults else ""),
        is_sound=not state.faults,
        hint="Put the bytes back: zoo repair PATH..., or send them again." if state.faults else "",
    )


def _catalog(zoo: Zoo) -> Finding:
    schema = zoo.catalog.find_schema()
    with zoo.catalog.reading() as db:
        name = db.get_bind().dialect.name
    engine = f"SQLite {sqlite3.sqlite_version}" if name == "sqlite" else name
    return Finding(
        name="catalog",
        value=f"{zoo.catalog.shown_url} ({engine}, schema {schema})",
        is_sound=schema == SCHEMA,
        hint="" if schema == SCHEMA else "Run: zoo db upgrade",
    )


def _store(zoo: Zoo) -> Finding:
    try:
        zoo.blobs.check()
    except ZooError as error:
        return Finding(name="store", value=str(error), is_sound=False, hint=error.hint)
    return Finding(name="store", value=zoo.blobs.place)


def _home(zoo: Zoo) -> Finding:
    home = zoo.settings.home
    free = shutil.disk_usage(home).free
    return Finding(
        name="home",
        value=f"{home} ({free / 1e9:.1f} GB free)",
        is_sound=free > LITTLE_BYTES,
        hint="" if free > LITTLE_BYTES else "Less than 1 GiB is left: free some space.",
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
