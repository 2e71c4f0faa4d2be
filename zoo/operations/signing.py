"""Addresses that carry their own permission: signed by the zoo, for a while."""

import contextlib
import os
import secrets
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from zoo.errors import Forbidden
from zoo.operations.opening import Zoo

KEY = "signing.key"
KEY_BYTES = 32


def sign(zoo: Zoo, purpose: str, permission: dict[str, Any]) -> str:
    """Write a permission down so that it can stand in an address and nobody else can make one."""
    signed: str = _serializer(zoo, purpose).dumps(permission)
    return signed


def read_signed(zoo: Zoo, purpose: str, signed: str, *, seconds: int) -> dict[str, Any]:
    """Give a permission that was signed for this purpose no longer ago than this.

    Raises:
        Forbidden: it is none of the zoo's, for something else, or too old.
    """
    try:
        permission: dict[str, Any] = _serializer(zoo, purpose).loads(signed, max_age=seconds)
    except BadData as error:
        raise Forbidden(
            "This address was not given out by this zoo, or it is too old.",
            hint="Ask for the upload once more; addresses hold for a while only.",
        ) from error
    return permission


def _serializer(zoo: Zoo, purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_read_key(zoo), salt=purpose)


def _read_key(zoo: Zoo) -> bytes:
    """Read the zoo's own key; the first who asks makes it, for all processes of the home."""
    if zoo.settings.signing_key:
        return zoo.settings.signing_key.encode()
    path = zoo.settings.home / KEY
    if not path.exists():
        fresh = path.with_name(f"{KEY}.{secrets.token_hex(8)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(KEY_BYTES))
            os.fsync(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)  # Of two who make one at once, the first's holds.
        finally:
            os.close(descriptor)
            fresh.unlink()
    return path.read_bytes()
