"""Opening a zoo makes its home, and says what hinders it."""

import errno
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from zoo.catalog.database import SCHEMA
from zoo.domain.job import Attempt
from zoo.errors import BadSetting, StorageFull
from zoo.operations import opening
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings


def test_a_new_home_is_made(tmp_path):
    home = tmp_path / "a" / "b"
    with open_zoo(read_settings(home=home)) as zoo:
        assert (home / "zoo.db").is_file()
        assert zoo.codes_folder == home / "cache" / "codes"
        assert zoo.log_path(Attempt(job=3, number=2)) == home / "logs" / "job-3-2.log"


def test_a_home_with_an_odd_name_is_a_home(tmp_path):
    home = tmp_path / "50%20 off? #1 ö"
    with open_zoo(read_settings(home=home)):
        assert {"zoo.db"} <= {path.name for path in home.iterdir()}


def test_what_dead_writers_left_is_cleared(zoo):
    left = zoo.settings.home / "blobs" / "incoming" / "left"
    left.parent.mkdir(parents=True)
    left.touch()
    with open_zoo(zoo.settings):
        assert not left.exists()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_home_that_is_a_file_is_a_bad_setting(tmp_path, below):
    (tmp_path / "home").touch()
    with pytest.raises(BadSetting, match="home"):
        open_zoo(read_settings(home=tmp_path / "home" / below)).__enter__()


def test_a_catalog_that_cannot_be_written_to_is_a_bad_setting(tmp_path):
    path = tmp_path / "zoo.db"
    sqlite3.connect(path).close()
    url = f"sqlite:///file:{path}?mode=ro&uri=true"
    with pytest.raises(BadSetting, match="readonly"):
        open_zoo(read_settings(home=tmp_path, database_url=url)).__enter__()


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(opening, "_migrate_once", fail)
    with pytest.raises(StorageFull, match="No room"):
        open_zoo(read_settings(home=tmp_path)).__enter__()


def test_migrations_may_lie_inside_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "__file__", str(tmp_path / "zoo" / "operations" / "opening.py"))
    assert opening._migrations_folder() == tmp_path / "migrations"
    (tmp_path / "zoo" / "migrations").mkdir(parents=True)
    assert opening._migrations_folder() == tmp_path / "zoo" / "migrations"


def test_the_clock_can_be_another(zoo):
    assert replace(zoo, clock=lambda: "noon").clock() == "noon"
    assert zoo.clock().utcoffset().total_seconds() == 0


def test_of_many_who_open_a_new_zoo_at_once_one_makes_its_tables(tmp_path, catalog_url):
    settings = read_settings(home=tmp_path / "home", database_url=catalog_url)
    together = threading.Barrier(4)

    def find_schema(_):
        together.wait()
        with open_zoo(settings) as zoo:
            return zoo.catalog.find_schema()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(find_schema, range(4))) == {SCHEMA}
