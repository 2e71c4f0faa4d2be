"""A catalog, empty, once in SQLite and once in PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from zoo.catalog.claiming import Claimant, claim_job
from zoo.catalog.database import Database
from zoo.catalog.jobs import add_job
from zoo.catalog.leases import Reading
from zoo.catalog.tables import Base
from zoo.domain.job import JobKind

LEASE_S = 60
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


@pytest.fixture
def add(db, clock):
    """Queue a job."""
    return lambda kind=JobKind.IMPORT, **params: add_job(db, kind, params, now=clock())


@pytest.fixture
def claim(db, clock):
    """Take a job."""
    return lambda number=None, worker="here:home:1": claim_job(
        db,
        Claimant(worker=worker),
        now=clock(),
        reading=clock.reading(),
        lease_s=LEASE_S,
        number=number,
    )
