"""What clients of the Hub change: repositories, branches, tags, and files by commits."""

import base64
import binascii
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.domain.revision import MAIN, Blob, RefKind, Revision
from zoo.errors import (
    BadRequest,
    Forbidden,
    MalformedCard,
    ModelExists,
    ModelNotFound,
    TooLarge,
    Unsupported,
)
from zoo.operations import fetch, models, refs
from zoo.operations.commit import Change, check_writable, commit, find_proven, keep_content
from zoo.operations.facts import check_card
from zoo.operations.opening import Zoo
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, limit_body
from zoo.web.hub import answers, errors
from zoo.web.hub.bodies import (
    BranchBody,
    CreateBody,
    DeleteBody,
    MoveBody,
    PreuploadBody,
    PreuploadFile,
    SettingsBody,
    TagBody,
    YamlBody,
    read_json,
)

bp = Blueprint("hub_writing", __name__)
errors.install(bp)

# Bytes that may come inside a commit's JSON; anything larger is sent by itself, as a stream.
REGULAR_BYTES = 2**20
LONGEST_LINE = 2**21  # of a commit: such a file in base64, and its path
MOST_COMMIT_BYTES = 2**28
MOST_LINES = 100_000
OID = re.compile(r"[0-9a-f]{64}")
MOST_LETTERS = 10_000  # of a message, which every list of revisions tells


@bp.post("/api/repos/create")
@needs(Need.WRITE)
def create_repo() -> ResponseReturnValue:
    """Make a model; without an owner in its name it is the caller's own."""
    body = read_json(CreateBody)
    _check_type(body.type)
    zoo = current_zoo()
    name = _full_name(zoo, body.organization, body.name)
    try:
        models.create_model(zoo, name, is_private=body.is_private)
    except ModelExists as error:
        response, status = errors.answer(error)
        response.data = json.dumps({"error": str(error), "url": _url(name)})
        return response, status
    return jsonify({"url": _url(name), "name": name, "id": name})


@bp.delete("/api/repos/delete")
@needs(Need.WRITE)
def delete_repo() -> ResponseReturnValue:
    """Delete a model, so that it can be restored until it is swept."""
    body = read_json(DeleteBody)
    _check_type(body.type)
    zoo = current_zoo()
    models.delete_model(zoo, _known_name(zoo, body.organization, body.name))
    return jsonify({})


@bp.post("/api/repos/move")
@needs(Need.WRITE)
def move_repo() -> ResponseReturnValue:
    """Rename a model; it is still found under the name it had."""
    body = read_json(MoveBody)
    _check_type(body.type)
    models.rename_model(current_zoo(), body.from_repo, body.to_repo)
    return jsonify({"url": _url(body.to_repo)})


@bp.put("/api/models/<model:name>/settings")
@needs(Need.WRITE)
def put_settings(name: str) -> ResponseReturnValue:
    """Make a model private or public."""
    body = read_json(SettingsBody)
    if body.gated not in {None, False}:
        raise Unsupported("Gated models are not known here.", hint="Make it private instead.")
    private = body.private if body.visibility is None else body.visibility == "private"
    if private is not None:
        models.set_private(current_zoo(), name, is_private=private)
    return jsonify({"private": private})


@bp.post("/api/models/<model:name>/branch/<ref:ref>")
@needs(Need.WRITE)
def create_branch(name: str, ref: str) -> ResponseReturnValue:
    """Add a branch."""
    target = read_json(BranchBody).starting_point or MAIN
    refs.add_ref(current_zoo(), name, ref, target=target, kind=RefKind.BRANCH)
    return jsonify({}), 201


@bp.delete("/api/models/<model:name>/branch/<ref:ref>")
@needs(Need.WRITE)
def delete_branch(name: str, ref: str) -> ResponseReturnValue:
    """Delete a branch; its revisions stay."""
    refs.delete_ref(current_zoo(), name, ref, kind=RefKind.BRANCH)
    return jsonify({})


@bp.post("/api/models/<model:name>/tag/<ref:ref>")
@needs(Need.WRITE)
def create_tag(name: str, ref: str) -> ResponseReturnValue:
    """Add a tag at a revision."""
    refs.add_ref(current_zoo(), name, read_json(TagBody).tag, target=ref, kind=RefKind.TAG)
    return jsonify({}), 201


