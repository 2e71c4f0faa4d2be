"""`zoo list`."""

import re
from dataclasses import asdict

import click

from zoo.commands.console import (
    json_option,
    quiet_option,
    show_accuracy,
    show_json,
    show_names,
    show_size,
    show_table,
)
from zoo.commands.remote import at_option, opened_at
from zoo.domain.revision import Model
from zoo.domain.search import Facet, FacetCounts, ModelWish, Size

MOST = 1000  # models
MOST_VALUES = 10  # of a facet
FILTER = re.compile(r"(?P<name>[a-z]+)(?P<sign>>=|<=|=)(?P<value>.+)", re.DOTALL)
FACETS = {facet.value: facet for facet in Facet}
NAMES = [*FACETS, *(size.value for size in Size)]


@click.command("list")
@click.option("--search", default="", help="Only models whose name holds this.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="WHAT=VALUE",
    help="Only models of this: licence=mit, runs=dense, tag=..., classes>=10. Several are all"
    " to be met; several values of one facet: any of them, of tags all.",
)
@click.option("--facets", "is_counted", is_flag=True, help="Count what the models found have.")
@quiet_option
@at_option
@json_option
def command(
    *,
    search: str,
    filters: tuple[str, ...],
    is_counted: bool,
    is_quiet: bool,
    url: str | None,
    is_json: bool,
) -> None:
    """List the models of the zoo, by name."""
    wish = _read_filters(search, filters)
    with opened_at(url) as at:
        found = at.search_models(wish, limit=MOST, most_values=MOST_VALUES if is_counted else 0)
    if is_json and is_counted:
        show_json(
            {
                "models": [_as_json(model) for model in found.models],
                "total": found.total,
                "facets": [asdict(one) for one in found.facets],
            }
        )
        return
    if is_json:
        show_json([_as_json(model) for model in found.models])
        return
    if is_quiet:
        show_names(model.name for model in found.models)
        return
    if is_counted:
        _show_facets(found.total, found.facets)
        return
    rows = [_row(model) for model in found.models]
    show_table(("NAME", "REVISION", "CLASSES", "PARAMS", "SIZE", "ACCURACY", "PARENT"), rows)
    if found.next is not None:
        click.echo(f"  the first {MOST} of {found.total}; look closer with --search", err=True)
    elif not found.models and not wish.is_any:
        click.echo("  next: zoo list", err=True)
    elif not found.models and url is None:
        click.echo("  next: zoo quickstart", err=True)


def _read_filters(search: str, filters: tuple[str, ...]) -> ModelWish:
    """Read what is wanted."""
    values: dict[Facet, tuple[str, ...]] = {}
    bounds: dict[str, dict[Size, int]] = {">=": {}, "<=": {}}
    for text in filters:
        match = FILTER.fullmatch(text)
        if match is None or match["name"] not in NAMES:
            raise click.UsageError(
                f"--filter {text!r}: write WHAT=VALUE, with one of {', '.join(NAMES)}."
            )
        facet = FACETS.get(match["name"])
        if facet is not None:
            if match["sign"] != "=":
                raise click.UsageError(f"--filter {text!r}: {facet.value} has no order; use '='.")
            values[facet] = (*values.get(facet, ()), match["value"])
            continue
        size, number = Size(match["name"]), _read_number(text, match["value"])
        for sign in bounds if match["sign"] == "=" else (match["sign"],):
            bounds[sign][size] = number
    return ModelWish(search=search, values=values, least=bounds[">="], most=bounds["<="])


def _read_number(text: str, value: str) -> int:
    if not value.isdecimal() or len(value) > 18:  # noqa: PLR2004  # what 64 bits hold
        raise click.UsageError(f"--filter {text!r}: {value!r} is no number.")
    return int(value)


def _show_facets(total: int, facets: tuple[FacetCounts, ...]) -> None:
    rows = [
        (one.facet, found.value or "(none)", found.count) for one in facets for found in one.values
    ]
    show_table(("FACET", "VALUE", "MODELS"), rows)
    more = [
        f"{one.different - len(one.values)} more of {one.facet}"
        for one in facets
        if one.different > len(one.values)
    ]
    told = f"{total} models" + (f"; not shown: {', '.join(more)}" if more else "")
    click.echo(f"  {told}", err=True)


def _as_json(model: Model) -> dict[str, object]:
    head = model.head
    return {
        "name": model.name,
        "refs": model.refs,
        "revision": head.id if head else None,
        "summary": head.summary if head else {},
        "size_bytes": head.size_bytes if head else 0,
    }


def _row(model: Model) -> tuple[object, ...]:
    if model.head is None:
        return (model.name, "", "", "", "", "", "")
    head = model.head
    return (
        model.name,
        head.id[:12],
        head.summary.get("classes", ""),
        f"{head.summary.get('parameters', 0):,}",
        show_size(head.size_bytes),
        show_accuracy(head.summary.get("accuracy")),
        (head.parent or "").partition("@")[0],
    )
