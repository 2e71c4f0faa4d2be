"""Every failure is told in one shape, with a status of its kind."""

import inspect
import io

import pytest

from zoo import errors
from zoo.commands.main import EXIT, exit_code
from zoo.web.access import Need, needs
from zoo.web.answers import STATUS, status_of
from zoo.web.shapes.base import ErrorAnswer

EVERY = sorted(
    (kind for _, kind in inspect.getmembers(errors, inspect.isclass)),
    key=lambda kind: kind.__name__,
)
ID = "0" * 40
FAILURES = [
    ("GET", "/nowhere", {}, 404, "not_found"),
    ("GET", "/v1", {}, 404, "not_found"),
    ("GET", "/v1/models/a/b/c", {}, 404, "not_found"),
    ("DELETE", "/v1/models", {}, 405, "method_not_allowed"),
    ("PUT", "/v1/jobs/1", {}, 405, "method_not_allowed"),
    ("POST", "/openapi.json", {}, 405, "method_not_allowed"),
    ("PUT", "/v1/models/owner/net/dense", {}, 405, "method_not_allowed"),
    ("GET", "/v1/models/lenet/files", {}, 404, "not_found"),
    ("GET", "/v1/models?limit=0", {}, 400, "bad_request"),
    ("GET", "/v1/models?limit=many", {}, 400, "bad_request"),
    ("GET", "/v1/models?colour=red", {}, 400, "bad_request"),
    ("GET", "/v1/models/nothing", {}, 404, "model_not_found"),
    ("GET", "/v1/models/-nothing", {}, 422, "bad_name"),
    ("GET", "/v1/models/nothing/revisions", {}, 404, "model_not_found"),
    ("GET", f"/v1/models/lenet/revisions/{ID}", {}, 404, "revision_not_found"),
    ("GET", "/v1/models/lenet/revisions/v9", {}, 404, "revision_not_found"),
    ("GET", "/v1/models/lenet/files/nothing", {}, 404, "file_not_found"),
    ("GET", "/v1/models/lenet/files/%2e%2e/%2e%2e/zoo.db", {}, 404, "file_not_found"),
    ("POST", "/v1/models/net/revisions", {}, 400, "bad_request"),
    ("POST", "/v1/models/net/revisions", {"data": {"../a": "up"}}, 422, "bad_name"),
    ("POST", "/v1/models/nothing/predict", {"data": b"x"}, 404, "model_not_found"),
    ("POST", "/v1/models/lenet/predict", {}, 400, "bad_request"),
    ("POST", "/v1/models/lenet/predict", {"data": b"x"}, 422, "unreadable_picture"),
    ("POST", "/v1/models/lenet/predict?top=0", {"data": b"x"}, 400, "bad_request"),
    ("GET", "/v1/datasets/nothing", {}, 404, "dataset_not_found"),
    ("POST", "/v1/datasets", {"data": b"x"}, 400, "bad_request"),
    ("POST", "/v1/datasets?name=-", {"data": b"x"}, 422, "bad_name"),
    ("POST", "/v1/datasets?name=d", {"data": b"x"}, 422, "malformed_archive"),
    ("GET", "/v1/jobs/99", {}, 404, "job_not_found"),
    ("GET", f"/v1/jobs/{10**30}", {}, 404, "job_not_found"),
    ("GET", "/v1/jobs/1?after=-1", {}, 400, "bad_request"),
    ("POST", "/v1/jobs/99/cancel", {}, 404, "job_not_found"),
    ("POST", "/v1/jobs", {}, 400, "bad_request"),
    ("POST", "/v1/jobs", {"data": b'{"model": "lenet",'}, 400, "bad_request"),
    ("POST", "/v1/jobs", {"data": b"\xff\xfe"}, 400, "bad_request"),
    ("POST", "/v1/jobs", {"json": ["lenet"]}, 400, "bad_request"),
    ("POST", "/v1/jobs", {"json": {"model": "lenet"}}, 400, "bad_request"),
    ("POST", "/v1/jobs", {"json": {"model": 1, "dataset": "digits"}}, 400, "bad_request"),
]


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: " ".join(map(str, failure[:3])))
def test_every_failure_has_the_one_shape(client, failure):
    method, path, sent, status, code = failure
    sent = {name: as_upload(value) for name, value in sent.items()}
    answer = client.open(path, method=method, **sent)
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    error = ErrorAnswer.model_validate(answer.json).error
    assert error.code == code
    assert error.message
    assert error.hint


