"""/v1/models/NAME/predict: pictures in, classes out."""

from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from pydantic import TypeAdapter

from zoo.domain.prediction import Prediction
from zoo.errors import (
    ModelNotFound,
    NotReady,
    NotRunnable,
    Overloaded,
    RevisionNotFound,
    UnreadablePicture,
    Unsupported,
)
from zoo.operations.predict import predict
from zoo.serving.asking import Terms
from zoo.web.access import Need, needs
from zoo.web.connection import watch_client
from zoo.web.context import current_service, current_zoo, read_query
from zoo.web.pictures import PICTURES, read_pictures
from zoo.web.reference import tells
from zoo.web.shapes.predictions import PredictionsAnswer, PredictQuery

JSON = "application/json"
WRITER = TypeAdapter[Any](Any)

bp = Blueprint("predict", __name__, url_prefix="/v1/models")


@bp.post("/<model:name>/predict")
@needs(Need.READ)
@tells(
    PredictionsAnswer,
    query=PredictQuery,
    body=PICTURES,
    refuses=(
        ModelNotFound,
        RevisionNotFound,
        NotRunnable,
        NotReady,
        Overloaded,
        UnreadablePicture,
        Unsupported,
    ),
)
def post_predict(name: str) -> ResponseReturnValue:
    """Predict pictures with ONNX Runtime.

    The name may carry a ref or a revision: name:production, name@1a2b3c. A dense model reads them
    as the classifier does; its map's average is told.
    """
    query = read_query(PredictQuery)
    terms = Terms(is_wanted=watch_client(request.environ))
    answers = predict(
        current_zoo(), current_service(), name, read_pictures(), top=query.top, terms=terms
    )
    return Response(write_predictions(answers), content_type=JSON)


def write_predictions(predictions: Iterable[Prediction]) -> bytes:
    """Write predictions down as JSON, in the form of `PredictionsAnswer`.

    Making that of them first takes longer than writing.
    """
    return WRITER.dump_json({"predictions": list(predictions)})
