"""Large files: asked for in batches, sent whole or in parts to addresses that carry a signature."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.domain.access import Caller
from zoo.domain.revision import Blob, File
from zoo.errors import BadRequest, Conflict, TooLarge, Unauthenticated, Unsupported
from zoo.operations.commit import check_writable, find_proven, keep_upload
from zoo.operations.fetch import find_sizes, get_model
from zoo.operations.opening import Zoo
from zoo.operations.quotas import check_room
from zoo.operations.signing import read_signed, sign
from zoo.operations.waiting import PARTS, check_waiting, waiting_folder
from zoo.web.access import Need, needs
from zoo.web.body import read_pieces
from zoo.web.context import current_zoo, limit_body
from zoo.web.downloads import send_kept
from zoo.web.hub import errors
from zoo.web.hub.bodies import LfsBatchBody, LfsCompleteBody, LfsObject, read_json

bp = Blueprint("hub_lfs", __name__)
errors.install(bp)

MEDIA = "application/vnd.git-lfs+json"
UPLOAD, DOWNLOAD = "lfs upload", "lfs download"
HOLDS_S = 24 * 3600  # how long an address to send to may be used
READS_S = 3600  # and one to read from, whatever becomes of the model or the token meanwhile
MOST_PARTS = 20_000  # addresses in one answer
CHUNK_BYTES = 2**20


class _PartsMissing(Exception):
    """Parts of an object are not there."""

    def __init__(self, numbers: list[int]) -> None:
        super().__init__(numbers)
        self.numbers = numbers


@bp.post("/<model:name>.git/info/lfs/objects/batch")
@needs(Need.READ)
def batch(name: str) -> ResponseReturnValue:
    """Say where each object is to be sent to or fetched from."""
    body = read_json(LfsBatchBody)
    if body.hash_algo != "sha256":
        raise Unsupported("Objects are named by sha256 here.")
    zoo = current_zoo()
    if body.operation == "upload":
        if zoo.caller.is_anonymous:
            raise Unauthenticated  # By which git-lfs knows that it has to ask for a token.
        current = check_writable(zoo, name)
        _check_sizes(zoo, body)
        check_room(
            zoo, current, [Blob(digest=one.oid, size_bytes=one.size) for one in body.objects]
        )
        transfer = "multipart" if _is_parted(zoo, body) else "basic"
        objects = _tell_uploads(zoo, current, body, transfer)
    elif body.operation == "download":
        current, transfer = get_model(zoo, name).name, "basic"
        objects = _tell_downloads(zoo, current, body)
    else:
        raise BadRequest(f"There is no operation {body.operation[:40]!r}.")
    told = {"transfer": transfer, "objects": objects, "hash_algo": "sha256"}
    response = jsonify(told)
    response.mimetype = MEDIA
    return response


@bp.put("/lfs/<signed>")
@needs(Need.SIGNED)
def put_object(signed: str) -> ResponseReturnValue:
    """Take in an object, or a part of one."""
    zoo, permission = _open_signed(UPLOAD, signed)
    size_bytes = permission["bytes"]
    limit_body(size_bytes + 1)  # A chunked body that ends at the limit could go on.
    if request.content_length is not None and request.content_length != size_bytes:
        raise BadRequest(
            f"The body has {request.content_length} bytes, and {size_bytes} were announced."
        )
    if "part" in permission:
        return _etag(_put_part(zoo, permission))
    announced = Blob(digest=permission["oid"], size_bytes=size_bytes)
    blob = keep_upload(zoo, permission["model"], read_pieces(), announced=announced)
    return _etag(blob.digest)


@bp.post("/lfs/<signed>")
@needs(Need.SIGNED)
def complete_object(signed: str) -> ResponseReturnValue:
    """Put the parts of an object together; said again when that is done, it is done."""
    zoo, permission = _open_signed(UPLOAD, signed)
    body = read_json(LfsCompleteBody)
    folder = _parts_folder(zoo, permission["upload"])
    given = {part.number: part.etag.strip('"') for part in body.parts}
    wanted = range(1, permission["parts"] + 1)
    if body.oid != permission["oid"] or len(given) != len(body.parts) or set(given) != set(wanted):
        raise BadRequest(f"The upload has the parts 1 to {permission['parts']}, each once.")
    announced = Blob(digest=permission["oid"], size_bytes=permission["size"])
    try:
        parts = _find_parts(folder, given)
        keep_upload(zoo, permission["model"], _joined(parts), announced=announced)
    except _PartsMissing as error:
        # Whoever said it first may have had them put together, and its answer was lost.
        found = find_proven(zoo, permission["model"], [announced.digest])
        if found.get(announced.digest) != announced:
            raise Conflict(
                f"Parts {error.numbers[:10]} were not sent, or are other than told.",
                hint="Send them again, then complete the upload.",
                parts=error.numbers[:100],
            ) from error
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return jsonify({"oid": permission["oid"]})


@bp.get("/lfs/<signed>")
@needs(Need.SIGNED)
def get_object(signed: str) -> ResponseReturnValue:
    """Give an object's bytes."""
    zoo, permission = _open_signed(DOWNLOAD, signed, seconds=READS_S)
    digest = permission["oid"]
    return send_kept(zoo, File(path=digest, digest=digest, size_bytes=permission["size"]))