@pytest.mark.parametrize("word", ["predict", "predictions", "imports", "surgeries", "aliases"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_what_is_only_posted_to_says_so_to_other_methods(client, method, word):
    answer = client.open(f"/v1/models/owner/net/{word}", method=method)
    assert answer.status_code == 405
    assert set(answer.allow) == {"OPTIONS", "POST"}
    # Without an owner the word is not read as the name of somebody's model.
    short = client.open(f"/v1/models/net/{word}", method=method)
    assert (short.status_code, set(short.allow)) == (405, {"OPTIONS", "POST"})


def as_upload(value):
    """Give the data of a form as a file each; they are read once, so they are made per test."""
    if not (isinstance(value, dict) and value.keys() == {"../a"}):
        return value
    return {name: (io.BytesIO(data.encode()), "x") for name, data in value.items()}


def test_a_body_that_is_too_large_has_the_one_shape(make_app):
    client = make_app(max_upload_bytes=10).test_client()
    for path in ("/v1/models/net/revisions", "/v1/jobs", "/v1/datasets?name=d"):
        answer = client.post(path, data=bytes(100), content_type="multipart/form-data; boundary=x")
        assert answer.status_code == 413
        assert ErrorAnswer.model_validate(answer.json)


def test_a_full_disk_has_the_one_shape(app, client):
    @app.get("/full")
    @needs(Need.NOBODY)
    def full():
        raise OSError(errors.errno.ENOSPC, "No space left on device")

    answer = client.get("/full")
    assert answer.status_code == 507
    assert ErrorAnswer.model_validate(answer.json).error.code == "storage_full"


def test_a_method_that_is_not_allowed_names_those_that_are(client):
    assert set(client.delete("/v1/models").headers["Allow"].split(", ")) >= {"GET", "HEAD"}


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_an_exit_code(kind):
    assert 400 <= status_of(kind) < 600
    assert exit_code(kind) in {1, 3, 4, 5, 6, 7, 8, 130}


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_tells_a_next_step(kind):
    body = kind().as_json()["error"]
    assert body["message"]
    assert body["hint"]


@pytest.mark.parametrize("table", [STATUS, EXIT], ids=["status", "exit"])
def test_tables_name_errors_of_the_tree_only(table):
    assert set(table) <= set(EVERY)
    assert errors.ZooError in table


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.BadRequest, 400, 1),
        (errors.BadName, 422, 1),
        (errors.ModelNotFound, 404, 3),
        (errors.PathNotFound, 404, 3),
        (errors.DigestMismatch, 422, 6),
        (errors.ParityBroken, 422, 6),
        (errors.LeaseLost, 409, 1),
        (errors.NotRunnable, 409, 1),
        (errors.UnsupportedLayers, 415, 1),
        (errors.TooLarge, 413, 1),
        (errors.StorageFull, 507, 1),
        (errors.JobFailed, 500, 5),
        (errors.Interrupted, 500, 130),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_kinds_have_the_status_and_exit_code_that_are_promised(kind, status, code):
    assert (status_of(kind), exit_code(kind)) == (status, code)


def test_the_tree_at_the_head_of_errors_is_the_real_one():
    drawn = {
        line.strip("│├└─ ").split()[0]
        for line in errors.__doc__.splitlines()
        if "──" in line or line == "ZooError"
    }
    assert drawn == {kind.__name__ for kind in EVERY}
