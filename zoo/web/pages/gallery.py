"""/: all models, each with its face; search and facets narrow them down."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import Field

from zoo.domain.search import FacetCounts
from zoo.operations.fetch import search_models
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_query
from zoo.web.pages.frame import Ways, show
from zoo.web.shapes.models import ModelsQuery

bp = Blueprint("pages_gallery", __name__)

PAGE = 48  # models
SHOWN = 8  # values of a facet
NAMES = {
    "runs": "Runs as",
    "architecture": "Architecture",
    "licence": "Licence",
    "dataset": "Trained on",
    "strategy": "Fine-tuned by",
    "source": "Came from",
    "owner": "Owner",
    "tag": "Tags",
}


class GalleryQuery(ModelsQuery):
    """Which models, by default fewer and with their facets."""

    limit: int = Field(default=PAGE, ge=1, le=200)
    facets: int = Field(default=SHOWN, ge=0, le=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value of a facet, and the address that takes it or lets go of it."""

    value: str
    count: int | None  # None: it is taken, and none that is found has it
    is_taken: bool
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The values of a facet that can be taken."""

    name: str
    choices: tuple[Choice, ...]
    more: int  # values that are not shown


@bp.get("/")
@needs(Need.READ)
def show_gallery() -> ResponseReturnValue:
    """Show a page of the models that are wanted."""
    query = read_query(GalleryQuery)
    found = search_models(
        current_zoo(), query.wish, after=query.after, limit=query.limit, most_values=query.facets
    )
    given = _given()
    twin = urlencode(_given(keeps_page=True))
    words = f" --search {query.search}" if query.search.isalnum() else ""
    return show(
        "gallery.html",
        ways=Ways(twin=f"/v1/models?{twin}".rstrip("?"), command=f"list{words}"),
        found=found,
        search=query.search,
        taken=[(name, value) for name, value in given if name != "search"],
        facets=_list_facets(found.facets),
        next=_address([*given, ("after", found.next)]) if found.next else None,
        is_first=not query.after,
        is_any=query.wish.is_any,
    )


def _given(*, keeps_page: bool = False) -> list[tuple[str, str]]:
    """Give what is asked for, without what is empty, and without the page."""
    page = set() if keeps_page else {"after"}
    return [
        (name, value)
        for name, value in request.args.items(multi=True)
        if value and name not in page
    ]


def _list_facets(counted: tuple[FacetCounts, ...]) -> list[Choices]:
    """Give the facets that narrow anything down; sizes have no values to be taken."""
    by_name = {one.facet: one for one in counted}
    facets = []
    for facet, name in NAMES.items():
        counts = by_name.get(facet)
        choices = tuple(_list_choices(counts)) if counts else ()
        if counts and (len(choices) > 1 or any(one.is_taken for one in choices)):
            more = counts.different - len(counts.values)
            facets.append(Choices(name=name, choices=choices, more=more))
    return facets


def _list_choices(counts: FacetCounts) -> Iterator[Choice]:
    given = _given()
    found = {one.value: one.count for one in counts.values}
    taken = [value for name, value in given if name == counts.facet]
    for value in [*taken, *(value for value in found if value and value not in taken)]:
        pair = (counts.facet, value)
        without = [one for one in given if one != pair]
        yield Choice(
            value=value,
            count=found.get(value),
            is_taken=value in taken,
            address=_address(without if value in taken else [*given, pair]),
        )


def _address(asked: list[tuple[str, str]]) -> str:
    return f"/?{urlencode(asked)}" if asked else "/"