def _tell_uploads(zoo: Zoo, model: str, body: LfsBatchBody, transfer: str) -> list[dict[str, Any]]:
    """Tell where objects go; those that the caller has sent or may read need not be sent."""
    known = find_proven(zoo, model, [one.oid for one in body.objects])
    told = []
    for one in body.objects:
        entry: dict[str, Any] = {"oid": one.oid, "size": one.size, "authenticated": True}
        if not _is_known(known.get(one.oid), one):
            make = _tell_parts if transfer == "multipart" else _tell_whole
            entry["actions"] = {"upload": make(zoo, model, one)}
        told.append(entry)
    return told


def _check_sizes(zoo: Zoo, body: LfsBatchBody) -> None:
    """Refuse objects that would not be taken, before an address for each part is made.

    Raises:
        TooLarge: one has too many bytes, or all of them too many parts.
    """
    most, part_bytes = zoo.settings.max_upload_bytes, zoo.settings.upload_part_bytes
    largest = max((one.size for one in body.objects), default=0)
    if largest > most:
        raise TooLarge(f"An object has {largest} bytes; at most {most} are taken here.")
    if sum(-(-one.size // part_bytes) for one in body.objects) > MOST_PARTS:
        raise TooLarge(
            f"The objects come in more than {MOST_PARTS} parts of {part_bytes} bytes.",
            hint="Ask for fewer at a time.",
        )


def _is_known(blob: Blob | None, one: LfsObject) -> bool:
    return blob is not None and blob.size_bytes == one.size


def _tell_whole(zoo: Zoo, model: str, one: LfsObject) -> dict[str, Any]:
    permission = _permission(zoo, model, one) | {"bytes": one.size}
    return {"href": _address(sign(zoo, UPLOAD, permission)), "expires_in": HOLDS_S}


def _tell_parts(zoo: Zoo, model: str, one: LfsObject) -> dict[str, Any]:
    """Tell an address for each part, and one to say that all were sent."""
    part_bytes = zoo.settings.upload_part_bytes
    count = max(1, -(-one.size // part_bytes))
    permission = _permission(zoo, model, one) | {
        "upload": secrets.token_hex(16),
        "size": one.size,
        "parts": count,
    }
    header = {"chunk_size": str(part_bytes)}
    for number in range(1, count + 1):
        size_bytes = min(part_bytes, one.size - (number - 1) * part_bytes)
        part = permission | {"part": number, "bytes": size_bytes}
        header[str(number)] = _address(sign(zoo, UPLOAD, part))
    href = _address(sign(zoo, UPLOAD, permission))
    return {"href": href, "header": header, "expires_in": HOLDS_S}


def _permission(zoo: Zoo, model: str, one: LfsObject) -> dict[str, Any]:
    return {"model": model, "oid": one.oid, "account": zoo.caller.account}


def _tell_downloads(zoo: Zoo, model: str, body: LfsBatchBody) -> list[dict[str, Any]]:
    sizes = find_sizes(zoo, model, [one.oid for one in body.objects])
    told = []
    for one in body.objects:
        entry: dict[str, Any] = {"oid": one.oid, "size": sizes.get(one.oid, one.size)}
        if one.oid in sizes:
            permission = {
                "oid": one.oid,
                "size": sizes[one.oid],
                "account": zoo.caller.account,
            }
            href = _address(sign(zoo, DOWNLOAD, permission))
            entry["actions"] = {"download": {"href": href, "expires_in": READS_S}}
        else:
            entry["error"] = {"code": 404, "message": "The model has no such object."}
        told.append(entry)
    return told


def _is_parted(zoo: Zoo, body: LfsBatchBody) -> bool:
    """Tell whether files are sent in parts: the client can, and one is large."""
    largest = max((one.size for one in body.objects), default=0)
    return "multipart" in body.transfers and largest > zoo.settings.upload_part_bytes


def _open_signed(
    purpose: str, signed: str, *, seconds: int = HOLDS_S
) -> tuple[Zoo, dict[str, Any]]:
    """Give the zoo as whoever an address was made for, and what it permits."""
    zoo = current_zoo()
    permission = read_signed(zoo, purpose, signed, seconds=seconds)
    caller = Caller(account=permission["account"], address=request.remote_addr)
    return replace(zoo, caller=caller), permission


def _put_part(zoo: Zoo, permission: dict[str, Any]) -> str:
    """Keep a part until the object is complete; its name says its number and digest."""
    check_waiting(zoo, permission["model"])
    folder = _parts_folder(zoo, permission["upload"])
    folder.mkdir(parents=True, exist_ok=True)
    fresh, sha256, size_bytes = folder / secrets.token_hex(16), hashlib.sha256(), 0
    try:
        with fresh.open("xb") as file:
            for chunk in read_pieces():
                sha256.update(chunk)
                file.write(chunk)
                size_bytes += len(chunk)
        if size_bytes != permission["bytes"]:
            raise BadRequest(f"The part has {size_bytes} bytes, not {permission['bytes']}.")
        part = folder / f"{permission['part']}-{sha256.hexdigest()}"
        fresh.replace(part)
    finally:
        fresh.unlink(missing_ok=True)
    for other in folder.glob(f"{permission['part']}-*"):
        if other != part:  # One part takes the place of another, so that they do not pile up.
            other.unlink(missing_ok=True)
    return sha256.hexdigest()


def _parts_folder(zoo: Zoo, upload: str) -> Path:
    return waiting_folder(zoo, PARTS) / upload


def _find_parts(folder: Path, etags: Mapping[int, str]) -> dict[int, Path]:
    """Give where parts are, by number and in that order.

    Raises:
        _PartsMissing: some are not there.
    """
    paths = {
        number: folder / f"{number}-{etags[number]}"
        for number in sorted(etags)
        if etags[number].isalnum()
    }
    missing = [one for one in sorted(etags) if one not in paths or not paths[one].is_file()]
    if missing:
        raise _PartsMissing(missing)
    return paths


def _joined(parts: Mapping[int, Path]) -> Iterator[bytes]:
    """Read parts one after another.

    Raises:
        _PartsMissing: one was taken away meanwhile.
    """
    for number, path in parts.items():
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            raise _PartsMissing([number]) from error
        with file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _address(signed: str) -> str:
    return f"{request.host_url}lfs/{signed}"


def _etag(digest: str) -> Response:
    response = jsonify({})
    response.headers["ETag"] = f'"{digest}"'
    return response
