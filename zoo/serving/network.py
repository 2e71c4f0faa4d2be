"""One ONNX Runtime session that is served as it is: any named tensors in, any named tensors out."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import BadRequest, NotRunnable, TooLarge
from zoo.serving.external import refuse_external_data
from zoo.serving.predictor import AUTO, Opening, check_provider, open_bare, run_session

Tensor = np.ndarray[Any, Any]

STRINGS = np.dtype(object)
DTYPES: Mapping[str, np.dtype[Any]] = {
    "tensor(bool)": np.dtype(np.bool_),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(uint16)": np.dtype(np.uint16),
    "tensor(uint32)": np.dtype(np.uint32),
    "tensor(uint64)": np.dtype(np.uint64),
    "tensor(int8)": np.dtype(np.int8),
    "tensor(int16)": np.dtype(np.int16),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
    "tensor(string)": STRINGS,
}
MOST_BYTES = 2**29  # of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or an output of a graph."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]  # None is a side that the graph leaves open

    @property
    def size_bytes(self) -> int:
        """Tell how many bytes a tensor of this shape takes at least; 0 where a side is open."""
        sides = [0 if side is None else side for side in self.shape]
        return math.prod(sides) * self.dtype.itemsize

    def takes(self, tensor: Tensor) -> bool:
        """Tell whether a tensor is of this port's kind and shape."""
        return (
            tensor.dtype == self.dtype
            and tensor.ndim == len(self.shape)
            and all(side in {None, px} for side, px in zip(self.shape, tensor.shape, strict=True))
        )


@dataclass(frozen=True, kw_only=True)
class Feeds:
    """The inputs of one request, which are run by themselves."""

    tensors: Mapping[str, Tensor]
    wanted: Sequence[str]

    def __len__(self) -> int:
        return 1

    @cached_property  # of up to some hundred thousand texts
    def nbytes(self) -> int:
        """Count the bytes of memory of all inputs, with those that objects take."""
        return sum(map(size_of, self.tensors.values()))

    @property
    def shape(self) -> tuple[int, ...]:
        """Say that there is one."""
        return (1,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A session that is ready to run; safe to be used by many threads."""

    session: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    provider: str  # the one that really runs
    most_bytes: int = MOST_BYTES  # of an answer

    def predict(self, feeds: Feeds) -> list[list[Tensor]]:
        """Give the outputs that are wanted, as the only row of an answer.

        Raises:
            BadRequest: the graph fails on these inputs, of which little else is known.
            TooLarge: the answer is, or what the graph needs meanwhile.
        """
        try:
            outputs = run_session(self.session, feeds.wanted, feeds.tensors)
        except NotRunnable as error:
            raise BadRequest(
                f"The network fails on these inputs. {error}",
                hint="Look whether their values, and the sides that it leaves open, go together.",
            ) from error
        self._check_answer(sum(map(size_of, outputs)))
        return [outputs]

    def check(self, feeds: Feeds) -> None:
        """Check that inputs are those of the graph, and that its answer is not too large.

        Raises:
            BadRequest: they are not, or not of the right kinds and shapes.
            TooLarge: by the shapes that its outputs always have, it is.
        """
        check_names([port.name for port in self.inputs], list(feeds.tensors))
        for port in self.inputs:
            if not port.takes(feeds.tensors[port.name]):
                raise BadRequest(
                    f"The input {port.name!r} is {_told(feeds.tensors[port.name])};"
                    f" the model takes {_kind(port.dtype)} of {_sides(port.shape)}.",
                    hint="The model's metadata tell the datatype and shape of every input.",
                )
        self._check_answer(
            sum([port.size_bytes for port in self.outputs if port.name in feeds.wanted])
        )

    def _check_answer(self, size_bytes: int) -> None:
        if size_bytes > self.most_bytes:
            raise too_large(size_bytes, self.most_bytes)


def open_network(graph: Path | bytes, how: Opening = AUTO) -> Network:
    """Open a graph, whatever it is.

    Raises:
        NotRunnable: it is none that ONNX Runtime takes, or has inputs or outputs that numpy lacks.
        Unsupported: CUDA was asked for and the session came up without it.
    """
    refuse_external_data(graph)
    session = open_bare(graph, how)
    provider = session.get_providers()[0]
    check_provider(how.device, provider)
    return Network(
        session=session,
        inputs=read_ports(session.get_inputs()),
        outputs=read_ports(session.get_outputs()),
        provider=provider,
    )


def size_of(tensor: Tensor) -> int:
    """Count the bytes of memory of a tensor, with those that objects take."""
    if tensor.dtype != STRINGS:
        return tensor.nbytes
    return tensor.nbytes + sum(map(sys.getsizeof, tensor.flat))


def too_large(size_bytes: int, most_bytes: int) -> TooLarge:
    """Say that an answer is larger than this server gives."""
    return TooLarge(
        f"The answer would have {size_bytes} bytes; at most {most_bytes} are given.",
        hint="Ask for fewer outputs or send less at once, or raise ZOO_MAX_ANSWER_BYTES.",
    )


def check_names(expected: Sequence[str], given: Sequence[str]) -> None:
    """Check that every input is there, and no other.

    Raises:
        BadRequest: one is missing, or unknown.
    """
    if [*given] == [*expected]:  # as most often
        return
    missing = [name for name in expected if name not in given]
    unknown = [name for name in given if name not in expected]
    if missing or unknown:
        faults = ["misses"] * bool(missing) + ["does not know"] * bool(unknown)
        names = [", ".join(map(repr, one)) for one in (missing, unknown) if one]
        told = " and ".join(f"{fault} {one}" for fault, one in zip(faults, names, strict=True))
        raise BadRequest(
            f"The model {told} among the inputs.",
            hint=f"It takes {', '.join(map(repr, expected)) or 'none'}.",
        )


def read_ports(values: Sequence[Any]) -> tuple[Port, ...]:
    """Read what a session says of its inputs or outputs.

    Raises:
        NotRunnable: one is of a kind that numpy has not.
    """
    for one in values:
        if one.type not in DTYPES:
            raise NotRunnable(f"The graph has {one.type} {one.name!r}, which cannot be served.")
    return tuple(
        Port(name=one.name, dtype=DTYPES[one.type], shape=tuple(map(_side, one.shape)))
        for one in values
    )


def _side(side: object) -> int | None:
    return side if isinstance(side, int) and side >= 0 else None


def _kind(dtype: np.dtype[Any]) -> str:
    return "BYTES" if dtype == STRINGS else dtype.name


def _told(tensor: Tensor) -> str:
    return f"{_kind(tensor.dtype)} of {_sides(tensor.shape)}"


def _sides(shape: Sequence[int | None]) -> str:
    return " x ".join("?" if side is None else str(side) for side in shape) or "no axes"
