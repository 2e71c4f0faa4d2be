"""Our errors in the protocol's words: one text, which clients of Triton show as it is."""

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from zoo import errors
from zoo.web.answers import drain, headers_of, status_of


def install(bp: Blueprint) -> None:
    """Have a blueprint answer errors as the protocol asks."""
    bp.register_error_handler(errors.ZooError, answer)
    bp.register_error_handler(RequestEntityTooLarge, _answer_too_large)
    bp.register_error_handler(HTTPException, answer_http)


def answer(error: errors.ZooError) -> tuple[Response, int]:
    """Write an error down for a client of the protocol."""
    drain()
    response = jsonify({"error": f"{error} {error.hint}"})
    response.headers.update(headers_of(error))
    return response, status_of(type(error))


def answer_http(error: HTTPException) -> tuple[Response, int]:
    """Write down what the framework refuses."""
    drain()
    response = jsonify({"error": error.description or error.name})
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response, error.code or 500


def _answer_too_large(_error: RequestEntityTooLarge) -> tuple[Response, int]:
    return answer(errors.TooLarge("The body is larger than this address takes."))