@bp.delete("/api/models/<model:name>/tag/<ref:ref>")
@needs(Need.WRITE)
def delete_tag(name: str, ref: str) -> ResponseReturnValue:
    """Delete a tag; its revision stays."""
    refs.delete_ref(current_zoo(), name, ref, kind=RefKind.TAG)
    return jsonify({})


@bp.post("/api/validate-yaml")
@needs(Need.NOBODY)  # Some clients ask without their token; nothing is told or kept.
def validate_yaml() -> ResponseReturnValue:
    """Look at a card before it is sent."""
    body = read_json(YamlBody)
    try:
        check_card(body.content)
    except MalformedCard as error:
        return jsonify({"errors": [{"message": str(error)}], "warnings": []}), 400
    return jsonify({"errors": [], "warnings": []})


@bp.post("/api/models/<model:name>/preupload/<ref:ref>")
@needs(Need.WRITE)
def preupload(name: str, ref: str) -> ResponseReturnValue:
    """Say how each file is to be sent, and what lies at its path by now."""
    body = read_json(PreuploadBody)
    zoo = current_zoo()
    revision = fetch.get_revision(zoo, f"{check_writable(zoo, name)}@{ref}")
    return jsonify({"files": [_tell_upload(zoo, revision, file) for file in body.files]})


@bp.post("/api/models/<model:name>/commit/<ref:ref>")
@needs(Need.WRITE)
def post_commit(name: str, ref: str) -> ResponseReturnValue:
    """Publish a branch with some files sent and some deleted."""
    if request.args.get("create_pr") in {"1", "true"}:
        raise Unsupported("There are no pull requests here.", hint="Commit to a branch instead.")
    zoo = current_zoo()
    current = check_writable(zoo, name)
    limit_body(MOST_COMMIT_BYTES)
    draft = _Draft(zoo, current)
    for line in _read_lines():
        draft.add(line)
    revision = commit(zoo, draft.change(ref))
    return jsonify(
        {
            "success": True,
            "commitOid": revision.id,
            "commitUrl": f"{_url(revision.model)}/commit/{revision.id}",
            "hookOutput": "",
        }
    )


@dataclass(slots=True)
class _Draft:
    """A commit while its lines are read; what comes inside is kept at once."""

    zoo: Zoo
    model: str
    header: dict[str, Any] | None = None
    added: dict[str, Blob] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)  # path -> digest of bytes sent before
    deleted: list[str] = field(default_factory=list)

    def add(self, line: dict[str, Any]) -> None:
        """Take one line in.

        Raises:
            BadRequest: it is none of a commit's.
        """
        key, value = line.get("key"), line.get("value")
        if not isinstance(value, dict):
            raise BadRequest("A line of the commit has no value.")
        if key == "header":
            self.header = value
        elif key == "file":
            path, content = _path(value), _decode(value)
            self.added[path] = keep_content(self.zoo, self.model, content)
        elif key == "lfsFile":
            self.named[_path(value)] = _oid(value)
        elif key == "deletedFile":
            self.deleted.append(_path(value))
        elif key == "deletedFolder":
            self.deleted.append(_path(value).rstrip("/") + "/")
        else:
            raise BadRequest(f"A commit has no lines of the kind {str(key)[:40]!r}.")

    def change(self, ref: str) -> Change:
        """Give the whole commit.

        Raises:
            BadRequest: it has no header.
            Forbidden: it names bytes that the caller has neither sent nor may read.
        """
        if self.header is None or not isinstance(self.header.get("summary"), str):
            raise BadRequest("The commit has no header with a summary.")
        proven = find_proven(self.zoo, self.model, self.named.values())
        missing = sorted(path for path, digest in self.named.items() if digest not in proven)
        if missing:
            raise Forbidden(
                f"The bytes of {', '.join(missing[:5])} were not sent here.",
                hint="Upload the files before they are named in a commit.",
                paths=missing[:100],
            )
        parent = self.header.get("parentCommit")
        description = self.header.get("description") or ""
        message = f"{self.header['summary']}\n\n{description}".strip().replace("\0", "")
        if len(message) > MOST_LETTERS:
            raise BadRequest(f"The message of the commit has more than {MOST_LETTERS} letters.")
        return Change(
            model=self.model,
            ref=ref,
            message=message,
            added=self.added | {path: proven[digest] for path, digest in self.named.items()},
            deleted=tuple(self.deleted),
            on_top_of=str(parent) if parent else None,
        )


