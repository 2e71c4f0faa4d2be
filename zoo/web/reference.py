"""The OpenAPI 3.1 document and its page, made from what each view tells of itself."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, Flask, current_app, jsonify, render_template
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from zoo import __version__, errors
from zoo.web.access import Need, needs
from zoo.web.answers import status_of
from zoo.web.shapes.base import ErrorAnswer
from zoo.web.shapes.terms import TermsBody

REF = "#/components/schemas/{model}"
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# What any address may answer instead.
EVERYWHERE = (errors.Unauthenticated, errors.Forbidden, errors.TooManyRequests)
# What an address with a name in it may: nothing is or can be called so.
NAMED = (errors.NotFound, errors.BadName)
# What queues a job may: its terms name a job that is not there, or are not those it has already.
QUEUING = (errors.JobNotFound, errors.Conflict)
BYTES = {"type": "string", "format": "binary"}
KNOWN = {"304": {"description": "The client has it already."}}

View = TypeVar("View", bound=Callable[..., Any])

bp = Blueprint("reference", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A request body that is no JSON of a model."""

    media: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the reference says of a view beyond its docstring."""

    answer: type[BaseModel] | str  # a model, or the media type of bytes
    status: int = 200
    query: type[BaseModel] | None = None
    body: type[BaseModel] | Body | None = None
    refuses: tuple[type[errors.ZooError], ...] = ()
    also: tuple[str, ...] = ()  # media types of bytes that the answer may be instead
    is_ranged: bool = False  # a part may be asked for, and whether it is known already
    has_tag: bool = False  # it may be asked whether it is known already
    error: type[BaseModel] = ErrorAnswer  # the shape of every refusal


def tells(  # noqa: PLR0913  # as many as there is to tell
    answer: type[BaseModel] | str,
    *,
    status: int = 200,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | Body | None = None,
    refuses: tuple[type[errors.ZooError], ...] = (),
    also: tuple[str, ...] = (),
    is_ranged: bool = False,
    has_tag: bool = False,
    error: type[BaseModel] = ErrorAnswer,
) -> Callable[[View], View]:
    """Have a view tell the reference what it takes and answers."""
    told = Told(
        answer=answer,
        status=status,
        query=query,
        body=body,
        refuses=refuses,
        also=also,
        is_ranged=is_ranged,
        has_tag=has_tag,
        error=error,
    )

    def mark(view: View) -> View:
        view.told = told  # type: ignore[attr-defined]  # a function carries what it is told
        return view

    return mark


def told_rules(app: Flask) -> list[tuple[Rule, Told]]:
    """List the routes that the reference tells of."""
    rules = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        told = getattr(app.view_functions[rule.endpoint], "told", None)
        if told is not None:
            rules.append((rule, told))
    return rules


def describe(app: Flask) -> dict[str, Any]:
    """Write the OpenAPI document of an app down."""
    rules = told_rules(app)
    models = {model for _, told in rules for model in _models(told)}
    _, schemas = models_json_schema(
        [(model, "serialization") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template=REF,
    )
    paths: dict[str, dict[str, Any]] = {}
    for rule, told in rules:
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = PARAMETER.sub(r"{\1}", rule.rule)
            view = app.view_functions[rule.endpoint]
            paths.setdefault(path, {})[method.lower()] = _operation(rule, told, view)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zoo",
            "version": __version__,
            "description": "A self-hosted model zoo: checkpoints, fine-tuning, predictions.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


@bp.get("/openapi.json")
@needs(Need.NOBODY)
def openapi() -> ResponseReturnValue:
    """Give the OpenAPI document."""
    return jsonify(describe(current_app))


@bp.get("/docs")
@needs(Need.NOBODY)
def docs() -> ResponseReturnValue:
    """Show the reference as a page that needs nothing from anywhere else."""
    return render_template("reference.html", document=describe(current_app))


def _models(told: Told) -> list[type[BaseModel]]:
    given = (told.answer, told.query, told.body, told.error)
    return [model for model in given if isinstance(model, type)]


def _operation(rule: Rule, told: Told, view: Callable[..., Any]) -> dict[str, Any]:
    text = inspect.getdoc(view) or ""
    summary, _, more = text.partition("\n")
    operation: dict[str, Any] = {
        "operationId": rule.endpoint.rpartition(".")[2],
        "summary": summary,
        "parameters": _path_parameters(rule) + _query_parameters(told.query),
        "responses": _responses(told, has_name=bool(rule.arguments)),
    }
    if more.strip():
        operation["description"] = more.strip()
    if told.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(told.body)}
    if isinstance(told.body, Body):
        operation["requestBody"]["description"] = told.body.description
    return operation


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if name == "number" else "string"},
        }
        for name in PARAMETER.findall(rule.rule)
    ]


def _query_parameters(query: type[BaseModel] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = query.model_json_schema(ref_template=REF)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", []),
            "description": field.pop("description", ""),
            "schema": field,
        }
        for name, field in schema["properties"].items()
    ]


def _responses(told: Told, *, has_name: bool) -> dict[str, Any]:
    refused: dict[int, list[str]] = {}
    kinds: list[type[errors.ZooError]] = [*EVERYWHERE, *told.refuses]
    if told.query or told.body:
        kinds.append(errors.BadRequest)
    if told.body:
        kinds.append(errors.TooLarge)
    if isinstance(told.body, type) and issubclass(told.body, TermsBody):
        kinds += QUEUING
    if has_name:
        kinds += NAMED
    for kind in dict.fromkeys(kinds):
        refused.setdefault(status_of(kind), []).append(kind.code)
    answers = {
        str(status): {
            "description": " or ".join(codes),
            "content": {"application/json": {"schema": _schema(told.error)}},
        }
        for status, codes in sorted(refused.items())
    }
    content = _content(told.answer)
    for media in told.also:
        content |= _content(media)
    first = {"description": "Done.", "content": content}
    told_ranges = _ranges(content) if told.is_ranged else KNOWN if told.has_tag else {}
    return dict(sorted(({str(told.status): first} | told_ranges | answers).items()))


def _ranges(content: dict[str, Any]) -> dict[str, Any]:
    """Tell what is answered to Range and If-None-Match."""
    beyond = {"application/json": {"schema": _schema(ErrorAnswer)}}
    return {
        "302": {"description": "The store itself gives the bytes, at the Location, for an hour."},
        "206": {"description": "The range that was asked for.", "content": content},
        **KNOWN,
        "416": {"description": "requested_range_not_satisfiable", "content": beyond},
    }


def _content(body: type[BaseModel] | Body | str) -> dict[str, Any]:
    if isinstance(body, str):
        return {body: {"schema": BYTES}}
    if isinstance(body, Body):
        return {media: {"schema": _body_schema(media)} for media in body.media}
    return {"application/json": {"schema": _schema(body)}}


def _body_schema(media: str) -> dict[str, Any]:
    if media == "multipart/form-data":
        return {"type": "object", "additionalProperties": BYTES}
    return BYTES


def _schema(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}
