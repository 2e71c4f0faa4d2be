"""Pictures, datasets and revisions to operate on."""

import hashlib
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from zoo.catalog.leases import read_clock
from zoo.domain.access import Caller, Role
from zoo.domain.job import JobKind
from zoo.domain.terms import Terms
from zoo.operations import failing, jobs
from zoo.operations.publish import Publication, publish


def make_png(number):
    """Make the bytes of a small picture, another for each number."""
    buffer = BytesIO()
    Image.new("RGB", (4, 3), (number % 256, number // 256, 100)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def png():
    return make_png


@pytest.fixture
def insects(tmp_path):
    """Write a folder of class folders with so many different pictures each."""

    def write(folder="insects", start=0, **counts):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        number = start
        for label, count in counts.items():
            (tmp_path / folder / label).mkdir(exist_ok=True)
            for _ in range(count):
                number += 1
                path = tmp_path / folder / label / f"{number}.png"
                path.write_bytes(make_png(number))
        return tmp_path / folder

    return write


@pytest.fixture
def published(zoo):
    """Publish a revision with these files: path to text or bytes."""

    def published(model="net", **more):
        files = more.pop("files", {"README.md": f"# {model}"})
        blobs = {
            path: zoo.blobs.put([text.encode() if isinstance(text, str) else text])
            for path, text in files.items()
        }
        return publish(zoo, Publication(model=model, files=blobs, message="", **more))

    return published


@pytest.fixture
def digest_of():
    return lambda data: hashlib.sha256(data).hexdigest()


@pytest.fixture
def job(zoo):
    """A job in the queue."""
    return jobs.enqueue(zoo, JobKind.IMPORT, {"model": "net", "files": {"a": ["0", 1]}})


@pytest.fixture
def attempt(zoo, job):
    """An attempt that holds it."""
    return jobs.claim(zoo, worker="here-1", number=job.id)


@pytest.fixture
def ada(zoo):
    """The zoo as an account sees it that does not look after it."""
    return replace(zoo, caller=Caller(account="ada", roles={"ada": Role.WRITE}))


@pytest.fixture
def later():
    """Give the zoo some seconds later by the clock of leases, or when all leases have run out."""

    def later(zoo, seconds=None):
        more = zoo.settings.lease_s + 1 if seconds is None else seconds

        def read(db):
            found = read_clock(db)
            return replace(found, at_s=found.at_s + more)

        return replace(zoo, lease_clock=read)

    return later


@pytest.fixture
def enqueue():
    """Queue a job of that number on some terms; give its number in the queue."""

    def enqueue(zoo, number, **terms):
        on_terms = replace(zoo, terms=Terms(**terms))
        return jobs.enqueue(on_terms, JobKind.IMPORT, {"number": number}).id

    return enqueue


@pytest.fixture
def end():
    """Have a job succeed, or fail with an error."""

    def end(zoo, number, error=None):
        attempt = jobs.claim(zoo, worker="w", number=number)
        if error is None:
            jobs.succeed(zoo, attempt, {"revision": f"net@{number}"})
        else:
            failing.fail(zoo, attempt, error)

    return end


@pytest.fixture
def states():
    """Tell how jobs stand."""

    def states(zoo, *numbers):
        return [jobs.get_job(zoo, number).state.value for number in numbers]

    return states
