"""The libraries themselves, each imported when it is asked for: that takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from zoo.errors import Unsupported

DECLARED = torch.library.Library("torchvision", "FRAGMENT")  # gone when this is


@cache
def import_torchvision() -> Any:  # noqa: ANN401  # a module without types
    """Import torchvision.models, mended where its compiled part is made for another torch.

    The registry's file is built for CUDA. Beside a torch without it, its library does not load and
    the import dies of two operators that only detectors need; naming them is enough.
    """
    spec = find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    for library in Path(folders[0]).glob("_C.*") if folders else ():
        try:
            torch.ops.load_library(str(library))
        except OSError:
            for operator in {"nms", "qnms"} - set(dir(torch.ops.torchvision)):
                DECLARED.define(
                    f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
    with installed("torchvision"):
        from torchvision import models  # noqa: PLC0415  # it takes seconds
    return models


@cache
def import_timm() -> Any:  # noqa: ANN401  # a module without types
    """Import timm."""
    import_torchvision()  # timm imports it
    with installed("timm"):
        import timm  # noqa: PLC0415  # it takes seconds
    return timm


@cache
def import_transformers() -> Any:  # noqa: ANN401  # a module of lazy parts
    """Import transformers, and keep it from talking."""
    import_torchvision()  # transformers imports it where it is installed
    with installed("transformers"):
        import transformers  # noqa: PLC0415  # it takes seconds
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers


@contextmanager
def installed(library: str) -> Iterator[None]:
    """Say how to get a library that is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = "hub" if library == "transformers" else library
        raise Unsupported(
            f"The network is one of {library}, which is not installed.",
            hint=f"Install it: pip install 'zoo[{extra}]'",
            library=library,
        ) from error
