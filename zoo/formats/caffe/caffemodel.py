"""Reading .caffemodel and mean.binaryproto files: only names and numbers, never the graph.

Fields of typed parameters collide between Caffe's forks, so the architecture is taken from the
prototxt and a weights file is asked for layer names and blobs alone. Field numbers are those of
BVLC's caffe.proto.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.domain.weights import Array
from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.caffe.blob import read_blob
from zoo.formats.caffe.net import Blobs
from zoo.formats.mapped import map_file
from zoo.formats.wire import BYTES, VARINT, Field, Message

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
ZIP_SIGNATURE = b"PK\x03\x04"
IMAGE_AXES = 3  # channels, height, width

# Of NetParameter: the wire types of its fields.
NET_FIELDS = {1: BYTES, 2: BYTES, 3: BYTES, 5: VARINT, 6: BYTES, 7: VARINT, 8: BYTES, 100: BYTES}
# V1LayerParameter and LayerParameter by the field they stand in: (name, blobs).
LAYER_FIELDS = {2: (4, 6), 100: (1, 7)}
V0_FIELDS = (1, 50)  # V0LayerParameter, which is field 1 of a V1LayerParameter
HIGHEST_NET_FIELD = 1000  # No fork goes beyond; a random byte often does.

# Bounds for time and memory; the largest networks have half of the blobs, a tenth of the rest.
MOST_LAYERS = 2**16
MOST_BLOBS = 2**14
MOST_FIELDS = 2**18
LONGEST_NAME = 2**12  # bytes

# What else Caffe writes, by the wire types of its fields: SolverState and BlobProto.
SOLVER_STATE = {1: VARINT, 2: BYTES, 3: BYTES, 4: VARINT}
MEAN_IMAGE = {1: VARINT, 2: VARINT, 3: VARINT, 4: VARINT, 5: BYTES}
LOOKED_AT = 5  # fields, to tell what a file is


def read_blobs(path: Path, *, name: str = "") -> Blobs:
    """Read every layer's blobs, in the shapes and precision the file states.

    ``name`` is what errors call the file, where it lies under another one.

    The arrays of a .caffemodel are views of the mapped file, read from disk when they are touched.
    Where two layers share a name, the first that has blobs is read, as Caffe does.

    Raises:
        MalformedCheckpoint: the file is damaged; says where.
        UnknownFormat: the file is something else; says what.
    """
    name = name or path.name
    octets = _map(path, name)
    if octets[: len(HDF5_SIGNATURE)] == HDF5_SIGNATURE:
        # Loading h5py takes longer than reading most files, and few packages need it.
        from zoo.formats.caffe.hdf5 import read_hdf5_blobs  # noqa: PLC0415

        return read_hdf5_blobs(path, name=name)
    message = Message(octets, name=name, most_fields=MOST_FIELDS)
    _refuse_other_messages(message)
    return _read_net(message)


def read_mean(path: Path, *, name: str = "") -> NDArray[np.float32]:
    """Read a mean.binaryproto as a float32 image of channels x height x width.

    Raises:
        MalformedCheckpoint: the file is damaged, or holds no image.
    """
    name = name or path.name
    message = Message(_map(path, name), name=name, most_fields=MOST_FIELDS)
    blob = read_blob(message)
    shape = blob.shape[1:] if blob.shape[:-IMAGE_AXES] == (1,) else blob.shape
    if len(shape) == IMAGE_AXES:
        with np.errstate(over="ignore", invalid="ignore"):  # What becomes inf or NaN is refused.
            image = np.array(blob, dtype=np.float32).reshape(shape)
        if np.isfinite(image).all():
            return image
    raise message.refuse(0, f"its blob of shape {blob.shape} is no mean image")


def refuse_other_formats(path: Path, *, name: str = "") -> None:
    """Refuse files that are often found under a Caffe file's name, by how they begin.

    Raises:
        UnknownFormat: the file is a git-LFS pointer, a zip or text.
        MalformedCheckpoint: the file is empty.
    """
    _map(path, name or path.name)


def _map(path: Path, name: str) -> memoryview:
    octets = map_file(path, name=name)
    if octets[: len(ZIP_SIGNATURE)] == ZIP_SIGNATURE:
        raise UnknownFormat(
            f"{name} is a zip (perhaps a PyTorch checkpoint), not a Caffe file.", file=name
        )
    return octets


def _refuse_other_messages(message: Message) -> None:
    """Refuse what Caffe writes beside weights, where the first fields are plainly that."""
    seen: dict[int, int] = {}
    with suppress(MalformedCheckpoint):  # Reading it as weights says where it is damaged.
        for field in islice(message.fields(), LOOKED_AT):
            seen[field.number] = field.wire
    if seen.get(1) != VARINT or len(seen) == 1:
        return
    if seen.items() <= SOLVER_STATE.items():
        raise UnknownFormat(
            f"{message.name} is the state of a solver, not weights.",
            hint="Take the .caffemodel that was written with it: its name has the same number.",
            file=message.name,
        )
    if seen.items() <= MEAN_IMAGE.items():
        raise UnknownFormat(
            f"{message.name} is a mean image or a single blob, not weights.",
            hint="Name it mean.binaryproto and add the network's .caffemodel.",
            file=message.name,
        )


def _read_net(message: Message) -> Blobs:
    blobs: dict[str, tuple[Array, ...]] = {}
    layer_count = blob_count = 0
    for layer, fields in _layers(message):
        layer_count += 1
        if layer_count > MOST_LAYERS:
            raise message.refuse(layer.start, f"more than {MOST_LAYERS} layers")
        name, found = _read_layer(layer, fields, MOST_BLOBS - blob_count)
        blob_count += len(found)
        if found:
            blobs.setdefault(name, found)
    if not layer_count:
        raise message.refuse(message.end, "the file ends without a single layer")
    return blobs


def _layers(message: Message) -> Iterator[tuple[Message, tuple[int, int]]]:
    """Go through the layers of any generation, and where each has its name and its blobs."""
    for field in message.fields():
        if field.number > HIGHEST_NET_FIELD:
            raise message.refuse(field.offset, f"no network has a field {field.number}")
        if field.number in NET_FIELDS:
            message.expect(field, NET_FIELDS[field.number])
        if field.number in LAYER_FIELDS:
            yield message.child(field), LAYER_FIELDS[field.number]


def _read_layer(
    layer: Message, numbers: tuple[int, int], most_blobs: int
) -> tuple[str, tuple[Array, ...]]:
    name_number, blobs_number = numbers
    name = ""
    blobs: list[Array] = []
    for field in layer.fields():
        if field.number == name_number:
            name = _read_name(layer, field)
        elif field.number == blobs_number:
            if len(blobs) == most_blobs:
                raise layer.refuse(field.offset, f"more than {MOST_BLOBS} blobs in one file")
            blobs.append(read_blob(layer.child(field)))
        elif field.number == 1 and numbers == LAYER_FIELDS[2]:
            # The first generation: the layer proper lies within, and what is beside it is wiring.
            return _read_layer(layer.child(field), V0_FIELDS, most_blobs)
    return name, tuple(blobs)


def _read_name(layer: Message, field: Field) -> str:
    if field.end - field.start > LONGEST_NAME:
        raise layer.refuse(field.offset, f"a name of more than {LONGEST_NAME} bytes")
    return layer.text(field)
