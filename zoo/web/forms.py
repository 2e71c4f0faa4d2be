"""Forms of several parts, multipart/form-data: whether one was sent whole."""

from flask import request

from zoo.errors import BadRequest

FORM = "multipart/form-data"
BY_CURL = "Send it again, with the boundary that your client makes: curl -F file=@PATH URL"


def check_form() -> None:
    """Refuse a form that cannot be taken apart, in place of taking it for an empty one.

    Raises:
        BadRequest: its boundary is not told, or it ends before the last one.
    """
    if request.mimetype != FORM:
        return
    if not request.mimetype_params.get("boundary"):
        raise BadRequest(
            "The Content-Type of the form names no boundary between its parts.", hint=BY_CURL
        )
    if not request.files and not request.form and request.content_length != 0:
        raise BadRequest(
            "The form ends before its end boundary, or has no part that can be read.", hint=BY_CURL
        )
