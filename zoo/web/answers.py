"""Errors as answers: one table of status codes, one JSON shape. Nothing else knows a status.

A browser that asks for a page gets one, with the same words.
"""

from typing import Any

from flask import Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from zoo import errors

STATUS: dict[type[errors.ZooError], int] = {
    errors.BadRequest: 400,
    errors.Invalid: 422,
    errors.Damaged: 422,
    errors.BlobNotFound: 500,
    errors.CatalogDamaged: 500,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unsupported: 415,
    errors.NotRunnable: 409,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.TooManyRequests: 429,
    errors.Overloaded: 429,
    errors.NotReady: 503,
    errors.DeadlinePassed: 504,
    errors.GoneAway: 400,  # which nobody hears
    errors.TooSlow: 408,
    errors.TooLarge: 413,
    errors.QuotaExceeded: 413,  # no 5xx: nothing is wrong here, and trying again does not help
    errors.StorageFull: 507,
    errors.CatalogUnavailable: 503,
    errors.StoreUnavailable: 503,
    errors.EngineUnavailable: 503,
    errors.ServerUnreachable: 502,
    errors.ZooError: 500,
}

FAULTS = 500  # and above
DRAIN_BYTES = 2**16
ERROR_PAGE = "zoo_error_page"  # the extension that draws one: status, code, message, hint
PROTOCOL = "/v2"  # whose clients read an error as one text
ADDRESSES = "The addresses are told at /docs and in /openapi.json."
FAULT = "This is a fault of the zoo; the trace is in the server's output."


def status_of(kind: type[errors.ZooError]) -> int:
    """Give the status of an error's nearest kind in the table."""
    return next(STATUS[parent] for parent in kind.__mro__ if parent in STATUS)


def install(app: Flask) -> None:
    """Have the app answer every error in the one shape."""
    app.register_error_handler(errors.ZooError, _answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(RequestEntityTooLarge, _answer_too_large)
    app.register_error_handler(OSError, _answer_os)


def _answer(error: errors.ZooError) -> tuple[Response, int]:
    drain()
    status = status_of(type(error))
    response = _page(status, error.code, str(error), error.hint) or jsonify(error.as_json())
    response.headers.update(headers_of(error))
    return response, status


def _page(status: int, code: str, message: str, hint: str) -> Response | None:
    """Draw the error for those who name text/html, as browsers do and other clients do not."""
    if not any(kind == "text/html" for kind, _ in request.accept_mimetypes):
        return None
    page: Response = current_app.extensions[ERROR_PAGE](status, code, message, hint)
    return page


def headers_of(error: errors.ZooError) -> dict[str, str]:
    """Give the headers that go with an error, in whatever shape it is told."""
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="zoo"'}
    if isinstance(error, errors.TooManyRequests | errors.Overloaded):
        return {"Retry-After": str(error.detail.get("retry_after_s", 1))}
    return {}


def _answer_http(error: HTTPException) -> tuple[Response, int]:
    """Put what the framework refuses (unknown address, wrong method, bad range) into our shape."""
    drain()
    status = error.code or FAULTS
    code = (error.name or "error").lower().replace(" ", "_")
    body: dict[str, Any] = {
        "code": code,
        "message": error.description or error.name,
        "hint": ADDRESSES if status < FAULTS else FAULT,
        "detail": {"path": request.path, "method": request.method},
    }
    told = {"error": body["message"] if _is_protocol() else body}
    response = _page(status, code, body["message"], body["hint"]) or jsonify(told)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "content-range", "retry-after"}:
            response.headers[name] = value
    return response, status


def _is_protocol() -> bool:
    """Tell whether an address that is not there, or not so, is one of the inference protocol."""
    return request.path == PROTOCOL or request.path.startswith(f"{PROTOCOL}/")


def _answer_too_large(_error: RequestEntityTooLarge) -> tuple[Response, int]:
    """Say how much this address takes; text fields and the number of parts are bounded too."""
    most = request.max_content_length
    message = f"The body has more than {most} bytes, or more parts than this address takes."
    return _answer(errors.TooLarge(message, most_bytes=most))


def _answer_os(error: OSError) -> tuple[Response, int]:
    """Say that a disk is full where that is why; anything else is a fault of the server."""
    if errors.is_full(error):
        return _answer(errors.storage_full(error))
    raise error


def drain() -> None:
    """Read the rest of the body: a client that still sends would not hear the answer."""
    # What is too long for one address is read away all the same.
    request.max_content_length = None
    try:
        while request.stream.read(DRAIN_BYTES):
            pass
    except (HTTPException, OSError, errors.BadRequest):
        return  # The body is longer than we take, or damaged, or the client is gone.
