"""Migrations give exactly the tables the code was written for, and take them away again."""

import re
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from zoo.catalog.database import SCHEMA, Database
from zoo.catalog.tables import BY_CODE_POINTS, Base, is_compared
from zoo.errors import Unsupported
from zoo.operations.opening import migrate, open_zoo
from zoo.settings import read_settings

CONFIG = Config(toml_file=Path(__file__).parents[2] / "pyproject.toml")
SCRIPTS = ScriptDirectory.from_config(CONFIG)
STEPS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


@pytest.fixture
def catalog(catalog_url):
    database = Database(catalog_url)
    yield database
    database.close()


def downgrade(catalog, target):
    config = Config(toml_file=CONFIG.toml_file_name)
    with catalog.migrating() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, target)


def tables(catalog):
    with catalog.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def described(catalog):
    """Describe every table: columns, keys and indexes with their names."""
    with catalog.engine.connect() as connection:
        seen = inspect(connection)
        return {
            table: {
                "columns": [
                    (column["name"], str(column["type"]), column["nullable"])
                    for column in seen.get_columns(table)
                ],
                "key": seen.get_pk_constraint(table),
                "foreign": sorted(seen.get_foreign_keys(table), key=lambda key: key["name"]),
                "unique": sorted(seen.get_unique_constraints(table), key=lambda key: key["name"]),
                "indexes": sorted(seen.get_indexes(table), key=lambda index: index["name"]),
            }
            for table in Base.metadata.tables
        }


def test_the_code_is_written_for_the_last_migration():
    assert SCRIPTS.get_heads() == [SCHEMA]


def test_migrations_are_one_line_numbered_and_named():
    assert [f"{number:04}" for number in range(1, len(STEPS) + 1)] == STEPS
    files = sorted(path.name for path in Path(SCRIPTS.versions).glob("*.py"))
    assert [name[:4] for name in files] == STEPS
    assert all(re.fullmatch(r"\d{4}_[a-z]+(_[a-z]+)*\.py", name) for name in files)


def test_after_the_last_migration_nothing_is_missing(catalog):
    migrate(catalog)
    with catalog.engine.connect() as connection:
        told = {"compare_type": True, "include_object": is_compared}
        context = MigrationContext.configure(connection, opts=told)
        assert compare_metadata(context, Base.metadata) == []


def test_names_have_an_index_by_code_points_where_the_database_needs_one(catalog):
    migrate(catalog)
    assert list_collated(catalog) == (
        {(name, "C") for name in BY_CODE_POINTS}
        if catalog.engine.dialect.name == "postgresql"
        else set()
    )
    downgrade(catalog, "0007")
    assert list_collated(catalog) == set()


def list_collated(catalog):
    """List the indexes by code points, each with the collation of its column."""
    with catalog.engine.connect() as connection:
        found = {
            index["name"]
            for table in ("models", "datasets")
            for index in inspect(connection).get_indexes(table)
        } & set(BY_CODE_POINTS)
        if not found:
            return set()
        # What alembic cannot compare.
        wanted = text(
            "SELECT indexrelid::regclass::text, collname FROM pg_index"
            " JOIN pg_collation ON pg_collation.oid = indcollation[0]"
            " WHERE indexrelid = ANY(CAST(:names AS regclass[]))"
        )
        return {tuple(row) for row in connection.execute(wanted, {"names": list(found)})}


def test_migrations_give_the_tables_of_the_code_to_the_last_name(catalog):
    migrate(catalog)
    migrated = described(catalog)
    downgrade(catalog, "base")
    Base.metadata.create_all(catalog.engine)
    assert migrated == described(catalog)


def test_taken_back_to_the_beginning_nothing_is_left(catalog):
    migrate(catalog)
    downgrade(catalog, "base")
    assert tables(catalog) == {"alembic_version"}


@pytest.mark.parametrize("step", STEPS)
def test_each_migration_can_be_taken_back_and_made_again(catalog, step):
    migrate(catalog, target=step)
    before = tables(catalog)
    downgrade(catalog, "-1")
    migrate(catalog, target=step)
    assert tables(catalog) == before
    assert catalog.find_schema() == step


def test_a_migration_that_fails_leaves_the_catalog_as_it_was(catalog):
    with catalog.engine.begin() as connection:
        connection.execute(text("CREATE TABLE refs (a INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        migrate(catalog)
    assert tables(catalog) == {"refs"}


def test_opening_a_zoo_brings_its_catalog_up_to_date(tmp_path, catalog_url):
    settings = read_settings(home=tmp_path / "home", database_url=catalog_url)
    for _ in range(2):
        with open_zoo(settings) as zoo:
            assert zoo.catalog.find_schema() == SCHEMA


def test_a_catalog_of_a_later_release_is_refused_and_kept(tmp_path, catalog_url):
    settings = read_settings(home=tmp_path / "home", database_url=catalog_url)
    with open_zoo(settings) as zoo, zoo.catalog.writing() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unsupported, match=r"later release .* '9999'"):
        open_zoo(settings).__enter__()
    catalog = Database(catalog_url)
    assert catalog.find_schema() == "9999"
    catalog.close()


def test_alembic_itself_migrates_the_catalog_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    command.upgrade(CONFIG, "head")
    with sqlite3.connect(tmp_path / "home" / "zoo.db") as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    assert found == (SCHEMA,)
