"""What clients of the Hub read: models, files, trees, refs, commits, and who they are."""

from collections.abc import Iterator
from heapq import nsmallest
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.domain.access import EVERY_OWNER, Role
from zoo.domain.revision import MAIN, Model, Revision
from zoo.errors import (
    BadName,
    BadRequest,
    FileNotFound,
    ModelNotFound,
    RevisionNotFound,
    Unauthenticated,
)
from zoo.operations import fetch, refs, statistics
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, limit_body
from zoo.web.counting import count_download
from zoo.web.downloads import send_kept
from zoo.web.hub import answers, errors

bp = Blueprint("hub_reading", __name__)
errors.install(bp)

PAGE = 1000  # entries of a tree, models of a list
SHOWN = 100
LONGEST_COUNT = 18  # digits that a database can compare


@bp.get("/<model:name>/resolve/<ref:ref>/<path:path>")
@bp.get("/api/models/<model:name>/resolve/<ref:ref>/<path:path>")
@needs(Need.READ)
def resolve(name: str, ref: str, path: str) -> ResponseReturnValue:
    """Give a file of a revision, or with HEAD what is known of it."""
    zoo = current_zoo()
    revision = _get_revision(name, ref)
    file = revision.get_file(path)
    response = send_kept(zoo, file)
    count_download(zoo, revision, path, response)
    response.headers["X-Repo-Commit"] = revision.id
    response.headers["X-Linked-Size"] = str(file.size_bytes)
    response.headers["X-Linked-Etag"] = f'"{file.digest}"'
    return response


@bp.get("/api/models")
@needs(Need.READ)
def list_models() -> ResponseReturnValue:
    """List models by name or downloads: those of an author, with a text in the name, with tags."""
    zoo = current_zoo()
    asked = request.args
    search, author = asked.get("search", ""), asked.get("author")
    tags = {tag for value in asked.getlist("filter") for tag in value.split(",") if tag}
    tags |= {asked["pipeline_tag"]} if asked.get("pipeline_tag") else set()
    limit = min(_number("limit", SHOWN), PAGE)
    is_full = asked.get("full", "").lower() in {"true", "1"}
    is_by_downloads = asked.get("sort") == "downloads"
    found: list[dict[str, Any]] = []
    after = asked.get("cursor", "")
    # Tags are in cards, which have to be read: of so many at a time. A page may be short, or even
    # empty, and still tell of a next one.
    chunk = PAGE if tags else limit
    models = _list_part(after, chunk, search, author, is_by_downloads=is_by_downloads)
    for model, downloads in models:
        after = f"{downloads}:{model.name}" if is_by_downloads else model.name
        if model.head is None:
            continue
        told = answers.tell_model(zoo, model, model.head, downloads=downloads, is_full=False)
        if tags <= {*told["tags"], told["pipeline_tag"]}:
            found.append(told if is_full else _shortened(told))
        if len(found) == limit:
            break
    if len(models) < chunk and len(found) < limit:
        return jsonify(found)
    return _paged(found, after)


@bp.get("/api/models/<model:name>")
@bp.get("/api/models/<model:name>/revision/<ref:ref>")
@needs(Need.READ)
def get_model(name: str, ref: str = MAIN) -> ResponseReturnValue:
    """Give a model at a revision."""
    model, revision = _get_model(name), _get_revision(name, ref)
    zoo = current_zoo()
    downloads = statistics.count_downloads(zoo, [model.name])[model.name]
    return jsonify(answers.tell_model(zoo, model, revision, downloads=downloads, is_full=True))


@bp.get("/api/models/<model:name>/tree/<ref:ref>")
@bp.get("/api/models/<model:name>/tree/<ref:ref>/<path:path>")
@needs(Need.READ)
def list_tree(name: str, ref: str, path: str = "") -> ResponseReturnValue:
    """List the files and folders of a revision, those in a folder, or all below it."""
    revision = _get_revision(name, ref)
    is_recursive = request.args.get("recursive", "").lower() in {"true", "1"}
    is_expanded = request.args.get("expand", "").lower() in {"true", "1"}
    entries = _entries(revision, path.rstrip("/"), is_recursive=is_recursive)
    first = next(entries, None)
    if path and first is None:
        raise FileNotFound(f"{revision.address} has no folder {path!r}.", path=path)
    after = request.args.get("cursor", "")
    limit = min(_number("limit", PAGE), PAGE)
    every = (entry for entry in chain([first] if first else [], entries) if entry > after)
    rest = nsmallest(limit + 1, every)
    told = [_entry(revision, one, is_expanded=is_expanded) for one in rest[:limit]]
    if len(rest) > limit:
        return _paged(told, rest[limit - 1])
    return jsonify(told)


