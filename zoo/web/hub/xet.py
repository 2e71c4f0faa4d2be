"""The default way of uploading: xorbs and shards, at a content-addressed server inside this one."""

import re
import time
from dataclasses import replace

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.domain.access import Caller
from zoo.errors import BadRequest, Unauthenticated
from zoo.operations.commit import check_writable
from zoo.operations.opening import Zoo
from zoo.operations.signing import read_signed, sign
from zoo.operations.xet import MOST_SHARD_BYTES, MOST_XORB_BYTES, keep_xorb, take_shard
from zoo.web.access import Need, needs
from zoo.web.body import read_pieces
from zoo.web.context import current_zoo, limit_body
from zoo.web.hub import errors

bp = Blueprint("hub_xet", __name__)
errors.install(bp)

PURPOSE = "xet upload"
HOLDS_S = 3600
HASH = re.compile(r"[0-9a-f]{64}")


@bp.get("/api/models/<model:name>/xet-write-token/<ref:ref>")
@needs(Need.WRITE)
def get_write_token(name: str, ref: str) -> ResponseReturnValue:  # noqa: ARG001  # in the address
    """Give a token for sending chunks of a model's files."""
    zoo = current_zoo()
    current = check_writable(zoo, name)
    token = sign(zoo, PURPOSE, {"model": current, "account": zoo.caller.account})
    expires = int(time.time()) + HOLDS_S
    server = f"{request.host_url}xet"
    response = jsonify({"casUrl": server, "exp": expires, "accessToken": token})
    response.headers["X-Xet-Cas-Url"] = server
    response.headers["X-Xet-Token-Expiration"] = str(expires)
    response.headers["X-Xet-Access-Token"] = token
    return response


@bp.post("/xet/v1/xorbs/default/<digest>")
@needs(Need.SIGNED)
def post_xorb(digest: str) -> ResponseReturnValue:
    """Take in chunks."""
    zoo, model = _open_signed()
    if not HASH.fullmatch(digest):
        raise BadRequest("A xorb is named by 64 hex digits.")
    limit_body(MOST_XORB_BYTES)
    return jsonify({"was_inserted": keep_xorb(zoo, model, digest, read_pieces())})


@bp.post("/xet/v1/shards")
@needs(Need.SIGNED)
def post_shard() -> ResponseReturnValue:
    """Put files together of the chunks that were sent."""
    zoo, model = _open_signed()
    limit_body(MOST_SHARD_BYTES)
    take_shard(zoo, model, request.get_data(cache=False))
    return jsonify({"result": 1})


def _open_signed() -> tuple[Zoo, str]:
    """Give the zoo as whoever a token was made for, and the model it was made for."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    zoo = current_zoo()
    permission = read_signed(zoo, PURPOSE, token.strip(), seconds=HOLDS_S)
    caller = Caller(account=permission["account"], address=request.remote_addr)
    return replace(zoo, caller=caller), permission["model"]
