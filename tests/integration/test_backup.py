"""Backing the catalog up while others write, and restoring it, into either kind of database."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from zoo.catalog import copying
from zoo.catalog.database import Database
from zoo.errors import CatalogDamaged, Conflict, Invalid, PathNotFound, StorageFull, Unsupported
from zoo.operations import backup, fetch
from zoo.operations.backup import back_up, restore
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.settings import read_settings


@pytest.fixture
def source(stocked):
    """The stocked zoo, with a few rows more of each kind."""
    with open_zoo(read_settings(home=stocked)) as zoo:
        yield zoo


@pytest.fixture
def target(tmp_path, catalog_url):
    """An empty zoo, once in SQLite and once in PostgreSQL, over the same blobs."""
    settings = read_settings(
        home=tmp_path / "target", database_url=catalog_url, store=str(tmp_path / "home" / "blobs")
    )
    with open_zoo(settings) as zoo:
        yield zoo


@pytest.fixture
def file(tmp_path):
    return tmp_path / "zoo.backup"


def content(zoo):
    with zoo.catalog.reading() as db:
        return copying.measure(db.connection())


def add_revision(zoo, text, model="more"):
    files = {"text": zoo.blobs.put([text.encode()])}
    return publish(zoo, Publication(model=model, files=files, message=text))


def test_what_is_restored_is_what_was_backed_up_to_the_last_row(source, target, file):
    before = content(source)
    made = back_up(source, file)
    assert made.tables == before == content(source)
    assert made.rows > 100
    done = restore(target, file)
    assert (done.backup.made_at, done.missing) == (made.made_at, ())
    assert content(target) == before
    model = fetch.get_model(target, "lenet-digits")
    assert model == fetch.get_model(source, "lenet-digits")
    again = file.with_name("again")
    assert back_up(target, again).tables == before
    with open_zoo(source.settings.model_copy(update={"database_url": ""})) as zoo:
        assert restore(zoo, again, replaces=True).backup.tables == content(zoo) == before


def test_a_restored_catalog_goes_on(source, target, file):
    back_up(source, file)
    restore(target, file)
    first = add_revision(target, "one")
    second = add_revision(target, "two")
    assert [one.id for one in fetch.list_revisions(target, "more")] == [second.id, first.id]
    assert add_revision(target, "three", "lenet").previous == fetch.get_revision(source, "lenet").id


def test_every_backup_made_while_others_write_is_of_one_moment(target, tmp_path):
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            add_revision(target, f"number {number}")
            number += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        made = [back_up(target, tmp_path / f"backup-{number}") for number in range(3)]
    finally:
        stop.set()
        writing.join()
    counts = [one.tables["revisions"].rows for one in made]
    assert counts == sorted(counts)
    for number, one in enumerate(made):
        with open_zoo(read_settings(home=tmp_path / f"home-{number}")) as zoo:
            restore(zoo, tmp_path / f"backup-{number}")
            assert content(zoo) == one.tables


def test_bytes_that_the_store_lacks_are_told(source, file, tmp_path, zoo_cli, monkeypatch):
    back_up(source, file)
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "empty"))
    monkeypatch.setenv("ZOO_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    ran = zoo_cli("db", "restore", file)
    assert ran.code == 0
    assert "blobs are not in the store" in ran.err
    assert "zoo repair" in ran.err


def test_a_catalog_that_holds_something_is_not_written_over_unless_asked(source, target, file):
    back_up(source, file)
    add_revision(target, "other")
    before = content(target)
    with pytest.raises(Conflict, match="is not empty"):
        restore(target, file)
    assert content(target) == before
    restore(target, file, replaces=True)
    assert content(target) == content(source)


@pytest.mark.usefixtures("stocked")
def test_the_commands(zoo_cli, file, tmp_path):
    ran = zoo_cli("db", "backup", file)
    assert ran.code == 0
    assert f"rows of {len(copying.list_tables())} tables" in ran.out
    assert file.stat().st_mode & 0o077 == 0
    again = zoo_cli("db", "backup", file)
    assert (again.code, "is there already" in again.err) == (1, True)
    assert zoo_cli("db", "restore", file).code == 1
    assert zoo_cli("db", "restore", "--replace", file).code == 0
    assert "lenet-digits" in zoo_cli("list").out
    assert zoo_cli("db", "backup", tmp_path / "none" / "file").code == 3
    assert zoo_cli("db", "restore", tmp_path / "none").code == 3


def test_a_restore_that_fails_changes_nothing(source, target, file, monkeypatch):
    back_up(source, file)
    add_revision(target, "other")
    before = content(target)

    def fail(*_arguments):
        raise StorageFull

    monkeypatch.setattr(copying, "_go_on_counting", fail)
    with pytest.raises(StorageFull):
        restore(target, file, replaces=True)
    assert content(target) == before


def test_a_backup_that_fails_leaves_nothing(source, file, monkeypatch):
    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_seal", fail)
    before = sorted(file.parent.iterdir())
    with pytest.raises(StorageFull, match="No room left for"):
        back_up(source, file)
    assert sorted(file.parent.iterdir()) == before


def change(file, statement):
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        ("UPDATE blobs SET size_bytes = size_bytes + 1", CatalogDamaged, "blobs do not hold"),
        ("DELETE FROM job_events", CatalogDamaged, "job_events do not hold"),
        ("DELETE FROM models", CatalogDamaged, "damaged"),
        ("DROP TABLE zoo_backup", Invalid, "is no backup"),
        ("DELETE FROM zoo_backup", Invalid, "is no backup"),
        ("DROP TABLE alembic_version", Invalid, "is no backup"),
        ("UPDATE alembic_version SET version_num = '9999'", Unsupported, "later release"),
    ],
)
def test_a_backup_that_was_changed_is_refused(source, file, statement, kind, said):
    back_up(source, file)
    change(file, statement)
    with open_zoo(read_settings(home=file.with_name("new"))) as zoo:
        with pytest.raises(kind, match=said):
            restore(zoo, file)
        with zoo.catalog.reading() as db:
            assert copying.is_empty(db.connection())


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_backup_that_was_cut_short_is_refused(source, tmp_path, file, share):
    back_up(source, file)
    data = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(data[: int(len(data) * share)])
    with (
        open_zoo(read_settings(home=tmp_path / "new")) as zoo,
        pytest.raises((Invalid, CatalogDamaged)),
    ):
        restore(zoo, file)


def test_a_backup_of_an_earlier_release_is_brought_up_to_date(source, tmp_path, file):
    back_up(source, file)
    with closing(Database(f"sqlite:///{file}")) as older, older.migrating() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parents[2] / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
    with open_zoo(read_settings(home=tmp_path / "new")) as zoo:
        done = restore(zoo, file)
        assert done.backup.schema == "0005"
        before, after = content(source), content(zoo)
    changed = {name for name in before if before[name] != after[name]}
    # What revisions are found by is told anew, by their summaries alone; what that release did not
    # know of jobs is gone: turns, shares of machines, leases by a clock.
    assert changed <= {"revisions", "model_changes", "jobs", "attempts", "turns"}
    assert {name: one.rows for name, one in before.items() if name != "turns"} == {
        name: one.rows for name, one in after.items() if name != "turns"
    }


def test_a_running_catalog_is_no_backup(source, tmp_path):
    with open_zoo(read_settings(home=tmp_path / "new")) as zoo:
        with pytest.raises(Invalid, match="is no backup"):
            restore(zoo, source.settings.home / "zoo.db")
        with pytest.raises(PathNotFound):
            restore(zoo, tmp_path / "none")
