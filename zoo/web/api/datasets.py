"""/v1/datasets: labelled pictures."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import DatasetNotFound, Invalid, StorageFull
from zoo.operations import datasets
from zoo.operations.pack import pack_dataset
from zoo.web.access import Need, needs
from zoo.web.body import read_pieces
from zoo.web.context import current_service, current_zoo, read_query
from zoo.web.downloads import send_packed
from zoo.web.reference import Body, tells
from zoo.web.shapes.datasets import (
    ArchiveQuery,
    DatasetAnswer,
    DatasetQuery,
    DatasetsAnswer,
    DatasetsQuery,
    DatasetSummaryAnswer,
)

bp = Blueprint("datasets", __name__, url_prefix="/v1/datasets")

ARCHIVE = Body(
    media=("application/zip", "application/x-tar", "application/gzip"),
    description="A zip or tar of class folders, as `zoo datasets add` takes it.",
)


@bp.get("")
@needs(Need.READ)
@tells(DatasetsAnswer, query=DatasetsQuery, refuses=(DatasetNotFound,))
def list_datasets() -> ResponseReturnValue:
    """List datasets, a page at a time, by name, the newest of a name first."""
    query = read_query(DatasetsQuery)
    found = datasets.list_datasets(current_zoo(), after=query.after, limit=query.limit + 1)
    told = found[: query.limit]
    answer = DatasetsAnswer(
        datasets=[DatasetSummaryAnswer.of(one) for one in told],
        next=f"{told[-1].name}@{told[-1].id}" if len(found) > len(told) else None,
    )
    return jsonify(answer.model_dump(mode="json"))


@bp.post("")
@needs(Need.WRITE)
@tells(
    DatasetAnswer,
    status=201,
    query=DatasetQuery,
    body=ARCHIVE,
    refuses=(Invalid, StorageFull),
)
def post_dataset() -> ResponseReturnValue:
    """Add a dataset from an archive; files that are no pictures are listed in the answer."""
    query = read_query(DatasetQuery)
    zoo = current_zoo()
    with zoo.blobs.hold(read_pieces()) as path:
        dataset = datasets.add_dataset(
            zoo,
            path,
            name=query.name,
            source_name=query.source,
            turns=current_service().turns,
        )
    return jsonify(DatasetAnswer.of(dataset).model_dump(mode="json")), 201


@bp.get("/<model:name>")
@needs(Need.READ)
@tells(DatasetAnswer, refuses=(DatasetNotFound,))
def get_dataset(name: str) -> ResponseReturnValue:
    """Give the newest dataset of a name, or the one at name@id."""
    dataset = datasets.get_dataset(current_zoo(), name)
    return jsonify(DatasetAnswer.of(dataset).model_dump(mode="json"))


@bp.get("/<model:name>/archive")
@needs(Need.READ)
@tells(
    "application/zip",
    query=ArchiveQuery,
    refuses=(DatasetNotFound,),
    also=("application/x-tar",),
    is_ranged=True,
)
def get_archive(name: str) -> ResponseReturnValue:
    """Download the pictures of a dataset (name, or name@id) as a zip or tar of class folders.

    The same dataset gives the same bytes, of a length known beforehand; ranges are served. Added
    again it is the same dataset, unless the header Zoo-Faithful says false: names had to be
    changed, or pictures that were left out gave its folders their meaning.
    """
    query = read_query(ArchiveQuery)
    return send_packed(pack_dataset(current_zoo(), name, query.format))
