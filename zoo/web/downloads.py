"""Giving files and archives: by ranges, with an ETag of what they hold, never shown in a page."""

import mimetypes
from pathlib import Path

from flask import Response, request, send_file
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import dump_options_header

from zoo.domain.dataset import FAITHFUL
from zoo.domain.revision import File
from zoo.operations.fetch import find_link
from zoo.operations.opening import Zoo
from zoo.operations.pack import PackedDataset

UNKNOWN = "application/octet-stream"
# A file of others that a browser opens all the same is a page of no site, and does nothing.
ALONE = "sandbox; default-src 'none'"
LEADING, NOT_MODIFIED = 302, 304


def send_kept(zoo: Zoo, file: File) -> Response:
    """Answer with a file that is kept, or lead to where the store itself gives its bytes.

    HEAD is answered here in any case: a signed address is one to GET. So is every browser: the
    store knows no name for a file but its digest, and pages show nothing of another host.
    """
    is_page = "Sec-Fetch-Mode" in request.headers
    link = None if is_page else find_link(zoo, file)
    if link is None:
        return _send_local(zoo.blobs.local_path(file.digest), file)
    kind, _ = mimetypes.guess_type(file.path)
    response = Response(mimetype=kind or UNKNOWN)
    response.headers["Accept-Ranges"] = "bytes"
    response.content_length = file.size_bytes
    response.set_etag(file.digest)
    response.make_conditional(request)
    if request.method == "HEAD" or response.status_code == NOT_MODIFIED:
        return response
    leading = Response(status=LEADING, headers={"Location": link})
    leading.headers["Cache-Control"] = "no-store"  # The address ends sooner than the file.
    leading.headers["Referrer-Policy"] = "no-referrer"
    return leading


def _send_local(local: Path, file: File) -> Response:
    """Answer with a file of this machine; the kernel sends it where the server can have it so."""
    kind, _ = mimetypes.guess_type(file.path)
    response = send_file(
        local,
        mimetype=kind or UNKNOWN,
        as_attachment=True,
        download_name=file.path.rpartition("/")[2],
        conditional=True,
        etag=file.digest,
        max_age=None,
    )
    response.headers["Content-Security-Policy"] = ALONE
    return response


def send_packed(packed: PackedDataset) -> Response:
    """Answer with an archive that is made while it is sent, or with a range of it."""
    size = packed.archive.size_bytes
    asked = _read_range(packed.tag, size)
    start, stop = (0, size) if asked is None else asked
    kind, _ = mimetypes.guess_type(packed.file_name)
    response = Response(packed.archive.read(start, stop), mimetype=kind or UNKNOWN)
    response.headers["Content-Disposition"] = dump_options_header(
        "attachment", {"filename": packed.file_name}
    )
    response.headers[FAITHFUL] = str(packed.is_faithful).lower()
    response.headers["Accept-Ranges"] = "bytes"
    response.content_length = stop - start
    response.set_etag(packed.tag)
    if asked is not None:
        response.status_code = 206
        response.content_range.set(start, stop, size)
    response.make_conditional(request)
    return response


def _read_range(tag: str, size: int) -> tuple[int, int] | None:
    """Give the one range that is asked for; None where all is, or several, or of other bytes.

    Raises:
        RequestedRangeNotSatisfiable: it lies beyond the end.
    """
    asked, given = request.range, request.if_range
    is_other = bool(given.date) or given.etag not in {None, tag}
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or is_other:
        return None
    found = asked.range_for_length(size)
    if found is None:
        raise RequestedRangeNotSatisfiable(length=size)
    return found
