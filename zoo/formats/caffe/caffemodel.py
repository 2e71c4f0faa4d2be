"""Reading .caffemodel and mean.binaryproto files: only names and numbers, never the graph.

Fields of typed parameters collide between Caffe's forks, so the architecture is taken from the
prototxt and a weights file is asked for layer names and blobs alone. Field numbers are those of
BVLC's caffe.proto.
"""

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.domain.weights import Array
from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.caffe.blob import read_blob
from zoo.formats.caffe.net import Blobs
from zoo.formats.wire import BYTES, VARINT, Message

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
LFS_POINTER = b"version https://git-lfs"
ZIP_SIGNATURE = b"PK\x03\x04"
TEXT = frozenset(b"\t\n\r" + bytes(range(32, 127)))  # ASCII
IMAGE_AXES = 3  # channels, height, width

# NetParameter, then V1LayerParameter and LayerParameter by the field they stand in: (name, blobs).
NET_FIELDS = {1: BYTES, 2: BYTES, 3: BYTES, 5: VARINT, 6: BYTES, 7: VARINT, 8: BYTES, 100: BYTES}
LAYER_FIELDS = {2: (4, 6), 100: (1, 7)}
HIGHEST_NET_FIELD = 1000  # No fork goes beyond; a random byte often does.


def read_blobs(path: Path, *, name: str = "") -> Blobs:
    """Read every layer's blobs, in the shapes and precision the file states.

    ``name`` is what errors call the file, where it lies under another one.

    The arrays of a .caffemodel are views of the mapped file, read from disk when they are touched.
    Where two layers share a name, the first that has blobs is read, as Caffe does.

    Raises:
        MalformedCheckpoint: the file is damaged; says where.
        UnknownFormat: the file is something else; says what.
    """
    refuse_other_formats(path, name=name)
    octets = _map(path)
    if bytes(octets[:8]) == HDF5_SIGNATURE:
        # Loading h5py takes longer than reading most files, and few packages need it.
        from zoo.formats.caffe.hdf5 import read_hdf5_blobs  # noqa: PLC0415

        return read_hdf5_blobs(path, name=name or path.name)
    return _read_net(Message(octets, name=name or path.name))


def read_mean(path: Path, *, name: str = "") -> NDArray[np.float32]:
    """Read a mean.binaryproto as a float32 image of channels x height x width.

    Raises:
        MalformedCheckpoint: the file is damaged, or holds no image.
    """
    refuse_other_formats(path, name=name)
    message = Message(_map(path), name=name or path.name)
    blob = read_blob(message)
    image = blob.reshape(blob.shape[1:]) if blob.shape[:-IMAGE_AXES] == (1,) else blob
    if image.ndim != IMAGE_AXES or not np.isfinite(image).all():
        raise message.refuse(0, f"its blob of shape {blob.shape} is no mean image")
    return np.array(image, dtype=np.float32)


def _map(path: Path) -> memoryview:
    """Map the file into memory; the map closes itself with the last array that views it."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def refuse_other_formats(path: Path, *, name: str = "") -> None:
    """Refuse files that are often found under a Caffe file's name, by how they begin.

    Raises:
        UnknownFormat: the file is a git-LFS pointer, a zip or text.
        MalformedCheckpoint: the file is empty.
    """
    name = name or path.name
    with path.open("rb") as file:
        head = file.read(256)
    if not head:
        raise MalformedCheckpoint(f"{name} is empty: byte 0: the file ends.", file=name, offset=0)
    if head.startswith(LFS_POINTER):
        raise UnknownFormat(
            f"{name} is a git-LFS pointer, not the weights themselves.",
            hint="Run `git lfs pull` where the file comes from, or download it from its page.",
            file=name,
            offset=0,
        )
    if head.startswith(ZIP_SIGNATURE):
        raise UnknownFormat(
            f"{name} is a zip (perhaps a PyTorch checkpoint), not a Caffe file.", file=name
        )
    if TEXT.issuperset(head):
        start = head[:40].decode("ascii").splitlines()[0]
        raise UnknownFormat(f"{name} is text, not weights; it begins {start!r}.", file=name)


def _read_net(message: Message) -> Blobs:
    blobs: dict[str, tuple[Array, ...]] = {}
    has_layers = False
    for field in message.fields():
        if field.number > HIGHEST_NET_FIELD:
            raise message.refuse(field.offset, f"no network has a field {field.number}")
        if field.number in NET_FIELDS:
            message.expect(field, NET_FIELDS[field.number])
        if field.number in LAYER_FIELDS:
            has_layers = True
            name, found = _read_layer(message.child(field), *LAYER_FIELDS[field.number])
            if found:
                blobs.setdefault(name, found)
    if not has_layers:
        raise message.refuse(message.end, "the file ends without a single layer")
    return blobs


def _read_layer(layer: Message, name_field: int, blobs_field: int) -> tuple[str, tuple[Array, ...]]:
    name, blobs = "", []
    for field in layer.fields():
        if field.number == name_field:
            name = layer.text(field)
        elif field.number == blobs_field:
            blobs.append(read_blob(layer.child(field)))
    return name, tuple(blobs)
