"""Uploads: kept as they came; a Caffe package is checked before it is published."""

from pathlib import Path

import pytest

import zoo as package
from zoo.domain.job import JobKind
from zoo.errors import BadName, DigestMismatch, Invalid, ModelNotFound
from zoo.operations import jobs
from zoo.operations.fetch import get_file, get_model
from zoo.operations.upload import Upload, upload_revision

LENET = Path(package.__file__).parent / "starter" / "lenet-digits"


def upload(zoo, *uploads, model="net"):
    return upload_revision(zoo, model, uploads, message="from a test")


def read_package():
    return {path.name: path.read_bytes() for path in LENET.iterdir()}


def test_files_are_published_as_they_came(zoo, digest_of):
    first = Upload(path="a/b.txt", chunks=[b"by", b"tes"], announced=digest_of(b"bytes"))
    uploaded = upload(zoo, first, Upload(path="c", chunks=[]))
    assert get_model(zoo, "net").head == uploaded.revision
    assert uploaded.revision.message == "from a test"
    assert get_file(zoo, uploaded.revision, "a/b.txt")[1].read_bytes() == b"bytes"
    assert get_file(zoo, uploaded.revision, "c")[1].read_bytes() == b""
    assert (uploaded.job, uploaded.note) == (None, "Stored as it came.")


def test_a_file_that_is_not_the_one_announced_publishes_nothing(zoo):
    good = Upload(path="a", chunks=[b"a"])
    bad = Upload(path="b", chunks=[b"b"], announced="0" * 64)
    with pytest.raises(DigestMismatch, match=r"^b: ") as caught:
        upload(zoo, good, bad)
    assert caught.value.detail["path"] == "b"
    with pytest.raises(ModelNotFound):
        get_model(zoo, "net")


@pytest.mark.parametrize(
    ("model", "paths"), [("a b", ["a"]), ("net", ["../a"]), ("net", ["a", "a"])]
)
def test_bad_names_publish_nothing(zoo, model, paths):
    with pytest.raises(BadName):
        upload(zoo, *(Upload(path=path, chunks=[b""]) for path in paths), model=model)
    with pytest.raises(ModelNotFound):
        get_model(zoo, "net")


def test_a_bad_model_name_is_refused_before_a_byte_is_read(zoo):
    def never():
        raise AssertionError
        yield

    with pytest.raises(BadName):
        upload(zoo, Upload(path="a", chunks=never()), model="a b")


def test_a_caffe_package_is_published_and_a_job_makes_its_graph(zoo):
    files = read_package()
    uploaded = upload(zoo, *(Upload(path=path, chunks=[data]) for path, data in files.items()))
    job = jobs.get_job(zoo, uploaded.job)
    assert (job.kind, job.params["model"]) == (JobKind.IMPORT, "net")
    assert {file.path for file in uploaded.revision.files} == set(files)
    assert "job" in uploaded.note


def test_a_caffe_package_with_layers_beyond_the_zoo_is_kept_and_says_so(zoo):
    files = read_package()
    files["deploy.prototxt"] = files["deploy.prototxt"].replace(b'"ReLU"', b'"NoSuchLayer"')
    uploaded = upload(zoo, *(Upload(path=path, chunks=[data]) for path, data in files.items()))
    assert uploaded.job is None
    assert "not runnable" in uploaded.note
    assert "NoSuchLayer" in uploaded.note


def test_a_caffe_package_that_cannot_be_right_publishes_nothing(zoo):
    files = read_package()
    del files["readme.md"]
    files["lenet_digits.caffemodel"] = files["lenet_digits.caffemodel"][:-1000]
    with pytest.raises(Invalid):
        upload(zoo, *(Upload(path=path, chunks=[data]) for path, data in files.items()))
    with pytest.raises(ModelNotFound):
        get_model(zoo, "net")
