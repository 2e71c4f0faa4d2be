"""Counting downloads, and telling what was counted."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta

from zoo.catalog import statistics
from zoo.domain.revision import Model, check_model_name
from zoo.domain.search import ModelWish
from zoo.domain.statistics import Download, ModelStatistics, Totals
from zoo.operations.access import check_rules, check_visible
from zoo.operations.opening import Zoo

RECENT = timedelta(days=30)  # the Hub's span too


def record_downloads(zoo: Zoo, counts: Mapping[Download, int]) -> None:
    """Add downloads to what was counted, all of them in one transaction."""
    if counts:
        with zoo.catalog.writing() as db:
            statistics.add_downloads(db, counts)


def count_downloads(zoo: Zoo, names: Collection[str]) -> dict[str, int]:
    """Count the downloads of models in the last 30 days."""
    with zoo.catalog.reading() as db:
        found = statistics.count_downloads(db, names, since=_since(zoo))
    return {name: found.get(name, 0) for name in names}


def list_popular(
    zoo: Zoo,
    *,
    after: tuple[int, str] | None = None,
    limit: int = 100,
    search: str = "",
    owner: str | None = None,
) -> list[tuple[Model, int]]:
    """List models with their downloads of the last 30 days, the most first."""
    with zoo.catalog.reading() as db:
        return statistics.list_popular(
            db,
            caller=zoo.caller,
            since=_since(zoo),
            after=after,
            limit=limit,
            wish=ModelWish(search=search, owner=owner),
        )


def get_model_statistics(zoo: Zoo, name: str) -> ModelStatistics:
    """Count the downloads of a model by revision, by file, and by day of the last 30.

    Raises:
        BadName: no model can be called so.
        ModelNotFound: there is none that the caller may know of.
    """
    with zoo.catalog.reading() as db:
        check_visible(zoo, db, check_model_name(name))
        return statistics.get_model_statistics(db, name, since=_since(zoo))


def get_totals(zoo: Zoo) -> Totals:
    """Count what the zoo holds.

    Raises:
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    with zoo.catalog.reading() as db:
        return statistics.get_totals(db)


def _since(zoo: Zoo) -> date:
    return (zoo.clock() - RECENT).date()
