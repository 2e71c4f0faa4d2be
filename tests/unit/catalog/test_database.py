"""The connection: whole transactions or none, one state for a reader, faults in our words."""

import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, ProgrammingError

from zoo.catalog import postgresql
from zoo.catalog.database import BUSY_TIMEOUT_MS, Database
from zoo.catalog.models import list_names
from zoo.catalog.postgresql import find_limits_ms
from zoo.catalog.tables import Base, FileRow, ModelRow
from zoo.domain.access import LOCAL
from zoo.errors import BadSetting, CatalogDamaged, CatalogUnavailable, StorageFull

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def sqlite(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'zoo.db'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def add_model(catalog, name="net"):
    with catalog.writing() as db:
        db.add(ModelRow(name=name, created_at=NOW))


def names(catalog):
    with catalog.reading() as db:
        return list_names(db, caller=LOCAL)


def test_what_was_written_is_there(catalog):
    add_model(catalog)
    assert names(catalog) == ["net"]


def test_a_transaction_that_fails_leaves_no_trace(catalog):
    with suppress(ZeroDivisionError), catalog.writing() as db:
        db.add(ModelRow(name="net", created_at=NOW))
        db.flush()
        raise ZeroDivisionError
    assert names(catalog) == []


def test_a_reader_changes_nothing(catalog):
    with catalog.reading() as db:
        db.add(ModelRow(name="net", created_at=NOW))
        db.flush()
    assert names(catalog) == []


def test_a_reader_sees_one_state_whatever_is_written_meanwhile(catalog):
    add_model(catalog, "first")
    with catalog.reading() as db:
        before = list_names(db, caller=LOCAL)
        add_model(catalog, "second")
        assert list_names(db, caller=LOCAL) == before
    assert names(catalog) == ["first", "second"]


def test_a_reader_does_not_wait_for_a_writer(catalog):
    with catalog.writing() as db, ThreadPoolExecutor(1) as pool:
        db.add(ModelRow(name="net", created_at=NOW))
        db.flush()
        assert pool.submit(names, catalog).result() == []
        assert pool.submit(catalog.find_schema).result() is None


def test_a_time_comes_back_in_utc_whatever_the_zone_of_the_session(postgresql_url):
    url = make_url(postgresql_url)
    options = f"{url.query['options']} -ctimezone=Asia/Tokyo"
    url = url.update_query_dict({"options": options}).render_as_string(hide_password=False)
    catalog = Database(url)
    Base.metadata.create_all(catalog.engine)
    add_model(catalog)
    with catalog.reading() as db:
        assert db.scalars(select(ModelRow.created_at)).one().isoformat() == NOW.isoformat()
    catalog.close()


def test_a_row_cannot_point_to_nothing(catalog):
    with pytest.raises(IntegrityError), catalog.writing() as db:
        db.add(FileRow(revision_pk=1, path="a", digest="0" * 64, size_bytes=1))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("foreign_keys", 1),
        ("synchronous", 2),
        ("busy_timeout", BUSY_TIMEOUT_MS),
    ],
)
def test_every_connection_to_sqlite_is_set_up(sqlite, pragma, value):
    with sqlite.reading() as first, sqlite.reading() as second:
        for db in (first, second):
            assert db.scalar(text(f"PRAGMA {pragma}")) == value


def fill(catalog):
    """Write more than the database may hold."""
    with catalog.writing() as db:
        pages = db.scalar(text("PRAGMA page_count"))
        db.execute(text(f"PRAGMA max_page_count = {pages}"))
        db.add_all(ModelRow(name=f"{number:0190}", created_at=NOW) for number in range(1000))


def test_a_full_disk_of_sqlite_is_said_and_nothing_is_kept(sqlite):
    with pytest.raises(StorageFull, match=r"zoo\.db"):
        fill(sqlite)
    assert names(sqlite) == []


def test_a_full_disk_of_postgresql_is_said(postgresql_url):
    catalog = Database(postgresql_url)
    with pytest.raises(StorageFull), catalog.writing() as db:
        db.execute(text("DO $$ BEGIN RAISE disk_full USING MESSAGE = 'cannot extend'; END $$"))
    catalog.close()


def test_a_fault_of_the_zoo_stays_what_it_is(catalog):
    error = ProgrammingError if catalog.engine.dialect.name == "postgresql" else Exception
    with pytest.raises(error, match="nothing"), catalog.reading() as db:
        db.execute(text("SELECT * FROM nothing"))


@pytest.mark.parametrize(
    "url", ["", "catalog", "nosuch://here", "sqlite+nosuch:///a", "mysql://here/zoo"]
)
def test_a_url_that_cannot_be_used_is_a_bad_setting(url):
    with pytest.raises(BadSetting, match="ZOO_DATABASE_URL"):
        Database(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:1/zoo?connect_timeout=2",
        "postgresql://nowhere.invalid/zoo?connect_timeout=2",
        "postgresql://ada:secret@127.0.0.1:1/zoo?bogus=1",
        "sqlite:////nowhere/at/all.db",
    ],
)
def test_a_database_out_of_reach_is_a_bad_setting(url):
    pytest.importorskip("psycopg")
    with pytest.raises(BadSetting, match="cannot be opened"):
        Database(url).find_schema()


def test_a_file_that_is_no_database_is_damaged(tmp_path):
    path = tmp_path / "zoo.db"
    path.write_text("This is not a database, but it is long enough to be taken for one.")
    with pytest.raises(CatalogDamaged, match="not a database"):
        Database(f"sqlite:///{path}").find_schema()


