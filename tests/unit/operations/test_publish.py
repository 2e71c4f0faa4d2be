"""Publishing: first the bytes, then the row; a job's result and its success are one."""

import json

import pytest

from zoo.catalog.models import list_names
from zoo.domain.access import LOCAL
from zoo.domain.job import JobKind, JobState
from zoo.domain.revision import Blob
from zoo.errors import (
    BadName,
    Conflict,
    DatasetNotFound,
    LeaseLost,
    ModelNotFound,
    RevisionNotFound,
)
from zoo.operations import jobs, steering
from zoo.operations.commit import keep_content
from zoo.operations.datasets import add_dataset
from zoo.operations.fetch import get_model, get_revision
from zoo.operations.models import create_model
from zoo.operations.publish import Publication, publish, put_json, put_text


@pytest.fixture
def attempt(zoo):
    """An attempt that holds a job."""
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"model": "net"})
    return jobs.claim(zoo, worker="here-1", number=job.id)


def names(zoo):
    with zoo.catalog.reading() as db:
        return list_names(db, caller=LOCAL)


def test_what_is_published_is_found(zoo, published):
    revision = published(summary={"classes": 2})
    assert get_revision(zoo, "net") == revision
    assert revision.summary == {"classes": 2}
    assert revision.job is None


def test_bytes_that_are_not_in_the_store_publish_nothing(zoo):
    missing = Blob(digest="0" * 64, size_bytes=1)
    with pytest.raises(Conflict):
        publish(zoo, Publication(model="net", files={"a": missing}, message=""))
    assert names(zoo) == []


def test_a_further_ref_points_to_it_too(zoo, published):
    revision = published(refs=("main", "v1.0"))
    assert get_model(zoo, "net").refs == {"main": revision.id, "v1.0": revision.id}


@pytest.mark.parametrize(
    "bad", [{"refs": ("main", "a b")}, {"model": "a--b"}, {"files": {"../a": ""}}]
)
def test_a_bad_name_publishes_nothing(zoo, published, bad):
    with pytest.raises(BadName):
        published(**bad)
    assert names(zoo) == []


def test_lineage_is_kept(zoo, published, insects):
    parent = published("base")
    dataset = add_dataset(zoo, insects(ant=2, bee=2))
    child = published("child", parent=parent.address, dataset=dataset.address)
    assert (child.parent, child.dataset) == (parent.address, dataset.address)


@pytest.mark.parametrize(
    ("lineage", "error"),
    [
        ({"parent": "nothing"}, ModelNotFound),
        ({"parent": "base:v9"}, RevisionNotFound),
        ({"dataset": "nothing"}, DatasetNotFound),
    ],
)
def test_lineage_that_is_not_there_publishes_nothing(zoo, published, lineage, error):
    published("base")
    with pytest.raises(error):
        published("child", **lineage)
    assert names(zoo) == ["base"]


def test_a_jobs_result_is_published_as_it_succeeds(zoo, published, attempt):
    revision = published(attempt=attempt, summary={"classes": 2})
    job = jobs.get_job(zoo, attempt.job)
    assert revision.job == job.id
    assert job.state is JobState.SUCCEEDED
    assert job.result == {"revision": revision.address, "classes": 2}


def test_an_attempt_that_lost_its_lease_publishes_nothing(zoo, published, attempt):
    steering.cancel(zoo, attempt.job)
    with pytest.raises(LeaseLost):
        published(attempt=attempt)
    assert names(zoo) == []


def test_a_job_whose_result_cannot_be_published_has_not_succeeded(zoo, published, attempt):
    with pytest.raises(ModelNotFound):
        published(attempt=attempt, parent="nothing")
    assert jobs.get_job(zoo, attempt.job).state is JobState.RUNNING
    assert names(zoo) == []


def test_json_is_kept_readable_in_its_order(zoo):
    value = {"zebra": 1, "ant": ["Ameise", "蚁"]}
    text = zoo.blobs.local_path(put_json(zoo, value).digest).read_text("utf-8")
    assert json.loads(text) == value
    assert text == '{\n  "zebra": 1,\n  "ant": [\n    "Ameise",\n    "蚁"\n  ]\n}\n'


def test_text_is_kept_as_utf_8(zoo):
    assert zoo.blobs.local_path(put_text(zoo, "蚁").digest).read_bytes() == "蚁".encode()


@pytest.fixture
def asked(zoo, monkeypatch):
    """What the store was asked for, look by look."""
    looks, real = [], zoo.blobs.find_kept

    def find(digests):
        looks.append(list(digests))
        return real(looks[-1])

    monkeypatch.setattr(zoo.blobs, "find_kept", find)
    return looks


def test_the_store_is_not_asked_under_the_writers_lock_for_what_is_referred_to(zoo, asked):
    create_model(zoo, "net")
    sent, unsent = keep_content(zoo, "net", b"sent"), put_text(zoo, "put")
    both = {"a": sent, "b": unsent}
    asked.clear()
    publish(zoo, Publication(model="net", files=both, message=""))
    assert [set(look) for look in asked] == [{sent.digest, unsent.digest}, {unsent.digest}]
    asked.clear()
    publish(zoo, Publication(model="other", files=both, message=""))
    assert [len(look) for look in asked] == [2, 0]


def test_bytes_that_a_sweep_takes_before_the_lock_publish_nothing(zoo, monkeypatch):
    blob, real = put_text(zoo, "swept"), zoo.blobs.find_kept

    def find_then_sweep(digests):
        found = real(digests)
        monkeypatch.setattr(zoo.blobs, "find_kept", real)
        zoo.blobs.delete(blob.digest)
        return found

    monkeypatch.setattr(zoo.blobs, "find_kept", find_then_sweep)
    with pytest.raises(Conflict):
        publish(zoo, Publication(model="net", files={"a": blob}, message=""))
    assert names(zoo) == []
