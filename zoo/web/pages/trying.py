"""/models/NAME/try: a picture in, what one or two models say of it out."""

import json
from base64 import b64encode
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import Field

from zoo.domain.config import GRAPH
from zoo.domain.dataset import Picture, PictureWish, Split
from zoo.domain.revision import Revision
from zoo.domain.search import Runs
from zoo.errors import DatasetNotFound
from zoo.operations import datasets, fetch
from zoo.operations.heat import Scaling
from zoo.operations.opening import Zoo
from zoo.operations.sight import Sight, Source, look_at, try_picture
from zoo.operations.thumbnails import get_picture
from zoo.serving.asking import Terms
from zoo.web.access import Need, needs
from zoo.web.connection import watch_client
from zoo.web.context import check_fields, current_service, current_zoo, limit_body
from zoo.web.pages.frame import Ways, show
from zoo.web.pictures import MOST_TIMES, read_picture
from zoo.web.shapes.base import WITHOUT_NUL, Shape

bp = Blueprint("pages_trying", __name__, url_prefix="/models")

SAMPLES = 8  # pictures to pick from
SIDE_PX = 448  # that a dense model reads by default


class TryForm(Shape):
    """How a picture is tried."""

    sample: str = Field(default="", pattern="^([0-9a-f]{64})?$")  # a picture of the dataset
    dataset: str = Field(default="", max_length=300, pattern=WITHOUT_NUL)
    beside: str = Field(default="", max_length=300, pattern=WITHOUT_NUL)  # another model
    top: int = Field(default=5, ge=1, le=20)
    short_side: int = Field(default=SIDE_PX, ge=16, le=2048)
    scaling: Scaling = Scaling.FIXED


@bp.get("/<model:name>/try")
@needs(Need.READ)
def show_try(name: str) -> ResponseReturnValue:
    """Ask for a picture."""
    zoo = current_zoo()
    return _show(zoo, name, fetch.get_revision(zoo, name), TryForm())


@bp.post("/<model:name>/try")
@needs(Need.READ)
def post_try(name: str) -> ResponseReturnValue:
    """Show what a model says of a picture: of one that was sent, or of one that was picked."""
    zoo, service = current_zoo(), current_service()
    limit_body(MOST_TIMES * zoo.settings.max_picture_bytes)
    form = check_fields(TryForm, {key: value for key, value in request.form.items() if value})
    revision = fetch.get_revision(zoo, name)
    picture = _read_picture(zoo, form)
    if _is_dense(revision):
        sight = look_at(
            zoo,
            service,
            name,
            picture,
            short_side_px=form.short_side,
            top=form.top,
            scaling=form.scaling,
        )
        return _show(zoo, name, revision, form, sight=sight, heat=_embed(sight), picture=picture[0])
    terms = Terms(is_wanted=watch_client(request.environ))
    answers = [
        try_picture(zoo, service, one, picture, top=form.top, terms=terms)
        for one in (name, form.beside)
        if one
    ]
    return _show(zoo, name, revision, form, answers=answers, picture=picture[0])


def _show(
    zoo: Zoo,
    name: str,
    revision: Revision,
    form: TryForm,
    **values: Any,  # noqa: ANN401  # as many as a page has
) -> ResponseReturnValue:
    dataset, samples = _find_samples(zoo, revision)
    verb = "heatmap" if _is_dense(revision) else "predict"
    return show(
        "try.html",
        ways=Ways(
            twin=f"/v1/models/{name}/{'map' if _is_dense(revision) else 'predict'}",
            command=f"{verb} {name} picture.jpg",
            body="picture.jpg",
        ),
        name=name,
        revision=revision,
        told=revision.summary,
        can_predict=revision.find_file(GRAPH) is not None,
        is_dense=_is_dense(revision),
        form=form,
        dataset=dataset,
        samples=samples,
        others=[model.name for model in fetch.list_models(zoo)],
        **values,
    )


def _is_dense(revision: Revision) -> bool:
    return bool(revision.summary.get("runs") == Runs.DENSE.value)


def _read_picture(zoo: Zoo, form: TryForm) -> tuple[str, Source]:
    """Give the picture that was picked, or the one that was sent."""
    if form.sample and not any(part.filename for part in request.files.values()):
        picture = get_picture(zoo, form.dataset, form.sample)
        return picture.path, zoo.blobs.local_path(picture.digest)
    return read_picture()


def _find_samples(zoo: Zoo, revision: Revision) -> tuple[str, list[Picture]]:
    """Give pictures to pick from: of what it was trained on, else of the zoo's first dataset."""
    address = revision.dataset
    if address is None:
        address = next((one.name for one in datasets.list_datasets(zoo)), None)
    if address is None:
        return "", []
    try:
        classes = datasets.describe_dataset(zoo, address).classes
    except DatasetNotFound:
        return "", []
    each = -(-SAMPLES // len(classes))
    found = [
        picture
        for label in classes[:SAMPLES]
        for picture in datasets.list_pictures(
            zoo, address, PictureWish(label=label, split=Split.VAL), limit=each
        )
    ]
    return address, found[:SAMPLES]


def _embed(sight: Sight) -> dict[str, object]:
    """Give the pictures of a page inside it, and the numbers that its read-out tells."""
    rows, columns = sight.map_size
    return {
        "picture": _inside("image/jpeg", sight.jpeg),
        "maps": [_inside("image/png", one.png) for one in sight.classes],
        "cells": json.dumps(
            {
                "rows": rows,
                "columns": columns,
                "box": sight.box,
                "across": [sight.across.stride_px, sight.across.start_px, sight.across.window_px],
                "down": [sight.down.stride_px, sight.down.start_px, sight.down.window_px],
                "labels": [one.score.label for one in sight.classes],
                "values": [one.cells for one in sight.classes],
            }
        ),
    }


def _inside(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"