def test_a_database_that_cannot_be_written_to_is_a_bad_setting(tmp_path):
    path = tmp_path / "zoo.db"
    sqlite3.connect(path).close()
    catalog = Database(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(BadSetting, match="readonly"), catalog.writing() as db:
        db.execute(text("CREATE TABLE a (b)"))


def test_a_password_is_not_shown():
    pytest.importorskip("psycopg")
    catalog = Database("postgresql://ada:secret@127.0.0.1:1/zoo?connect_timeout=2")
    assert "secret" not in catalog.shown_url
    with pytest.raises(BadSetting) as caught:
        catalog.find_schema()
    assert "secret" not in str(caught.value.as_json())
    assert "ada" in str(caught.value)


def test_a_password_in_the_query_is_not_shown_either():
    pytest.importorskip("psycopg")
    catalog = Database("postgresql://ada@127.0.0.1:1/zoo?password=secret&connect_timeout=2")
    with pytest.raises(BadSetting) as caught:
        catalog.find_schema()
    assert "secret" not in catalog.shown_url + str(caught.value.as_json())


@pytest.mark.parametrize(
    "url", ["postgresql//ada:secret@db/zoo", "postgresql://ada:top@db:secret/zoo"]
)
def test_a_url_that_cannot_be_read_tells_nothing_of_its_password(url):
    with pytest.raises(BadSetting) as caught:
        Database(url)
    assert "secret" not in str(caught.value.as_json())


@pytest.mark.parametrize("lease_s", [0.1, 2.0, 20.0, 60.0, 86_400.0])
def test_who_waits_for_an_idle_writer_waits_longer_than_it_may_be_idle(lease_s):
    idle_ms, wait_ms = find_limits_ms(lease_s)
    assert 1000 <= idle_ms < wait_ms
    if lease_s >= 60:  # An attempt beats every quarter of its lease.
        assert wait_ms / 1000 + lease_s / 4 < lease_s


@pytest.fixture
def hasty(postgresql_url):
    """A catalog whose leases, and with them its patience, are as short as can be."""
    database = Database(postgresql_url, lease_s=0.1)
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def test_a_writer_that_is_frozen_in_its_transaction_does_not_hold_others_up(hasty, postgresql_url):
    frozen = Database(postgresql_url, lease_s=0.1)

    def freeze():
        with frozen.writing() as db:
            db.add(ModelRow(name="lost", created_at=NOW))
            db.flush()
            add_model(hasty)  # It waits until the server has ended the other one.
            assert names(hasty) == ["net"]

    with pytest.raises(CatalogUnavailable):
        freeze()
    frozen.close()
    assert names(hasty) == ["net"]


def test_who_waits_for_a_long_transaction_gives_up_and_the_long_one_stays(hasty, monkeypatch):
    monkeypatch.setattr(postgresql, "find_limits_ms", lambda _lease_s: (100, 200))
    with hasty.writing(is_long=True) as db:
        db.add(ModelRow(name="long", created_at=NOW))
        with pytest.raises(CatalogUnavailable, match="lock timeout"):
            add_model(hasty)
    with hasty.migrating(), pytest.raises(CatalogUnavailable, match="lock timeout"):
        add_model(hasty)
    assert names(hasty) == ["long"]


def refuse_connections(database, *, refuses):
    """Have the server let nobody in any more, and end who is, or let them in again."""
    server = create_engine(database.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(
            text(f"ALTER DATABASE {database.database} ALLOW_CONNECTIONS {not refuses}")
        )
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        if refuses:
            connection.execute(text(ended), {"name": database.database})
    server.dispose()


@pytest.fixture
def own_database(postgresql_server):
    """The URL of a database of its own, gone afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    server = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield postgresql_server.set(database=name)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def test_a_database_that_goes_is_not_there_for_a_moment_and_no_bad_setting(own_database):
    catalog = Database(own_database.update_query_dict({"password": "sesame"}).render_as_string())
    Base.metadata.create_all(catalog.engine)
    add_model(catalog)
    refuse_connections(own_database, refuses=True)
    for ask in (add_model, names, Database.find_schema):
        with pytest.raises(CatalogUnavailable) as caught:
            ask(catalog)
        told = str(caught.value.as_json())
        assert "sesame" not in told
        assert own_database.host not in told
    refuse_connections(own_database, refuses=False)
    assert names(catalog) == ["net"]
    catalog.close()


def test_a_postgresql_that_may_only_be_read_is_not_there_for_a_moment(hasty):
    def fail_over():
        with hasty.writing() as db:
            db.execute(text("SET TRANSACTION READ ONLY"))
            db.add(ModelRow(name="net", created_at=NOW))
            db.flush()

    with pytest.raises(CatalogUnavailable, match="read-only"):
        fail_over()
    add_model(hasty)
    assert names(hasty) == ["net"]


def test_a_new_database_has_no_schema(catalog_url):
    catalog = Database(catalog_url)
    assert catalog.find_schema() is None
    catalog.close()


def test_a_database_knows_its_schema(catalog):
    with catalog.writing() as db:
        db.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        db.execute(text("INSERT INTO alembic_version VALUES ('0007')"))
    assert catalog.find_schema() == "0007"


def test_the_version_changes_with_every_commit_and_not_else(sqlite):
    versions = [sqlite.find_version(), sqlite.find_version()]
    assert versions[0] == versions[1]
    assert names(sqlite) == []
    assert sqlite.find_version() == versions[-1]
    for name in "ab":
        add_model(sqlite, name)
        versions.append(sqlite.find_version())
    assert len(set(versions)) == 3


def test_the_version_tells_what_another_process_wrote(sqlite):
    before = sqlite.find_version()
    with sqlite3.connect(make_url(sqlite.url).database) as other:
        other.execute("INSERT INTO models (name, created_at) VALUES ('net', '2026-01-01')")
    assert sqlite.find_version() != before


def test_threads_ask_for_the_version_at_once(sqlite):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: sqlite.find_version(), range(200)))) == 1
