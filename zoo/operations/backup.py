"""Backups of the catalog: one file, made while others write, held against what was read.

A backup is an SQLite catalog, whatever database it is of, with one table more that says what has to
be in the others. So a backup of one kind of database can be restored into the other. Blobs are no
part of it: they never change, and any copy of their store will do.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from zoo.catalog import copying, garbage
from zoo.catalog.copying import Content
from zoo.catalog.database import SCHEMA, Database
from zoo.errors import CatalogDamaged, Conflict, Invalid, PathNotFound, StorageFull, is_full
from zoo.operations.access import check_rules
from zoo.operations.opening import Zoo, migrate

SEAL = "zoo_backup"  # the table that says what the others hold
NO_BACKUP = "Give a file that `zoo db backup` has written."


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds."""

    schema: str
    made_at: str
    tables: dict[str, Content]

    @property
    def rows(self) -> int:
        """How many rows there are in all tables."""
        return sum(one.rows for one in self.tables.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of a restore: what the catalog holds, and which bytes it names are not kept."""

    backup: Backup
    missing: tuple[str, ...]


def back_up(zoo: Zoo, path: Path) -> Backup:
    """Write the catalog to a file that is not there yet, as it stands at one moment.

    Others may write meanwhile. Every row of the file is held against the one that was read.

    Raises:
        Conflict: there is such a file already.
        PathNotFound: its folder is not there.
        StorageFull: there is no room; nothing is left.
        CatalogDamaged: the catalog is, or the file does not hold what was read.
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    if path.exists():
        raise Conflict(f"{path} is there already.", hint="Give another name.", path=str(path))
    if not path.parent.is_dir():
        raise PathNotFound(f"There is no folder {path.parent}.", path=str(path))
    with _room(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=".zoo-") as folder:
        part = Path(folder) / "part"
        made = _write(zoo, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o600)  # It holds the digests of tokens.
        os.link(part, path)
    return made


def restore(zoo: Zoo, path: Path, *, replaces: bool = False) -> Restored:
    """Put the rows of a backup into the catalog, all or none of them.

    The catalog has to be empty, or is emptied with ``replaces``.

    Raises:
        Conflict: the catalog is not empty.
        PathNotFound: there is no such file.
        Invalid: it is no backup.
        CatalogDamaged: it does not hold what it says.
        Unsupported: it is of a later release.
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    with _opened(path) as (backup, source):
        with source.reading() as there, zoo.catalog.writing(is_long=True) as db:
            here = db.connection()
            if not copying.is_empty(here):
                if not replaces:
                    raise Conflict(
                        f"The catalog at {zoo.catalog.shown_url} is not empty.",
                        hint="Back it up, then have it replaced: zoo db restore --replace FILE",
                    )
                copying.clear(here)
            copying.copy(there.connection(), here)
            check_same(copying.measure(there.connection()), here)
            named = {blob.digest for blob in garbage.list_blobs(db)}
        kept = {blob.digest for blob in zoo.blobs.list_blobs()}
    return Restored(backup=backup, missing=tuple(sorted(named - kept)))


def check_same(tables: dict[str, Content], db: Connection) -> None:
    """Hold a catalog against what it has to hold.

    Raises:
        CatalogDamaged: a table holds something else.
    """
    found = copying.measure(db)
    wrong = [name for name, content in tables.items() if found.get(name) != content]
    if wrong:
        raise CatalogDamaged(
            f"The tables {', '.join(wrong)} do not hold what they have to.",
            hint="Nothing was changed. Take another backup, or look at the disk.",
            tables=wrong,
        )


def _write(zoo: Zoo, part: Path) -> Backup:
    """Write and seal a backup, in one transaction of the catalog."""
    with zoo.catalog.reading() as db:
        # The moment of a transaction of SQLite is that of its first look.
        tables = copying.measure(db.connection())
        if zoo.catalog.engine.dialect.name == "sqlite":
            _copy_pages(db, part)
        with closing(Database(f"sqlite:///{part}")) as target:
            migrate(target)  # a catalog of PostgreSQL has no file yet; one of SQLite is up to date
            if zoo.catalog.engine.dialect.name != "sqlite":
                with target.writing() as there:
                    copying.copy(db.connection(), there.connection())
            made = Backup(schema=SCHEMA, made_at=zoo.clock().isoformat(), tables=tables)
            with target.reading() as there:
                check_same(made.tables, there.connection())
    with closing(sqlite3.connect(part)) as file:
        _seal(file, made)
    return made


def _copy_pages(db: Session, part: Path) -> None:
    """Copy an SQLite file as the transaction sees it, without holding up who writes."""
    driver = db.connection().connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError(driver)
    with closing(sqlite3.connect(part)) as file:
        driver.backup(file)


def _seal(file: sqlite3.Connection, made: Backup) -> None:
    """Write down what the tables hold, and leave one file, without a log beside it."""
    with file:
        file.execute(f"CREATE TABLE {SEAL} (name TEXT PRIMARY KEY, rows INTEGER, digest TEXT)")
        file.executemany(
            f"INSERT INTO {SEAL} VALUES (?, ?, ?)",  # noqa: S608  # our own name
            [(name, one.rows, one.digest) for name, one in made.tables.items()]
            + [(" made_at", 0, made.made_at)],
        )
    file.execute("PRAGMA journal_mode = DELETE")
    found = file.execute("PRAGMA integrity_check").fetchall()
    if found != [("ok",)]:
        raise CatalogDamaged(f"The backup is damaged: {found[0][0]}")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Backup, Database]]:
    """Open a copy of a backup, held against its seal and brought to this release's schema."""
    if not path.is_file():
        raise PathNotFound(f"There is no file {path}.", path=str(path))
    with tempfile.TemporaryDirectory(prefix="zoo-restore-") as folder:
        part = Path(folder) / "catalog"
        shutil.copyfile(path, part)
        schema, sealed, made_at = _read_seal(path, part)
        with closing(Database(f"sqlite:///{part}")) as source:
            # An older release had fewer columns, which its seal does not tell of.
            if schema == SCHEMA:
                with source.reading() as db:
                    _check_seal(path, sealed, db.connection())
            migrate(source)
            yield Backup(schema=schema, made_at=made_at, tables=sealed), source


def _read_seal(path: Path, part: Path) -> tuple[str, dict[str, Content], str]:
    try:
        with closing(sqlite3.connect(part)) as file:
            (schema,) = file.execute("SELECT version_num FROM alembic_version").fetchone()
            rows = file.execute(f"SELECT name, rows, digest FROM {SEAL}").fetchall()  # noqa: S608  # our own name
            whole = file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            whole = whole and not file.execute("PRAGMA foreign_key_check").fetchall()
    except (sqlite3.DatabaseError, TypeError) as error:
        raise Invalid(f"{path} is no backup: {error}.", hint=NO_BACKUP, path=str(path)) from error
    if not whole:
        raise _damaged(path, "its pages are not whole")
    told = {name: Content(rows=count, digest=digest) for name, count, digest in rows}
    made = told.pop(" made_at", None)
    if made is None:
        raise Invalid(f"{path} is no backup: its seal has no date.", hint=NO_BACKUP)
    return schema, told, made.digest


def _check_seal(path: Path, sealed: dict[str, Content], db: Connection) -> None:
    try:
        check_same(sealed, db)
    except CatalogDamaged as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, reason: str) -> CatalogDamaged:
    return CatalogDamaged(
        f"The backup {path} is damaged: {reason}",
        hint="Nothing was restored. Take another backup.",
        path=str(path),
    )


@contextmanager
def _room(path: Path) -> Iterator[None]:
    """Say that there is no room for a backup, where that is why it fails."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if is_full(error):
            raise StorageFull(f"No room left for {path}.", path=str(path)) from error
        raise
