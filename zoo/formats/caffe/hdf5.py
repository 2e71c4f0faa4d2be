"""Reading Caffe's HDF5 snapshots: ``data/<layer>/<0|1|...>``, one dataset a blob.

HDF5 can point into other files, name filters that are libraries to be loaded, and announce sizes it
does not hold; none of this is followed.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from zoo.domain.weights import Array
from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.caffe.net import Blobs

DEEPEST = 8  # groups; a layer's name with a slash makes one more
INFLATION = 2  # bytes that datasets may announce for each byte of their file
MOST_MEMBERS = 2**15  # of all groups together; each costs HDF5 a tenth of a millisecond
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def read_hdf5_blobs(path: Path, *, name: str) -> Blobs:
    """Read every layer's blobs, in the shapes and precision the file states.

    ``name`` is what errors call the file.

    Raises:
        MalformedCheckpoint: the file is damaged, or is HDF5 but no snapshot of Caffe's.
    """
    try:
        with h5py.File(path, "r") as file:
            _refuse_solver_state(file, name)
            blobs = dict(_Snapshot(file, name, path.stat().st_size).layers())
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise MalformedCheckpoint(f"{name} cannot be read as HDF5: {error}", file=name) from error
    if not blobs:
        raise _refuse(name, "it has no group data/<layer> with weights")
    return blobs


def _refuse_solver_state(file: h5py.File, name: str) -> None:
    if _is_within(file, "history") and _is_within(file, "iter"):
        raise UnknownFormat(
            f"{name} is the state of a solver, not weights.",
            hint="Take the .caffemodel.h5 that was written with it: its name has the same number.",
            file=name,
        )


class _Snapshot:
    """One open snapshot and what has been seen of it."""

    def __init__(self, file: h5py.File, name: str, size_bytes: int) -> None:
        self.name = name
        self.left_bytes = size_bytes * INFLATION
        self.left_members = MOST_MEMBERS
        self.data = file.get("data") if _is_within(file, "data") else None
        self.seen: set[int] = set()

    def layers(self) -> Iterator[tuple[str, tuple[Array, ...]]]:
        if isinstance(self.data, h5py.Group):
            yield from self._layers(self.data, ())

    def _layers(
        self, group: h5py.Group, names: tuple[str, ...]
    ) -> Iterator[tuple[str, tuple[Array, ...]]]:
        """Go through a group and those inside it: names with a slash are groups in groups."""
        address = h5py.h5o.get_info(group.id).addr
        if address in self.seen or len(names) > DEEPEST:
            raise _refuse(self.name, f"its groups repeat or nest too deep at {'/'.join(names)!r}")
        self.seen.add(address)
        self.left_members -= len(group)
        if self.left_members < 0:
            raise _refuse(self.name, f"it has more than {MOST_MEMBERS} groups and blobs")
        members = {key: group[key] for key in group if _is_within(group, key)}
        blobs = [value for value in members.values() if isinstance(value, h5py.Dataset)]
        if names and blobs:
            layer = "/".join(names)
            yield layer, tuple(self._blob(layer, members, index) for index in range(len(blobs)))
        for key, member in members.items():
            if isinstance(member, h5py.Group):
                yield from self._layers(member, (*names, key))

    def _blob(self, layer: str, members: dict[str, object], index: int) -> Array:
        dataset = members.get(str(index))
        if not isinstance(dataset, h5py.Dataset):
            raise _refuse(self.name, f"layer {layer!r} has no blob {index} but has later ones")
        if dataset.is_virtual or dataset.external:
            raise _refuse(self.name, f"layer {layer!r} keeps its blob {index} in another file")
        if dataset.dtype.kind != "f":
            raise _refuse(self.name, f"layer {layer!r}, blob {index} holds no numbers")
        self.left_bytes -= _needed_bytes(dataset)
        if self.left_bytes < 0:
            raise MalformedCheckpoint(
                f"{self.name}: layer {layer!r}, blob {index} is larger than the file.",
                hint="If it is compressed, unpack it: h5repack -f NONE packed.h5 weights.h5",
                file=self.name,
            )
        if not _filters(dataset) <= FILTERS:
            raise _refuse(self.name, f"layer {layer!r}, blob {index} is packed in an unknown way")
        return np.asarray(dataset[()])


def _needed_bytes(dataset: h5py.Dataset) -> int:
    """Tell what reading takes: the numbers, and one chunk, which may be larger than they are."""
    chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize if dataset.chunks else 0
    return int(max(dataset.nbytes, chunk))


def _filters(dataset: h5py.Dataset) -> set[int]:
    properties = dataset.id.get_create_plist()
    return {properties.get_filter(index)[0] for index in range(properties.get_nfilters())}


def _is_within(group: h5py.Group, key: str) -> bool:
    """Tell whether a member lies here, rather than behind a link to another place or file."""
    return isinstance(group.get(key, getlink=True), h5py.HardLink)


def _refuse(name: str, reason: str) -> MalformedCheckpoint:
    return MalformedCheckpoint(f"{name} is no Caffe snapshot: {reason}.", file=name)
