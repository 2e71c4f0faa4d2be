"""Names that modules and files of weights can have, made of the names in a graph."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from zoo.formats.module_names import as_module_name
from zoo.formats.onnx.model import Node, Tensor

Anything = TypeVar("Anything")

ENDINGS = (".weight", ".value")
OURS = "network/"  # what nodes that the zoo wrote begin with
LONGEST = 200  # letters


def name_layer(node: Node, weights: Iterable[Tensor]) -> str:
    """Name a node's module: as its weights say, as the node is called, or by what it is.

    Of a tensor ``layer1.0.conv1.weight`` the name is ``layer1.0.conv1``, as in the network that the
    graph was written from; the parts of other names are put together.
    """
    for tensor in weights:
        for ending in ENDINGS:
            if tensor.name.endswith(ending) and len(tensor.name) > len(ending):
                return _plain(tensor.name.removesuffix(ending), keep_dots=True)
    path = node.name.removeprefix(OURS).strip("/").removesuffix(f"/{node.op_type}")
    return _plain(path or f"{node.op_type}_{next(iter(node.outputs), '')}", keep_dots=False)


def _plain(name: str, *, keep_dots: bool) -> str:
    text = re.sub(r"[^A-Za-z0-9_.:/-]+", "_", name)[-LONGEST:]
    parts = [part for part in text.split(".") if part] or ["layer"]
    if not keep_dots:
        parts = ["_".join(parts)]
    return ".".join(f"{part}:" if _is_private(part) else as_module_name(part) for part in parts)


def _is_private(part: str) -> bool:
    """Tell whether this may be a part of torch's own: those all begin with an underscore."""
    return part.startswith("_") and part.isidentifier()


def undo_nesting(names: Mapping[str, Anything]) -> dict[str, str]:
    """Give each name, with its dots replaced where a part of it is the name of another module."""
    return {name: name.replace(".", "/") if _has_parent(name, names) else name for name in names}


def _has_parent(name: str, names: Mapping[str, Anything]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:end]) in names for end in range(1, len(parts)))


def tell_apart(named: Mapping[str, Anything]) -> dict[str, Anything]:
    """Give every value a printable name of its own."""
    found: dict[str, Anything] = {}
    for name, value in named.items():
        plain = "".join(letter if letter.isprintable() else "_" for letter in name) or "tensor"
        found[make_unique(plain, found)] = value
    return found


def make_unique(name: str, taken: Mapping[str, Anything]) -> str:
    """Give the name, or the name with the first number that makes it another."""
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
