"""The connection to the catalog: one transaction at a time, short, reading or writing."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.orm import Session

from zoo.errors import (
    BadSetting,
    CatalogDamaged,
    CatalogUnavailable,
    StorageFull,
    ZooError,
    is_full,
)

SCHEMA = "0008"  # the migration this code was written for
BUSY_TIMEOUT_MS = 30_000
WRITERS = 0x7A6F6F  # the advisory lock of PostgreSQL that writers take: "zoo"
OUT_OF_REACH = (
    "unable to open",
    "readonly",
    "connection failed",
    "connection timeout",
    "failed to resolve host",
)


DAMAGED = ("not a database", "malformed", "disk I/O error")
LITTLE_BYTES = 2**20


class Database:
    """The catalog's database: SQLite in WAL mode, or PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _make_engine(url)
        self._version_reader: PoolProxiedConnection | None = None  # it must be the same always
        self._version_cursor: Any = None  # of that connection
        self._version_lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that sees one state of the catalog and changes nothing."""
        with self._transaction(is_write=False) as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that commits at its end, or leaves no trace when it raises."""
        with self._transaction(is_write=True) as db:
            yield db

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Open a transaction without a session, in which the schema may change."""
        with self._translated(), self.engine.begin() as connection:
            yield connection

    def find_schema(self) -> str | None:
        """Give the migration the database stands at, or None where there is no schema yet."""
        with self._translated(), self.engine.connect() as connection:
            connection.execution_options(zoo_write=False)  # It waits for no writer.
            if not self.engine.dialect.has_table(connection, "alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    def find_version(self) -> int | None:
        """Give a number that is another one after every commit, or None where none is cheap.

        It is SQLite's own, and takes microseconds where looking a revision up takes milliseconds.
        """
        if self.engine.dialect.name != "sqlite":
            return None
        with self._translated(), self._version_lock:
            if self._version_reader is None:
                self._version_reader = self.engine.raw_connection()
                self._version_cursor = self._version_reader.cursor()
            # All rows are fetched: a statement that is not at its end would hold its snapshot.
            ((version,),) = self._version_cursor.execute("PRAGMA data_version").fetchall()
            return int(version)

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        return make_url(self.url).render_as_string(hide_password=True)

    def close(self) -> None:
        """Give all connections back; whoever asks for one after that gets a new one."""
        if self._version_reader is not None:
            self._version_reader.close()
            self._version_reader = None
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, is_write: bool) -> Iterator[Session]:
        options: dict[str, Any] = {"zoo_write": is_write}
        if not is_write and self.engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"  # what a reader sees in SQLite too
        with (
            self._translated(),
            self.engine.connect() as connection,
            Session(connection.execution_options(**options)) as db,
        ):
            if is_write:
                db.connection()  # The lock is taken now: what is looked at before SQL counts too.
            yield db
            if is_write:
                db.commit()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the database's faults that a user can mend into ours."""
        try:
            yield
        except DBAPIError as error:
            ours = self._ours(error)
            if ours is None:
                raise
            raise ours from error

    def _ours(self, error: DBAPIError) -> ZooError | None:
        """Give the fault its name, or None where it is one of the zoo's own."""
        where, said = self.shown_url, str(error.orig)
        if is_full(error) or ("disk I/O error" in said and self._has_no_room()):
            return StorageFull(f"No room left for the catalog at {where}.")
        if _says(said, DAMAGED):
            return CatalogDamaged(f"The catalog at {where} is damaged: {said}", url=where)
        if _says(said, OUT_OF_REACH):
            return BadSetting(
                f"The catalog at {where} cannot be opened: {said}",
                hint="Check ZOO_HOME and ZOO_DATABASE_URL, and that both can be written to.",
                url=where,
            )
        if isinstance(error, OperationalError | InterfaceError):
            return CatalogUnavailable(f"The catalog at {where} does not answer: {said}", url=where)
        return None

    def _has_no_room(self) -> bool:
        """Tell whether the disk of an SQLite catalog is full, which SQLite may call I/O error."""
        path = make_url(self.url).database
        return bool(path) and shutil.disk_usage(Path(str(path)).parent).free < LITTLE_BYTES


def _says(said: str, phrases: tuple[str, ...]) -> bool:
    return any(words in said for words in phrases)


def _make_engine(url: str) -> Engine:
    try:
        # A connection that the server has closed meanwhile is replaced before it is used.
        engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        raise BadSetting(
            f"ZOO_DATABASE_URL cannot be used: {error}",
            hint="Use sqlite:///PATH, or postgresql://... with `pip install 'zoo[postgres]'`.",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401  # a raw connection
    """Set what SQLite forgets between connections, and take its transactions into our hands."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at the start: a reader that turns writer later could deadlock."""
    is_write = connection.get_execution_options().get("zoo_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    """Let one writer in at a time, as SQLite does: two who add the same name would collide."""
    if connection.get_execution_options().get("zoo_write", True):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")
