"""Whole catalogs: what is in each table, and moving it from one database to another.

Rows are moved as they are, keys and all. JSON goes over as the text it is kept as, so that what was
no value stays apart from what was null, and no number is written another way.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from zoo.catalog.tables import Base

BATCH = 1000  # rows that are moved at a time
SHA256 = 2**256

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is in a table: how many rows, and a digest of all of them in whichever order."""

    rows: int
    digest: str


def list_tables() -> list[str]:
    """Name all tables, each after those it refers to."""
    return [table.name for table in Base.metadata.sorted_tables]


def is_empty(db: Connection) -> bool:
    """Tell whether no table has a row."""
    return all(
        db.execute(select(func.count()).select_from(table)).scalar() == 0
        for table in Base.metadata.sorted_tables
    )


def measure(db: Connection) -> dict[str, Content]:
    """Read every row, and say what is in each table; the same in whichever database."""
    return {table.name: _measure(db, table) for table in Base.metadata.sorted_tables}


def clear(db: Connection) -> None:
    """Delete every row."""
    for table in reversed(Base.metadata.sorted_tables):
        own = _own_references(table)
        if own:
            db.execute(update(table).values(dict.fromkeys(own)))
        db.execute(delete(table))


def copy(source: Connection, target: Connection) -> None:
    """Move every row into an empty catalog of the same schema."""
    for table in Base.metadata.sorted_tables:
        for rows in _read(source, table):
            _add(target, table, rows)
        _refer(source, target, table)
        _go_on_counting(target, table)


def _measure(db: Connection, table: Table) -> Content:
    rows = total = 0
    for batch in _read(db, table):
        for row in batch:
            told = json.dumps([_plain(value) for value in row.values()]).encode()
            # A sum does not depend on the order, which databases see differently in texts.
            total = (total + int.from_bytes(hashlib.sha256(told).digest())) % SHA256
        rows += len(batch)
    return Content(rows=rows, digest=f"{total:064x}")


def _read(db: Connection, table: Table) -> Iterator[list[Row]]:
    """Give the rows of a table in the order of their keys, some at a time."""
    columns = [
        cast(column, Text).label(column.name) if _is_json(column) else column
        for column in table.columns
    ]
    wanted = select(*columns).order_by(*table.primary_key.columns)
    options: Mapping[str, Any] = {"stream_results": True, "yield_per": BATCH}
    with db.execute(wanted, execution_options=options) as result:
        for batch in result.partitions():
            yield [dict(row._mapping) for row in batch]  # noqa: SLF001  # SQLAlchemy's own name for it


def _add(db: Connection, table: Table, rows: list[Row]) -> None:
    """Add rows, without what refers to rows of their own table: that may not be there yet."""
    own = _own_references(table)
    values = {column.name: _bound(db, column) for column in table.columns}
    db.execute(
        insert(table).values(values),
        [{f"v_{name}": None if name in own else row[name] for name in row} for row in rows],
    )


def _bound(db: Connection, column: Column[Any]) -> Any:  # noqa: ANN401  # an expression of SQL
    """Make the place of a value; JSON comes as its text."""
    if not _is_json(column):
        return bindparam(f"v_{column.name}", type_=column.type)
    value = bindparam(f"v_{column.name}", type_=Text())
    return cast(value, JSON) if db.dialect.name == "postgresql" else value


def _refer(source: Connection, target: Connection, table: Table) -> None:
    """Have rows refer to others of their own table, now that all are there."""
    own = _own_references(table)
    if not own:
        return
    keys = [column.name for column in table.primary_key.columns]
    change = (
        update(table)
        .where(*(table.c[key] == bindparam(f"k_{key}") for key in keys))
        .values({name: bindparam(f"v_{name}", type_=table.c[name].type) for name in own})
    )
    for rows in _read(source, table):
        told = [
            {f"k_{key}": row[key] for key in keys} | {f"v_{name}": row[name] for name in own}
            for row in rows
            if any(row[name] is not None for name in own)
        ]
        if told:
            target.execute(change, told)


def _go_on_counting(db: Connection, table: Table) -> None:
    """Have the next row get a key that none has; SQLite looks for itself."""
    column = table.autoincrement_column
    if db.dialect.name != "postgresql" or column is None or not isinstance(column.type, Integer):
        return
    largest = db.execute(select(func.max(column))).scalar()
    if largest is not None:
        db.execute(
            text("SELECT setval(pg_get_serial_sequence(:table, :column), :largest)"),
            {"table": table.name, "column": column.name, "largest": largest},
        )


def _own_references(table: Table) -> list[str]:
    return [
        column.name
        for column in table.columns
        if any(key.column.table is table for key in column.foreign_keys)
    ]


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)


def _plain(value: object) -> object:
    """Write a value as JSON can hold it, the same from whichever database it came."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
