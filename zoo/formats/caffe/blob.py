"""Reading one BlobProto: an array in any of the ways Caffe and its forks have written it.

Field numbers are those of BVLC's caffe.proto; the raw ones are of NVIDIA's, whose half-precision
files leave ``data`` empty.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from zoo.domain.weights import Array
from zoo.formats.wire import VARINT, Field, Message

LEGACY_AXES = (1, 2, 3, 4)  # num, channels, height, width
DATA, SHAPE, DOUBLE_DATA, RAW_TYPE, RAW_DATA = 5, 7, 8, 10, 12
READ = {*LEGACY_AXES, DATA, SHAPE, DOUBLE_DATA, RAW_TYPE, RAW_DATA}

RAW_DTYPES = {0: "<f8", 1: "<f4", 2: "<f2"}
MOST_AXES = 32  # kMaxBlobAxes in Caffe
MOST_PIECES = 2**12  # of one blob's numbers; writers make one

NOTHING = np.empty(0, np.float32)

Fields = Mapping[int, Sequence[Field]]


def read_blob(blob: Message) -> Array:
    """Read an array in the shape and precision stated, as a view wherever the file allows it.

    Raises:
        MalformedCheckpoint: the numbers do not fill the shape, or cannot be read.
    """
    fields: defaultdict[int, list[Field]] = defaultdict(list)
    for field in blob.fields():
        if field.number in READ:
            fields[field.number].append(field)
            if len(fields[field.number]) > MOST_PIECES:
                raise blob.refuse(field.offset, f"a blob comes in more than {MOST_PIECES} pieces")
    return _shaped(blob, _data(blob, fields), _shape(blob, fields))


def _shape(blob: Message, fields: Fields) -> tuple[int, ...]:
    """Any of the four legacy axes wins over a shape, as in Blob::FromProto."""
    if not fields.keys().isdisjoint(LEGACY_AXES):
        return tuple(_number(blob, fields, axis, absent=0) for axis in LEGACY_AXES)
    dims: list[int] = []
    for piece in fields.get(SHAPE, ()):
        for dim in _dims(blob.child(piece)):
            dims.append(dim)
            if len(dims) > MOST_AXES:
                raise blob.refuse(piece.offset, f"a blob has more than {MOST_AXES} axes")
    return tuple(dims)


def _dims(shape: Message) -> Iterator[int]:
    for field in shape.fields():
        if field.number == 1:
            yield from shape.varints(field)


def _number(blob: Message, fields: Fields, number: int, *, absent: int) -> int:
    for field in fields.get(number, ())[-1:]:
        blob.expect(field, VARINT)
        return next(blob.varints(field))
    return absent


def _data(blob: Message, fields: Fields) -> Array:
    """Take the doubles if there are any, else the floats, else the raw bytes."""
    for number, dtype in ((DOUBLE_DATA, "<f8"), (DATA, "<f4")):
        pieces = [blob.numbers(field, dtype) for field in fields.get(number, ())]
        data = pieces[0] if len(pieces) == 1 else np.concatenate(pieces or [NOTHING])
        if data.size:
            return data
    return _raw(blob, fields)


def _raw(blob: Message, fields: Fields) -> Array:
    kind = _number(blob, fields, RAW_TYPE, absent=1)
    if kind not in RAW_DTYPES:
        raise blob.refuse(blob.start, f"a blob's raw numbers have type {kind}, not floating point")
    for field in fields.get(RAW_DATA, ())[-1:]:  # It cannot repeat: the last one counts.
        return blob.numbers(field, RAW_DTYPES[kind])
    return NOTHING


def _shaped(blob: Message, data: Array, shape: tuple[int, ...]) -> Array:
    if min(shape, default=1) < 1:
        raise blob.refuse(blob.start, f"a blob has the shape {shape}")
    if math.prod(shape) != data.size:
        raise blob.refuse(blob.start, f"a blob of shape {shape} holds {data.size} numbers")
    return data.reshape(shape)
