"""/datasets: what there is to learn from, class by class, with its pictures."""

from dataclasses import dataclass

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from pydantic import Field

from zoo.domain.dataset import DatasetDescription, Picture, PictureWish, Split
from zoo.domain.search import Facet, ModelWish
from zoo.operations import datasets
from zoo.operations.fetch import search_models
from zoo.operations.thumbnails import get_thumbnail
from zoo.web.access import Need, needs
from zoo.web.context import current_service, current_zoo, read_query
from zoo.web.pages.faces import YEAR_S
from zoo.web.pages.frame import Ways, show
from zoo.web.shapes.base import WITHOUT_NUL, Shape

bp = Blueprint("pages_datasets", __name__, url_prefix="/datasets")

OF_EACH = 8  # pictures of a class
MOST_CLASSES = 40  # that show pictures
OF_ONE = 200  # where one class alone is shown
MOST_SKIPPED = 50
MOST_MODELS = 20
BAR_PX = 260


class DatasetQuery(Shape):
    """Which class is shown by itself."""

    label: str | None = Field(default=None, max_length=1000, pattern=WITHOUT_NUL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """A class: how many pictures there are of it, how long its bars are, and some of them."""

    label: str
    counts: dict[str, int]  # by split
    bars: tuple[tuple[str, float, float], ...]  # split, where it begins, how long it is
    pictures: tuple[Picture, ...]

    @property
    def total(self) -> int:
        """How many pictures there are of it."""
        return sum(self.counts.values())


@bp.get("")
@needs(Need.READ)
def show_datasets() -> ResponseReturnValue:
    """Show all datasets."""
    found = datasets.list_datasets(current_zoo())
    ways = Ways(twin="/v1/datasets", command="datasets list")
    return show("datasets.html", ways=ways, datasets=found)


@bp.get("/<model:name>")
@needs(Need.READ)
def show_dataset(name: str) -> ResponseReturnValue:
    """Show a dataset: its classes, some pictures of each, what was left out and why."""
    zoo, query = current_zoo(), read_query(DatasetQuery)
    dataset = datasets.describe_dataset(zoo, name)
    shown = [query.label] if query.label else list(dataset.classes[:MOST_CLASSES])
    limit = OF_ONE if query.label else OF_EACH
    pictures = {
        label: tuple(
            datasets.list_pictures(zoo, dataset.address, PictureWish(label=label), limit=limit)
        )
        for label in shown
    }
    wish = ModelWish(values={Facet.DATASET: (dataset.name,)})
    return show(
        "dataset.html",
        ways=Ways(twin=f"/v1/datasets/{name}", command=f"datasets show {name}"),
        dataset=dataset,
        name=name,
        label=query.label,
        rows=_rows(dataset, pictures),
        splits=[split.value for split in Split if split.value in dataset.counts],
        skipped=dataset.skipped[:MOST_SKIPPED],
        models=search_models(zoo, wish, limit=MOST_MODELS).models,
        bar_px=BAR_PX,
    )


@bp.get("/<model:name>/pictures/<digest>.jpg")
@needs(Need.READ)
def get_picture(name: str, digest: str) -> ResponseReturnValue:
    """Give a picture of a dataset, small."""
    with current_service().turns.hold() as take:
        thumbnail = get_thumbnail(current_zoo(), name, digest, take=take)
    response = Response(thumbnail.jpeg, mimetype="image/jpeg")
    response.set_etag(thumbnail.tag)
    # Its address has its digest.
    response.cache_control.private = True
    response.cache_control.max_age = YEAR_S
    response.cache_control.immutable = True
    return response.make_conditional(request)


def _rows(dataset: DatasetDescription, pictures: dict[str, tuple[Picture, ...]]) -> list[ClassRow]:
    """Give each class a row; the longest bar is the largest class."""
    totals = {
        label: sum(counts.get(label, 0) for counts in dataset.counts.values())
        for label in dataset.classes
    }
    scale = BAR_PX / max(*totals.values(), 1)
    rows = []
    for label in dataset.classes:
        counts = {split: counts.get(label, 0) for split, counts in dataset.counts.items()}
        bars, begin = [], 0.0
        for split in Split:
            length = counts.get(split.value, 0) * scale
            if length:
                bars.append((split.value, round(begin, 1), round(length, 1)))
            begin += length
        rows.append(
            ClassRow(label=label, counts=counts, bars=tuple(bars), pictures=pictures.get(label, ()))
        )
    return rows
