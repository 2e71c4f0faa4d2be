"""Which architectures a library builds by name; anything else is refused."""

import difflib
from collections.abc import Callable, Mapping

from zoo.errors import Unsupported
from zoo.networks.vision.libraries import import_timm, import_torchvision

NEAR = 5  # names that an error tells


def list_architectures(kind: str) -> list[str]:
    """Name the architectures that a library builds: torchvision's or timm's.

    Raises:
        Unsupported: the library is not installed, or builds none by name.
    """
    if kind not in LISTS:
        raise Unsupported(
            f"Architectures by name come from {' and '.join(LISTS)}, not from {kind!r}.",
            hint=f"Say for example {next(iter(LISTS))}:resnet18.",
            kind=kind,
        )
    return LISTS[kind]()


def check_name(kind: str, architecture: str) -> None:
    """Refuse what is no architecture of the library: names alone, never addresses or paths."""
    known = list_architectures(kind)
    plain = architecture.partition(".")[0] if kind == "timm" else architecture
    is_known = plain in known
    if is_known and kind == "timm" and plain != architecture:
        is_known = bool(import_timm().is_model_pretrained(architecture))
        known = import_timm().list_models(f"{plain}.*", pretrained=True)
    if not is_known:
        near = difflib.get_close_matches(architecture, known, NEAR, cutoff=0.5)
        raise Unsupported(
            f"{kind} has no architecture {architecture!r}"
            + (f"; near it: {', '.join(near)}." if near else "."),
            hint=f"All names: python -c 'import {kind}; print({NAMES[kind]})'",
            kind=kind,
            architecture=architecture,
            near=near,
        )


def _list_torchvision() -> list[str]:
    models = import_torchvision()
    return sorted(models.list_models(module=models))


def _list_timm() -> list[str]:
    return sorted(import_timm().list_models())


LISTS: Mapping[str, Callable[[], list[str]]] = {
    "torchvision": _list_torchvision,
    "timm": _list_timm,
}
NAMES = {"torchvision": "torchvision.models.list_models()", "timm": "timm.list_models()"}
