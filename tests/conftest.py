"""What every test may ask for."""

import os
import uuid
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres?connect_timeout=2"


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real checkpoints and pictures; tests that need it are skipped elsewhere."""
    folder = Path(os.environ.get("ZOO_TEST_DATA", SHARED_DATA))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ZOO_TEST_DATA to its folder")
    return folder


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch, tmp_path_factory):
    """Keep the settings of whoever runs the tests out of them."""
    for name in os.environ:
        if name.startswith("ZOO_") and not name.startswith("ZOO_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="session")
def postgres_url():
    """A PostgreSQL database that may be written to; tests that need it are skipped elsewhere."""
    url = make_url(os.environ.get("ZOO_TEST_POSTGRES", POSTGRES))
    try:
        engine = create_engine(url)
        with engine.connect():
            engine.dispose()
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        if "ZOO_TEST_POSTGRES" in os.environ:
            raise
        pytest.skip(f"no PostgreSQL at {url}; set ZOO_TEST_POSTGRES: {error}")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request):
    """The URL of an empty database, once for each that a catalog may lie in."""
    return request.getfixturevalue(f"_{request.param}")


@pytest.fixture
def _sqlite(tmp_path):
    return f"sqlite:///{tmp_path / 'catalog.db'}"


@pytest.fixture
def _postgresql(postgres_url):
    """A schema of its own, gone afterwards."""
    schema = f"test_{uuid.uuid4().hex}"
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        own = postgres_url.update_query_dict({"options": f"-csearch_path={schema}"})
        yield own.render_as_string(hide_password=False)
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def zoo(tmp_path):
    """An open zoo in a new home."""
    with open_zoo(read_settings(home=tmp_path / "home")) as opened:
        yield opened