def _read_lines() -> Iterator[dict[str, Any]]:
    """Read the body a line at a time, so that it is never in memory as a whole."""
    body = io.BufferedReader(request.stream)  # type: ignore[type-var]  # a raw stream of bytes
    for number in range(MOST_LINES):
        line = body.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise TooLarge(
                f"Line {number + 1} of the commit is longer than {LONGEST_LINE} bytes.",
                hint="Files of that size are uploaded by themselves, before the commit.",
            )
        if not line.strip():
            continue
        try:
            read = json.loads(line)
            if b"\\ud" in line.lower():  # Half a letter is JSON, and no text.
                json.dumps(read, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"Line {number + 1} of the commit is not JSON.") from error
        if not isinstance(read, dict):
            raise BadRequest(f"Line {number + 1} of the commit is no JSON object.")
        yield read
    raise TooLarge(f"A commit has at most {MOST_LINES} lines.", hint="Send several.")


def _path(value: dict[str, Any]) -> str:
    path = value.get("path")
    if not isinstance(path, str) or not path:
        raise BadRequest("A line of the commit has no path.")
    return path


def _oid(value: dict[str, Any]) -> str:
    oid = value.get("oid")
    if not isinstance(oid, str) or not OID.fullmatch(oid):
        raise BadRequest(f"The file {_path(value)!r} of the commit is not named by its sha256.")
    return oid


def _decode(value: dict[str, Any]) -> bytes:
    content = value.get("content")
    if not isinstance(content, str):
        raise BadRequest(f"The file {_path(value)!r} of the commit has no content.")
    if value.get("encoding", "utf-8") != "base64":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"The content of {_path(value)!r} is not base64.") from error


def _tell_upload(zoo: Zoo, revision: Revision, file: PreuploadFile) -> dict[str, Any]:
    """Say how a file is to be sent: inside the commit, or by itself."""
    is_small = 0 <= file.size <= REGULAR_BYTES and not _is_binary(file.sample)
    told: dict[str, Any] = {
        "path": file.path,
        "uploadMode": "regular" if is_small or file.size == 0 else "lfs",
        "shouldIgnore": False,
    }
    known = revision.find_file(file.path)
    if known is not None and told["uploadMode"] == "lfs":
        told["oid"] = known.digest
    elif known is not None and known.size_bytes <= REGULAR_BYTES:
        _, local = fetch.get_file(zoo, revision, file.path)
        told["oid"] = answers.git_digest(local.read_bytes())
    return told


def _is_binary(sample: str) -> bool:
    """Tell whether the first bytes of a file are no text."""
    try:
        return b"\0" in base64.b64decode(sample, validate=True)
    except (binascii.Error, ValueError):
        return True


def _full_name(zoo: Zoo, owner: str | None, name: str) -> str:
    """Name a new model; without an owner it is the caller's own."""
    if owner is None and "/" in name:
        return name
    return f"{owner or zoo.caller.account}/{name}"


def _known_name(zoo: Zoo, owner: str | None, name: str) -> str:
    """Name a model that is there; one without an owner may be the zoo's or the caller's own."""
    if owner is not None or "/" in name:
        return f"{owner}/{name}" if owner else name
    own = f"{zoo.caller.account}/{name}"
    try:
        return fetch.get_model(zoo, own).name
    except ModelNotFound:
        return name


def _check_type(kind: str | None) -> None:
    if kind not in {None, "model"}:
        raise Unsupported(
            f"Repositories of the kind {kind[:40] if kind else kind!r} are not kept here.",
            hint="Models are; datasets of pictures come by `zoo datasets add`.",
        )


def _url(name: str) -> str:
    return f"{request.host_url}{name}"
