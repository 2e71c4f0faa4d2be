"""The tensors of a revision, one by one and in the order of its network, without that network."""

import re
from pathlib import Path

import numpy as np

from zoo.domain.config import LAYERS, WEIGHTS
from zoo.domain.filters import Tensor
from zoo.domain.revision import File, Revision
from zoo.domain.weights import Array
from zoo.errors import FileNotFound
from zoo.formats.elements import ConvertedWeights, Element
from zoo.formats.safetensors import read_safetensors
from zoo.operations.fetch import get_file
from zoo.operations.layers import find_layers
from zoo.operations.opening import Zoo

NUMBER = re.compile(r"([0-9]{1,18})")


def open_tensors(zoo: Zoo, revision: Revision) -> tuple[File, dict[str, Tensor]]:
    """Open a revision's weights: their file, and each tensor, of which nothing is read yet.

    They come in the order of the network where the revision tells of its layers, and by name where
    it does not.

    Raises:
        FileNotFound: it has no weights that are read.
        MalformedCheckpoint: they cannot be read.
    """
    if revision.find_file(WEIGHTS) is None:
        raise FileNotFound(
            f"{revision.address} has no {WEIGHTS}, so nothing is known of its filters.",
            hint="Import its checkpoint: zoo import PATH reads the weights of every known format.",
            path=WEIGHTS,
        )
    file, path = get_file(zoo, revision, WEIGHTS)
    tensors = open_weights(path)
    order: dict[str, int] = {}
    inventory = find_layers(zoo, revision) if revision.find_file(LAYERS) else None
    for row in inventory.rows if inventory else ():
        for name in row.tensors:
            order.setdefault(name, len(order))
    names = sorted(tensors, key=lambda name: (order.get(name, len(order)), _natural(name)))
    return file, {name: tensors[name] for name in names}


def _natural(name: str) -> list[str | int]:
    """Make a key that puts ``conv10`` behind ``conv9``."""
    return [int(part) if NUMBER.fullmatch(part) else part for part in NUMBER.split(name)]


def open_weights(path: Path) -> dict[str, Tensor]:
    """Open a file of weights: each tensor, of which nothing is read yet.

    Raises:
        MalformedCheckpoint: it cannot be read.
    """
    weights = read_safetensors(path, name=WEIGHTS)
    if isinstance(weights, ConvertedWeights):
        return {
            name: _open_tensor(name, stored, weights.elements.get(name))
            for name, stored in weights.stored.items()
        }
    return {name: _open_tensor(name, stored) for name, stored in weights.items()}


def _open_tensor(name: str, stored: Array, element: Element | None = None) -> Tensor:
    """Open a tensor; ``element`` is its type where numpy lacks it."""
    flat: Array = stored.reshape(-1)
    shape = stored.shape
    if np.iscomplexobj(stored):  # pairs of real numbers, compared like others
        flat, shape = flat.view(np.float32), (*shape, 2)
    return Tensor(
        name=name,
        kind=element.name if element else stored.dtype.name,
        shape=shape,
        stored=flat,
        convert=element.convert if element else None,
        is_float=element is not None or np.issubdtype(stored.dtype, np.floating),
    )