@bp.post("/api/models/<model:name>/paths-info/<ref:ref>")
@needs(Need.READ)
def list_paths(name: str, ref: str) -> ResponseReturnValue:
    """Tell of the files and folders at some paths; those that are not there are left out."""
    limit_body(2**20)
    form = request.form or (request.get_json(silent=True) or {})
    if not isinstance(form, dict):
        raise BadRequest("The body is no JSON object.")
    paths = form.getlist("paths") if hasattr(form, "getlist") else form.get("paths", [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise BadRequest("paths is no list of texts.")
    is_expanded = str(form.get("expand", "")).lower() in {"true", "1"}
    revision = _get_revision(name, ref)
    asked = dict.fromkeys(path.rstrip("/") for path in paths)
    known = {one for one in _entries(revision, "", is_recursive=True) if one in asked}
    told = [_entry(revision, path, is_expanded=is_expanded) for path in asked if path in known]
    return jsonify(told)


@bp.get("/api/models/<model:name>/refs")
@needs(Need.READ)
def list_refs(name: str) -> ResponseReturnValue:
    """List branches and tags."""
    return jsonify(answers.tell_refs(refs.list_refs(current_zoo(), name)))


@bp.get("/api/models/<model:name>/commits/<ref:ref>")
@needs(Need.READ)
def list_commits(name: str, ref: str) -> ResponseReturnValue:
    """List the revisions that led to one, the newest first."""
    limit = min(_number("limit", SHOWN), SHOWN)
    after = request.args.get("cursor") or _plain(ref)
    found = refs.list_history(current_zoo(), name, after, limit=limit + 1)
    told = [answers.tell_commit(revision) for revision in found[:limit]]
    return _paged(told, found[limit].id) if len(found) > limit else jsonify(told)


@bp.get("/api/models/<model:name>/auth-check")
@needs(Need.READ)
def check_auth(name: str) -> ResponseReturnValue:
    """Tell whether the caller may read a model."""
    _get_model(name)
    return jsonify({})


@bp.get("/api/whoami-v2")
@needs(Need.READ)
def whoami() -> ResponseReturnValue:
    """Say who asks, in the Hub's words."""
    caller = current_zoo().caller
    if caller.is_anonymous:
        raise Unauthenticated
    held = [
        {"type": "org", "name": owner, "fullname": owner, "roleInOrg": role.value}
        for owner, role in sorted(caller.roles.items())
        if owner not in {"", EVERY_OWNER, caller.account}
    ]
    role = "write" if caller.may_somewhere(Role.WRITE) else "read"
    return jsonify(
        {
            "type": "user",
            "id": caller.account,
            "name": caller.account,
            "fullname": caller.account,
            "email": None,
            "isPro": False,
            "orgs": held,
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": caller.token or caller.account, "role": role},
            },
        }
    )


def _list_part(
    after: str, limit: int, search: str, owner: str | None, *, is_by_downloads: bool
) -> list[tuple[Model, int]]:
    """List models with their downloads, by name or the most downloaded first."""
    zoo = current_zoo()
    if not is_by_downloads:
        models = fetch.list_models(zoo, after=after, limit=limit, search=search, owner=owner)
        counts = statistics.count_downloads(zoo, [model.name for model in models])
        return [(model, counts[model.name]) for model in models]
    count, _, name = after.partition(":")
    if after and not (count.isdecimal() and len(count) <= LONGEST_COUNT):
        raise BadRequest("The cursor is none of this list.", cursor=after)
    place = (int(count), name) if after else None
    return statistics.list_popular(zoo, after=place, limit=limit, search=search, owner=owner)


def _get_model(name: str) -> Model:
    try:
        return fetch.get_model(current_zoo(), name)
    except BadName as error:
        raise ModelNotFound(str(error), name=name) from error


def _get_revision(name: str, ref: str) -> Revision:
    """Give a revision; an answer that says a file is missing says in which."""
    try:
        revision = fetch.get_revision(current_zoo(), f"{name}@{_plain(ref)}")
    except BadName as error:
        _get_model(name)
        raise RevisionNotFound(f"{name!r} has no revision {ref!r}.") from error
    g.revision = revision.id
    return revision


def _plain(ref: str) -> str:
    """Give a ref by its short name."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _entries(revision: Revision, folder: str, *, is_recursive: bool) -> Iterator[str]:
    """Go through the paths of the files and folders in a folder, or below it, each once.

    In the order of paths the files of one folder follow each other, so no more than one path has to
    be kept, however many there are and however deep.
    """
    prefix = f"{folder}/" if folder else ""
    before = ""
    for path in sorted(file.path for file in revision.files):
        if not path.startswith(prefix):
            continue
        end = path.find("/", len(prefix))
        while end >= 0:
            if not before.startswith(path[: end + 1]):
                yield path[:end]
            if not is_recursive:
                break
            end = path.find("/", end + 1)
        else:
            yield path
        before = path


def _entry(revision: Revision, path: str, *, is_expanded: bool) -> dict[str, Any]:
    file = revision.find_file(path)
    if file is None:
        return answers.tell_folder(path, revision, is_expanded=is_expanded)
    return answers.tell_file(file, revision, is_expanded=is_expanded)


def _shortened(told: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a model in a list what fills it up."""
    return {key: value for key, value in told.items() if key not in {"cardData", "siblings"}}


def _number(name: str, otherwise: int) -> int:
    try:
        return max(1, int(request.args.get(name, otherwise)))
    except ValueError as error:
        raise BadRequest(f"{name} is no number.", name=name) from error


def _paged(told: list[dict[str, Any]], after: str) -> Response:
    """Answer with a page, and with where the next one is."""
    response = jsonify(told)
    asked = [(key, value) for key, value in request.args.items(multi=True) if key != "cursor"]
    url = f"{request.base_url}?{urlencode([*asked, ('cursor', after)])}"
    response.headers["Link"] = f'<{url}>; rel="next"'
    return response
