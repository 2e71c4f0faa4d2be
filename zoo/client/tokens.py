"""The tokens of other zoos, kept in a file that only their user reads."""

import json
import os
from pathlib import Path

from zoo.errors import BadSetting

FOLDER = "~/.config/zoo"
FILE = "tokens.json"


def find_token(url: str) -> str | None:
    """Give the token that was kept for a zoo."""
    return _read().get(url.rstrip("/"))


def keep_token(url: str, token: str | None) -> Path:
    """Keep the token of a zoo, or forget it; the file is replaced as a whole."""
    tokens = _read()
    if token is None:
        tokens.pop(url.rstrip("/"), None)
    else:
        tokens[url.rstrip("/")] = token
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{FILE}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(tokens, file, indent=2)
    fresh.replace(path)
    return path


def _read() -> dict[str, str]:
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BadSetting(
            f"{_path()} cannot be read: {error}.", hint="Remove it, and log in again: zoo login"
        ) from error
    return {str(url): str(token) for url, token in found.items()} if isinstance(found, dict) else {}


def _path() -> Path:
    return Path(FOLDER).expanduser() / FILE
