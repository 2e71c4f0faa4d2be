"""/v2/models/NAME/infer: tensors or pictures in, tensors or classes out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from zoo.errors import (
    DeadlinePassed,
    ModelNotFound,
    NotReady,
    NotRunnable,
    Overloaded,
    RevisionNotFound,
    TooLarge,
    Unsupported,
)
from zoo.operations.opening import Zoo
from zoo.operations.serve import Answer, Question, Takes, answer, hold_served, takes_of
from zoo.serving.asking import Terms
from zoo.serving.service import Service
from zoo.web.access import Need, needs
from zoo.web.connection import watch_client
from zoo.web.context import current_service, current_zoo
from zoo.web.inference import errors
from zoo.web.inference.addresses import address_of
from zoo.web.inference.answered import BINARY, Output, write_answer
from zoo.web.inference.body import read_json_bytes, receive_body
from zoo.web.inference.classification import classify
from zoo.web.inference.requested import Requested, RequestedOutput, read_requested
from zoo.web.inference.tensors import Tensor
from zoo.web.reference import tells
from zoo.web.shapes.inference import InferenceAnswer, InferenceBody, ProtocolError

bp = Blueprint("inference_infer", __name__, url_prefix="/v2/models")
errors.install(bp)

JSON_NUMBER_BYTES = 16  # of the text of a number, with the comma behind it

RAW = Requested(is_binary=True)


@bp.post("/<served:name>/infer", defaults={"version": ""})
@bp.post("/<served:name>/versions/<version>/infer", endpoint="post_version_infer")
@needs(Need.READ)
@tells(
    InferenceAnswer,
    body=InferenceBody,
    also=(BINARY,),
    error=ProtocolError,
    refuses=(
        ModelNotFound,
        RevisionNotFound,
        NotRunnable,
        Unsupported,
        Overloaded,
        NotReady,
        DeadlinePassed,
    ),
)
def post_infer(name: str, version: str) -> ResponseReturnValue:
    """Answer a request for inference.

    Binary tensors follow the JSON, whose length Inference-Header-Content-Length tells; 0 is one
    picture, raw or as a file. See docs/serving.md.
    """
    address = address_of(name, version)
    asked = Asked(json_bytes=read_json_bytes(request.environ), body=receive_body())
    is_wanted = watch_client(request.environ)
    requested, found = infer(current_zoo(), current_service(), address, asked, is_wanted)
    return write_answer(name, found.revision, outputs_of(requested, found), request_id=requested.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The body of a request, and how much of it is JSON: all of it, where that is not told."""

    json_bytes: int | None
    body: memoryview


def infer(
    zoo: Zoo, service: Service, address: str, asked: Asked, is_wanted: Callable[[], bool]
) -> tuple[Requested, Answer]:
    """Read a request and answer it; what the model takes bounds how much of it is read.

    Raises:
        BadRequest, TooLarge, Unsupported: as `read_requested`.
        TooLarge: the answer would have more numbers than are written as JSON.
        ZooError: as `hold_served` and `answer`.
    """
    with hold_served(zoo, service, address) as held:
        requested, question = _read(asked, takes_of(*held), is_wanted)
        found = answer(zoo, service, held, question)
    if found.is_map or not found.labels:  # A classifier's answer is small.
        _check_json(requested, found, zoo.settings.max_answer_bytes)
    return requested, found


def _read(asked: Asked, takes: Takes, is_wanted: Callable[[], bool]) -> tuple[Requested, Question]:
    """Read a request to a graph that takes such inputs."""
    if asked.json_bytes == 0:
        return RAW, Question(raw=asked.body, terms=Terms(is_wanted=is_wanted))
    begun_ns = time.monotonic_ns()
    requested, inputs = read_requested(asked.body, asked.json_bytes, takes)
    return requested, Question(
        inputs=inputs,
        texts=requested.texts,
        outputs=[output.name for output in requested.outputs],
        terms=Terms(
            deadline_s=requested.timeout_s,
            # 1 is Triton's highest, and the usual here: nobody goes before others who wait.
            priority=max(requested.priority - 1, 0),
            is_wanted=is_wanted,
        ),
        input_ns=time.monotonic_ns() - begun_ns,
    )


def _check_json(requested: Requested, found: Answer, most_bytes: int) -> None:
    """Refuse to write more numbers as text than an answer has room for.

    Raises:
        TooLarge: there are more.
    """
    numbers = sum(
        found.outputs[one.name].size
        for one in _wanted(requested, found)
        if not (one.is_binary or one.classes)
    )
    if numbers * JSON_NUMBER_BYTES > most_bytes:
        raise TooLarge(
            f"The answer has {numbers} elements to be written as JSON; at most"
            f" {most_bytes // JSON_NUMBER_BYTES} are.",
            hint="Ask for them binary: InferRequestedOutput(name, binary_data=True).",
        )


def outputs_of(requested: Requested, found: Answer) -> list[Output]:
    """Give the outputs that are wanted, each as it is wanted."""
    return [
        Output(name=one.name, tensor=_tensor(one, found), is_binary=one.is_binary)
        for one in _wanted(requested, found)
    ]


def _wanted(requested: Requested, found: Answer) -> Sequence[RequestedOutput]:
    """Give what is asked of each output; all are, where none is named."""
    return requested.outputs or [
        RequestedOutput(name=name, is_binary=requested.is_binary) for name in found.outputs
    ]


def _tensor(wanted: RequestedOutput, found: Answer) -> Tensor:
    if not wanted.classes:
        return found.outputs[wanted.name]
    return classify(found.scores(wanted.name), wanted.classes, found.labels, name=wanted.name)
