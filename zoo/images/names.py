"""Names of files as others wrote them: which are safe, and how to show the odd ones."""

import re

from zoo.errors import UnsafeArchive


def safe_path(raw: str, *, archive: str) -> str:
    """Give an archive member's name as a relative path with ``/``, without ``.`` and empty parts.

    Backslashes count as slashes, since some programs for Windows write them.

    Raises:
        UnsafeArchive: the name is absolute, has a drive letter or a NUL, or climbs with ``..``.
    """
    path = raw.replace("\\", "/")
    parts = path.split("/")
    if path.startswith("/"):
        raise unsafe(archive, raw, "has an absolute name")
    if re.match("[A-Za-z]:", path):
        raise unsafe(archive, raw, "has a name with a drive letter")
    if ".." in parts:
        raise unsafe(archive, raw, "climbs out of its folder")
    if "\0" in path:
        raise unsafe(archive, raw, "has a NUL in its name")
    return "/".join(part for part in parts if part not in {"", "."})


def unsafe(archive: str, member: str, reason: str, *, hint: str | None = None) -> UnsafeArchive:
    """Make the error that refuses a whole archive for one of its members."""
    shown = printable(member)
    return UnsafeArchive(
        f"{archive}: member {shown!r} {reason}.", hint=hint, archive=archive, member=shown
    )


def printable(name: str) -> str:
    r"""Write a name in which bytes of another encoding are shown as ``\x`` and two digits."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_unicode(name: str) -> bool:
    """Tell whether a name can be stored and sent as text."""
    return printable(name) == name
