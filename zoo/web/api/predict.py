"""/v1/models/NAME/predict: pictures in, classes out."""

import io
from collections.abc import Iterator
from typing import IO

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from zoo.errors import (
    BadRequest,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
    TooLarge,
    UnreadablePicture,
)
from zoo.operations.predict import predict
from zoo.web.context import current_shelf, current_zoo, limit_body, read_query
from zoo.web.reference import Body, tells
from zoo.web.shapes.predictions import PredictionsAnswer, PredictQuery

bp = Blueprint("predict", __name__, url_prefix="/v1/models")

FORM = "multipart/form-data"
MOST_PICTURES = 64
MOST_TIMES = 4  # a form of pictures is at most so many times as long as the largest picture
PICTURES = Body(
    media=("image/jpeg", "image/png", FORM),
    description=(
        f"The bytes of one picture, or one part per picture: at most {MOST_PICTURES} pictures, "
        f"together of {MOST_TIMES} times the bytes that ZOO_MAX_PICTURE_BYTES allows for one."
    ),
)


@bp.post("/<model:name>/predict")
@tells(
    PredictionsAnswer,
    query=PredictQuery,
    body=PICTURES,
    refuses=(ModelNotFound, RevisionNotFound, NotRunnable, UnreadablePicture),
)
def post_predict(name: str) -> ResponseReturnValue:
    """Predict pictures with ONNX Runtime.

    The name may carry a ref or a revision: name:production, name@1a2b3c.
    """
    query = read_query(PredictQuery)
    zoo = current_zoo()
    pictures = _read_pictures(zoo.settings.max_picture_bytes)
    answers = predict(zoo, current_shelf(), name, pictures, top=query.top)
    return jsonify(PredictionsAnswer.of(list(answers)).model_dump(mode="json"))


def _read_pictures(most_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Read the pictures of the body one at a time, each bounded."""
    is_empty = True
    for name, stream in _open_pictures(most_bytes):
        data = stream.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise _refusal(f"{name}: more than {most_bytes} bytes.")
        if data:
            is_empty = False
            yield name, data
    if is_empty:
        raise BadRequest(
            "No picture was sent.", hint="Send its bytes: curl --data-binary @picture.jpg URL"
        )


def _open_pictures(most_bytes: int) -> list[tuple[str, IO[bytes]]]:
    """Receive the body; large parts of a form wait on the disk."""
    is_form = request.mimetype == FORM
    most_in_all = MOST_TIMES * most_bytes if is_form else most_bytes
    limit_body(most_in_all)
    try:
        if is_form:
            parts = list(request.files.items(multi=True))
            if len(parts) > MOST_PICTURES:
                raise _refusal(f"The body has more than {MOST_PICTURES} pictures.")
            return [(part.filename or field, part.stream) for field, part in parts]
        return [("body", io.BytesIO(request.get_data(cache=False)))]
    except RequestEntityTooLarge as error:
        raise _refusal(f"The body is more than {most_in_all} bytes.") from error


def _refusal(message: str) -> TooLarge:
    return TooLarge(message, hint="Send fewer or smaller pictures, or raise ZOO_MAX_PICTURE_BYTES.")
