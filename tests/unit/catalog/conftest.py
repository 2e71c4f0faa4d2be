"""A catalog, empty, once in SQLite and once in PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from zoo.catalog.database import Database
from zoo.catalog.leases import Reading
from zoo.catalog.tables import Base

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += timedelta(seconds=seconds)

    def reading(self):
        """Read it as the clock of leases."""
        return Reading(clock="test", at_s=self.now.timestamp())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def catalog(catalog_url):
    database = Database(catalog_url)
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def db(catalog):
    """A writing transaction."""
    with catalog.writing() as session:
        yield session
