"""Reading .pth, .pt, .bin and .ckpt files: the tensors as views of the mapped file, nothing run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.domain.weights import Array, Weights
from zoo.errors import MalformedCheckpoint, UnknownFormat, ZooError
from zoo.formats.elements import (
    ELEMENTS,
    Element,
    conversion_notes,
    convert_when_asked,
    swapped,
)
from zoo.formats.mapped import can_be_shape, map_file, view_array
from zoo.formats.pytorch.allowed import as_octets
from zoo.formats.pytorch.archive import SIGNATURE, read_archive
from zoo.formats.pytorch.statedict import (
    StateDict,
    TensorValue,
    find_prefix,
    find_state_dict,
    tell_keys,
)
from zoo.formats.pytorch.storages import MAGIC, PICKLE, read_legacy, read_zipped
from zoo.formats.pytorch.values import NumpyArray, Tensor

HEAD_BYTES = 64
MAGIC_BYTES = MAGIC.to_bytes(10, "little")
TAR_MARK, TAR_MARK_AT = b"ustar", 257
TAR_MEMBERS = (b"sys_info", b"pickle", b"storages", b"tensors")  # of PyTorch before 0.1.10
OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x1f\x8b": "compressed with gzip",
    b"\x80": "a pickle, but not one that torch.save wrote",
}
INFLATION = 2  # bytes of weights for each byte of the file; tied layers are counted twice
SMALL = 2**20  # bytes that are always allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class PytorchFile:
    """What a checkpoint holds."""

    weights: Weights
    path: tuple[str, ...] = ()  # the keys under which the weights were found
    dropped: tuple[str, ...] = ()  # what else was there, and is not kept
    notes: tuple[str, ...] = ()  # all of it in sentences


def is_pytorch(path: Path) -> bool:
    """Tell by its signature whether a file is PyTorch's, readable or not."""
    with path.open("rb") as file:
        head = file.read(TAR_MARK_AT + len(TAR_MARK))
    if head.startswith(SIGNATURE):
        return PICKLE.encode() in head or _has_pickle(path)
    if head[TAR_MARK_AT:] == TAR_MARK:
        return head.partition(b"\0")[0] in TAR_MEMBERS
    return _is_legacy(head)


def read_pytorch(path: Path, *, name: str = "", keep_names: bool = False) -> PytorchFile:
    """Read the state dict of a checkpoint: the names and tensors, as views of the mapped file.

    It is found at the top or where trainers put it (``state_dict``, ``model``, ...), and what all
    its names begin with because of a wrapper (``module.``) is left off, unless ``keep_names``.
    ``name`` is what errors call the file, where it lies under another one.

    Raises:
        MalformedCheckpoint: the file is damaged, or built to cost more than its size.
        UnsafePickle: it is more than tensors and plain values, such as a whole model.
        UnknownFormat: it is something else, or its tensors are of a kind that is not read.
    """
    name = name or path.name
    octets = map_file(path, name=name)
    value = _read_value(octets, name)
    found = find_state_dict(value)
    if found is None:
        raise UnknownFormat(
            f"{name} holds no state dict, or several: {tell_keys(value)}.",
            hint="Save the one of the network alone: torch.save(model.state_dict(), ...).",
            file=name,
        )
    del value  # the state of an optimizer
    views = _view(octets, found.tensors, name)
    prefix = "" if keep_names else find_prefix(list(views))
    weights = convert_when_asked(
        {key.removeprefix(prefix): array for key, (array, _) in views.items()},
        {key.removeprefix(prefix): element for key, (_, element) in views.items()},
    )
    return PytorchFile(
        weights=weights,
        path=found.path,
        dropped=found.dropped,
        notes=(*_notes(found, prefix), *conversion_notes(weights)),
    )


def _read_value(octets: memoryview, name: str) -> object:
    head = bytes(octets[: TAR_MARK_AT + len(TAR_MARK)])
    if head.startswith(SIGNATURE):
        return read_zipped(octets, name=name)
    if _is_legacy(head):
        return read_legacy(octets, name=name)
    kind = next((kind for mark, kind in OTHERS.items() if head.startswith(mark)), "something else")
    if head[TAR_MARK_AT:] == TAR_MARK:
        kind = "a tar, the form of PyTorch before version 0.1.10 or an archive of files"
    raise UnknownFormat(
        f"{name} is no checkpoint of PyTorch's; it is {kind}.",
        hint="Load it with the program that wrote it, and save the state_dict with torch.save.",
        file=name,
        offset=0,
    )


def _is_legacy(head: bytes) -> bool:
    return head.startswith(b"\x80") and MAGIC_BYTES in head[:HEAD_BYTES]


def _has_pickle(path: Path) -> bool:
    try:
        members = read_archive(map_file(path), name=path.name)
    except ZooError:
        return False
    return any(member.endswith(PICKLE) for member in members)


def _view(
    octets: memoryview, tensors: Mapping[str, TensorValue], name: str
) -> dict[str, tuple[Array, Element]]:
    """View every tensor; what they hold together is bounded before anyone copies them."""
    views: dict[str, tuple[Array, Element]] = {}
    left = max(INFLATION * len(octets), SMALL)
    for key, tensor in tensors.items():
        if any("\ud800" <= letter <= "\udfff" for letter in key):
            raise _refuse(name, f"the name {key[:80]!a} is not Unicode")
        found = _view_tensor(octets, tensor) if isinstance(tensor, Tensor) else _view_numpy(tensor)
        if found is None:
            raise _refuse(name, f"the array {key[:80]!r} does not fill its shape")
        left -= found[0].nbytes
        if left < 0:
            raise _refuse(name, f"its tensors hold more than the file, as of {key[:80]!r}")
        views[key] = found
    return views


def _view_tensor(octets: memoryview, tensor: Tensor) -> tuple[Array, Element]:
    itemsize = tensor.element.size_bytes
    array = view_array(
        octets,
        dtype=np.dtype(tensor.element.dtype),
        start=tensor.storage.place() + tensor.offset * itemsize,
        shape=tensor.shape,
        strides=[
            stride * itemsize if dim > 1 else itemsize
            for stride, dim in zip(tensor.strides, tensor.shape, strict=True)
        ],
    )
    return array, tensor.element


def _view_numpy(array: NumpyArray) -> tuple[Array, Element] | None:
    dtype, content = array.dtype.find(), as_octets(array.content)
    if dtype is None or content is None or not can_be_shape(array.shape, dtype.itemsize):
        return None
    shape = tuple(dim for dim in array.shape if isinstance(dim, int))
    if np.prod(shape, dtype=object) * dtype.itemsize != len(content):
        return None
    element = ELEMENTS[dtype.name]
    if dtype.byteorder == ">":
        element = swapped(element)
    flat: Array = np.frombuffer(content, dtype)
    return flat.reshape(shape, order="F" if array.is_fortran else "C"), element


def _notes(found: StateDict, prefix: str) -> tuple[str, ...]:
    notes = []
    if found.path:
        notes.append(f"The weights were found under {'.'.join(found.path)!r}.")
    if found.beside:
        notes.append(f"Other tensors lie beside them, not read: {', '.join(found.beside)}.")
    if found.dropped:
        notes.append(f"Left out of the checkpoint: {', '.join(found.dropped)}.")
    if prefix:
        notes.append(f"Every name began with {prefix!r}, which was left off.")
    return tuple(notes)


def _refuse(name: str, reason: str) -> MalformedCheckpoint:
    return MalformedCheckpoint(f"{name} cannot be read: {reason}.", file=name)
