"""The engine that the settings name."""

from zoo.operations.opening import Zoo
from zoo.worker.engine import Engine
from zoo.worker.local import LocalEngine
from zoo.worker.ray import RayEngine


def open_engine(zoo: Zoo, *, is_alone: bool = False) -> Engine:
    """Give the engine of a zoo; ``is_alone`` where this process is there for one job alone.

    Raises:
        BadSetting: it cannot be used.
    """
    if zoo.settings.engine == "ray":
        return RayEngine(zoo=zoo)
    return LocalEngine(zoo=zoo, is_alone=is_alone)
