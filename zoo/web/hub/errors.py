"""Our errors in the Hub's words: clients turn X-Error-Code into their own exceptions."""

from flask import Blueprint, Response, g, jsonify
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from zoo import errors
from zoo.domain.access import ANONYMOUS
from zoo.web.answers import drain, status_of

CODES: dict[type[errors.ZooError], str] = {
    errors.ModelNotFound: "RepoNotFound",
    errors.RevisionNotFound: "RevisionNotFound",
    errors.FileNotFound: "EntryNotFound",
}
MOST_LETTERS = 800  # of a header


def install(bp: Blueprint) -> None:
    """Have a blueprint answer errors as the Hub does."""
    bp.register_error_handler(errors.ZooError, answer)
    bp.register_error_handler(RequestEntityTooLarge, _answer_too_large)
    bp.register_error_handler(HTTPException, _answer_http)


def answer(error: errors.ZooError) -> tuple[Response, int]:
    """Write an error down for a client of the Hub."""
    drain()
    status = status_of(type(error))
    told = f"{error} {error.hint}"
    response = jsonify({"error": told, "code": error.code})
    code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
    if isinstance(error, errors.Unauthenticated):
        # To a stranger every repository is one that is not there.
        code, response.headers["WWW-Authenticate"] = "RepoNotFound", 'Bearer realm="zoo"'
        response.headers["LFS-Authenticate"] = 'Basic realm="zoo"'  # how git-lfs shows a token
    if isinstance(error, errors.ModelNotFound) and g.get("caller", ANONYMOUS).is_anonymous:
        status = 401
    if isinstance(error, errors.TooManyRequests):
        response.headers["Retry-After"] = str(error.detail.get("retry_after_s", 1))
    if code is not None:
        response.headers["X-Error-Code"] = code
    revision = g.get("revision")  # With it a client remembers that the file is not there.
    if revision is not None:
        response.headers["X-Repo-Commit"] = revision
    response.headers["X-Error-Message"] = _header(told)
    return response, status


def _answer_too_large(_error: RequestEntityTooLarge) -> tuple[Response, int]:
    return answer(errors.TooLarge("The body is larger than this address takes."))


def _answer_http(error: HTTPException) -> tuple[Response, int]:
    drain()
    status = error.code or 500
    return jsonify({"error": error.description or error.name}), status


def _header(text: str) -> str:
    """Give what of a text may stand in a header: names out of requests could hold anything."""
    plain = text.encode("ascii", "replace").decode()
    return "".join(one if one.isprintable() else " " for one in plain)[:MOST_LETTERS]
