"""The answer to a request for inference: JSON, with binary tensors behind it where asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from flask import Response, request

from zoo.errors import Unsupported
from zoo.web.encoding import deflate
from zoo.web.inference.datatypes import BYTES, datatype_of
from zoo.web.inference.tensors import Tensor, write_binary

JSON_BYTES = "Inference-Header-Content-Length"
JSON, BINARY = "application/json", "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output, and how it is given back."""

    name: str
    tensor: Tensor
    is_binary: bool


def write_answer(
    model: str, version: str, outputs: Sequence[Output], *, request_id: str | None
) -> Response:
    """Write the outputs down.

    Raises:
        Unsupported: one holds what JSON cannot.
    """
    accepted = request.headers.get("Accept-Encoding", "")
    body, headers = write_outputs(model, version, outputs, request_id=request_id, accepted=accepted)
    return Response(body, headers=headers)


def write_outputs(
    model: str, version: str, outputs: Sequence[Output], *, request_id: str | None, accepted: str
) -> tuple[bytes, dict[str, str]]:
    """Write the outputs down as a body and its headers, in an encoding that is accepted.

    Raises:
        Unsupported: one holds what JSON cannot.
    """
    head: dict[str, Any] = {} if request_id is None else {"id": request_id}
    head |= {"model_name": model, "model_version": version}
    told, binary = list[Mapping[str, object]](), list[bytes]()
    for one in outputs:
        if one.is_binary:
            binary.append(write_binary(one.tensor))
            told.append(_told(one, {"parameters": {"binary_data_size": len(binary[-1])}}))
        else:
            told.append(_told(one, {"data": _as_json(one)}))
    head["outputs"] = told
    text = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
    body, encoding = deflate(b"".join([text, *binary]), accepted)
    headers = {"Content-Type": BINARY if binary else JSON, "Vary": "Accept-Encoding"}
    if binary:
        headers[JSON_BYTES] = str(len(text))  # before compression
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return body, headers


def _told(output: Output, where: Mapping[str, object]) -> dict[str, object]:
    """Tell of an output, and where its elements are."""
    return {
        "name": output.name,
        "datatype": datatype_of(output.tensor),
        "shape": list(output.tensor.shape),
        **where,
    }


def _as_json(output: Output) -> object:
    """Give a tensor as a flat list, or as what is written like one."""
    tensor = output.tensor.reshape(-1)
    if datatype_of(tensor) == BYTES:
        return [_as_text(one, output.name) for one in tensor]
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise Unsupported(
            f"The output {output.name!r} holds infinite numbers, or none, which JSON cannot say.",
            hint="Ask for it binary: InferRequestedOutput(name, binary_data=True).",
        )
    return np.ascontiguousarray(tensor)  # which orjson writes as a list


def _as_text(element: object, name: str) -> str:
    if not isinstance(element, bytes):
        return str(element)
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        raise Unsupported(
            f"The output {name!r} holds bytes that are no text, which JSON cannot say.",
            hint="Ask for it binary: InferRequestedOutput(name, binary_data=True).",
        ) from error
