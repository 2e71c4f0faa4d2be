"""The connection to the catalog: one transaction at a time, short, reading or writing."""

import logging
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
    InternalError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.orm import Session

from zoo.catalog import postgresql
from zoo.errors import (
    BadSetting,
    CatalogDamaged,
    CatalogUnavailable,
    StorageFull,
    ZooError,
    is_full,
)

LOG = logging.getLogger(__name__)
SCHEMA = "0008"  # the migration this code was written for
BUSY_TIMEOUT_MS = 30_000
LEASE_S = 60.0  # of a job, where nothing else is said
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

    def __init__(self, url: str, *, lease_s: float = LEASE_S) -> None:
        self.url = url
        self.engine = _make_engine(url, lease_s)
        self._has_answered = False  # Until then what is wrong is how it was asked for.
        self._last_fault = ""  # so that one that lasts is logged once
        self._version_reader: PoolProxiedConnection | None = None  # it must be the same always
        self._version_cursor: Any = None  # of that connection
        self._version_lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that sees one state of the catalog and changes nothing."""
        with self._transaction(is_write=False) as db:
            yield db

    @contextmanager
    def writing(self, *, is_long: bool = False) -> Iterator[Session]:
        """Open a transaction that commits at its end, or leaves no trace when it raises.

        PostgreSQL ends one that asks nothing for half a lease, which holds up all others, unless it
        ``is_long``: one that brings all rows over while nobody else works.
        """
        with self._transaction(is_write=True, is_long=is_long) as db:
            yield db

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Open a transaction without a session, in which the schema may change; it may be long."""
        with (
            self._translated(),
            self.engine.connect() as connection,
            connection.execution_options(zoo_long=True).begin(),
        ):
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
        with self._version_lock:
            if self._version_reader is None:
                with self._translated():
                    self._version_reader = self.engine.raw_connection()
                self._version_cursor = self._version_reader.cursor()
            # All rows are fetched: a statement that is not at its end would hold its snapshot.
            ((version,),) = self._version_cursor.execute("PRAGMA data_version").fetchall()
            return int(version)

    @property
    def shown_url(self) -> str:
        """The URL without its password, which may also stand behind its question mark."""
        url = make_url(self.url)
        hidden = dict.fromkeys(url.query, "***")
        shown = url.set(query=hidden).render_as_string(hide_password=True)
        return shown.replace("%2A%2A%2A", "***")

    def close(self) -> None:
        """Give all connections back; whoever asks for one after that gets a new one."""
        if self._version_reader is not None:
            self._version_reader.close()
            self._version_reader = None
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, is_write: bool, is_long: bool = False) -> Iterator[Session]:
        options: dict[str, Any] = {"zoo_write": is_write, "zoo_long": is_long}
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
        else:
            self._has_answered, self._last_fault = True, ""

    def _ours(self, error: DBAPIError) -> ZooError | None:
        """Give the fault its name, or None where it is one of the zoo's own."""
        is_sqlite = self.engine.dialect.name == "sqlite"
        # What a server says later is told to callers far away, whom its address does not concern.
        where = f"at {self.shown_url}" if is_sqlite else "in PostgreSQL"
        said, state = str(error.orig), postgresql.find_state(error.orig)
        if is_full(error) or ("disk I/O error" in said and self._has_no_room()):
            return StorageFull(f"No room left for the catalog {where}.")
        if _says(said, DAMAGED) or state in postgresql.DAMAGED:
            return CatalogDamaged(f"The catalog {where} is damaged: {said}")
        is_misasked = isinstance(error, ProgrammingError) and not is_sqlite and state is None
        if not self._has_answered and (is_misasked or _says(said, OUT_OF_REACH)):
            return BadSetting(
                f"The catalog at {self.shown_url} cannot be opened: {said}",
                hint="Check ZOO_HOME and ZOO_DATABASE_URL, and that both can be written to.",
                url=self.shown_url,
            )
        # Also of a server that may only be read, as after a failover: it will change, or another
        # will take over.
        if isinstance(error, OperationalError | InterfaceError | InternalError):
            if said != self._last_fault:
                LOG.warning("the catalog at %s does not answer: %s", self.shown_url, said)
                self._last_fault = said
            reason = said.partition("\n")[0] if is_sqlite or state else "it cannot be reached"
            return CatalogUnavailable(f"The catalog {where} does not answer: {reason}")
        return None

    def _has_no_room(self) -> bool:
        """Tell whether the disk of an SQLite catalog is full, which SQLite may call I/O error."""
        path = make_url(self.url).database
        return bool(path) and shutil.disk_usage(Path(str(path)).parent).free < LITTLE_BYTES


def _says(said: str, phrases: tuple[str, ...]) -> bool:
    return any(words in said for words in phrases)


def _make_engine(url: str, lease_s: float) -> Engine:
    try:
        # A connection that the server has closed meanwhile is replaced before it is used.
        engine = create_engine(
            url,
            pool_pre_ping=not url.startswith("sqlite"),
            connect_args=postgresql.connect_args(make_url(url)),
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        # What it cannot make out may be a part of the password.
        is_told = isinstance(error, NoSuchModuleError | ModuleNotFoundError)
        raise BadSetting(
            f"ZOO_DATABASE_URL cannot be used: {error if is_told else 'it is no URL'}",
            hint="Use sqlite:///PATH, or postgresql://... with `pip install 'zoo[postgres]'`.",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", lambda one: _begin_postgresql(one, lease_s))
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


def _begin_postgresql(connection: Connection, lease_s: float) -> None:
    options = connection.get_execution_options()
    if options.get("zoo_write", True):
        is_long = options.get("zoo_long", False)
        postgresql.begin_writing(connection, lease_s=None if is_long else lease_s)
