"""What a view may ask for: the open zoo, its service, a checked body, form or query."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, get_origin

from flask import current_app, g, request
from pydantic import BaseModel, ValidationError

from zoo.domain.access import ANONYMOUS
from zoo.domain.terms import Terms
from zoo.errors import BadRequest
from zoo.operations.opening import Zoo
from zoo.serving.service import Service

Model = TypeVar("Model", bound=BaseModel)
ZOO, SERVICE = "zoo", "zoo_service"
MOST_JSON_BYTES = 2**20


def current_zoo() -> Zoo:
    """Give the zoo this app serves, opened for whoever asks."""
    caller = g.get("caller", ANONYMOUS)
    opened: Zoo | None = g.get("zoo")  # Views ask for it several times.
    if opened is None or opened.caller is not caller:
        zoo: Zoo = current_app.extensions[ZOO]
        opened = g.zoo = replace(zoo, caller=caller)
    return opened


def zoo_on(terms: Terms) -> Zoo:
    """Give the zoo that queues jobs on some terms, opened for whoever asks."""
    return replace(current_zoo(), terms=terms)


def current_service() -> Service:
    """Give what this app answers predictions with."""
    service: Service = current_app.extensions[SERVICE]
    return service


def limit_body(most_bytes: int) -> None:
    """Take no longer body for this request, nor one that is longer than the settings allow."""
    request.max_content_length = min(most_bytes, current_zoo().settings.max_upload_bytes)


def read_query(model: type[Model]) -> Model:
    """Check the query string; a parameter that takes several values is given once for each.

    Raises:
        BadRequest: a parameter is unknown or out of range.
    """
    several = {
        name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple
    }
    given = {
        name: values if name in several else values[0] for name, values in request.args.lists()
    }
    return check_fields(model, given)


def read_body(model: type[Model]) -> Model:
    """Check a JSON body.

    Raises:
        BadRequest: it is no JSON object, or not of this form.
        RequestEntityTooLarge: it is longer than any such body.
    """
    limit_body(MOST_JSON_BYTES)
    body = request.get_data(cache=False)
    # A page of another site can send any other type without asking this server first.
    if request.mimetype != "application/json":
        raise BadRequest(
            f"The body is {request.mimetype or 'of no type'}, not application/json.",
            hint="Send JSON as such: curl --json '{...}' URL",
        )
    return check_fields(model, parse_object(body))


def parse_object(text: bytes) -> dict[str, object]:
    """Read a JSON object, every text of which can be written again.

    Raises:
        BadRequest: it is no JSON object, or holds half a letter.
    """
    try:
        data = json.loads(text)
        if b"\\ud" in text.lower():  # Half a letter is JSON, and no text.
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON that can be read.") from error
    if not isinstance(data, dict):
        raise BadRequest("The body is not a JSON object.")
    return data


def read_form(model: type[Model]) -> Model:
    """Check the fields of a form that a page sent; those left empty are as if they were not there.

    Raises:
        BadRequest: one is missing, unknown or out of range.
    """
    limit_body(MOST_JSON_BYTES)
    return check_fields(model, {name: value for name, value in request.form.items() if value})


def check_fields(model: type[Model], data: Mapping[str, object]) -> Model:
    """Check values by their names.

    Raises:
        BadRequest: one is missing, unknown or out of range; each is named.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = {
            ".".join(str(part) for part in fault["loc"]): fault["msg"] for fault in error.errors()
        }
        told = "; ".join(f"{name}: {reason}" for name, reason in faults.items())
        raise BadRequest(f"The request cannot be used: {told}.", fields=faults) from error
