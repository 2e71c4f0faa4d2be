"""A request that is nothing but one input: the bytes of its tensor, or a picture file."""

import math

import numpy as np

from zoo.errors import BadRequest
from zoo.serving.network import STRINGS, Port, Tensor

FILES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # how JPEG and PNG begin
WEBP = (b"RIFF", b"WEBP")


def read_raw(octets: memoryview, port: Port, *, takes_files: bool) -> Tensor:
    """Read one input of a batch of one out of its bytes, which say nothing of themselves.

    Where picture files are taken, what begins like a JPEG, PNG or WebP is one.

    Raises:
        BadRequest: it has another number of bytes, or sides that the bytes cannot tell.
    """
    if port.dtype == STRINGS or (takes_files and _is_file(octets)):
        return as_element(octets)
    shape = tuple(1 if axis == 0 and side is None else side for axis, side in enumerate(port.shape))
    closed = [side for side in shape if side is not None]
    if len(closed) < len(shape):
        raise BadRequest(
            f"The input {port.name!r} is of any size, which raw bytes do not tell.",
            hint="Send it with its shape: JSON, and the bytes behind it.",
        )
    wanted = math.prod(closed) * port.dtype.itemsize
    if len(octets) != wanted:
        raise BadRequest(
            f"The body has {len(octets)} bytes; {port.name!r} of {' x '.join(map(str, closed))} has"
            f" {wanted}.",
            hint="Send one tensor, or one JPEG, PNG or WebP file." if takes_files else None,
        )
    return np.frombuffer(octets, port.dtype).reshape(closed)


def as_element(octets: memoryview) -> Tensor:
    """Give bytes as the only element of a tensor."""
    tensor = np.empty(1, dtype=object)
    tensor[0] = bytes(octets)
    return tensor


def _is_file(octets: memoryview) -> bool:
    head = bytes(octets[:12])
    return head.startswith(FILES) or (head[:4], head[8:]) == WEBP
