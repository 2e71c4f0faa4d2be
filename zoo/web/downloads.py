"""Giving files of the store: by ranges, with their digest as ETag, never shown in a page."""

import mimetypes
from pathlib import Path

from flask import Response, send_file

from zoo.domain.revision import File

UNKNOWN = "application/octet-stream"


def send_local(local: Path, file: File) -> Response:
    """Answer with a file of a revision; the kernel sends it where the server can have it so."""
    kind, _ = mimetypes.guess_type(file.path)
    return send_file(
        local,
        mimetype=kind or UNKNOWN,
        as_attachment=True,
        download_name=file.path.rpartition("/")[2],
        conditional=True,
        etag=file.digest,
        max_age=None,
    )
