"""/v1/models/NAME/imports: checkpoints read, checked and made able to predict."""

from dataclasses import replace

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import BadName, DatasetNotFound, Invalid, QuotaExceeded, StorageFull, Unsupported
from zoo.operations.datasets import get_dataset
from zoo.operations.import_ import begin_import
from zoo.operations.uploads import get_proven
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body
from zoo.web.reference import tells
from zoo.web.shapes.imports import BegunAnswer, ImportBody

bp = Blueprint("imports", __name__, url_prefix="/v1/models")


@bp.post("/<model:name>/imports")
@needs(Need.WRITE)
@tells(
    BegunAnswer,
    status=202,
    body=ImportBody,
    refuses=(BadName, Invalid, Unsupported, DatasetNotFound, QuotaExceeded, StorageFull),
)
def post_import(name: str) -> ResponseReturnValue:
    """Import a checkpoint whose files were uploaded before, as `zoo import` does.

    Nothing of it is executed. What can run gets a job that builds, checks and publishes it; what
    nothing here can run is published at once, to be kept.
    """
    zoo, body = current_zoo(), read_body(ImportBody)
    files = get_proven(zoo, name, body.files)
    options = body.options(name)
    if options.check is not None:
        options = replace(options, check=get_dataset(zoo, options.check).address)
    begun = begin_import(zoo, files, options)
    return jsonify(BegunAnswer.of(begun).model_dump(mode="json")), 202
