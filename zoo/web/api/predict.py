"""/v1/models/NAME/predict: pictures in, classes out."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from zoo.errors import (
    BadRequest,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
    TooLarge,
    UnreadablePicture,
)
from zoo.operations.predict import predict
from zoo.web.context import current_shelf, current_zoo, read_query
from zoo.web.reference import Body, tells
from zoo.web.shapes import PredictionsAnswer, PredictQuery

bp = Blueprint("predict", __name__, url_prefix="/v1/models")

PICTURES = Body(
    media=("image/jpeg", "image/png", "multipart/form-data"),
    description="The bytes of one picture, or one part per picture.",
)


@bp.post("/<model:name>/predict")
@tells(
    PredictionsAnswer,
    query=PredictQuery,
    body=PICTURES,
    refuses=(ModelNotFound, RevisionNotFound, NotRunnable, UnreadablePicture, TooLarge),
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


def _read_pictures(max_bytes: int) -> list[tuple[str, bytes]]:
    """Read the pictures of the body, each bounded."""
    if request.mimetype == "multipart/form-data":
        pictures = [
            (part.filename or field, part.stream.read(max_bytes + 1))
            for field, part in request.files.items(multi=True)
        ]
    else:
        pictures = [("body", request.stream.read(max_bytes + 1))]
    pictures = [(name, data) for name, data in pictures if data]
    if not pictures:
        raise BadRequest(
            "No picture was sent.", hint="Send its bytes: curl --data-binary @picture.jpg URL"
        )
    for name, data in pictures:
        if len(data) > max_bytes:
            raise TooLarge(
                f"{name}: more than {max_bytes} bytes.",
                hint="Send a smaller picture, or raise ZOO_MAX_PICTURE_BYTES.",
                name=name,
            )
    return pictures
