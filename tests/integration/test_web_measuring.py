"""What is measured over REST: by jobs, whose files are downloaded, kept from sweeps and private."""

import hashlib
import io
import zipfile

import numpy as np
import pytest

from zoo.domain.access import Role
from zoo.domain.job import JobState
from zoo.operations import fetch
from zoo.operations.access import list_audit
from zoo.operations.accounts import create_token, grant_role
from zoo.operations.opening import open_zoo
from zoo.operations.sweep import sweep
from zoo.settings import read_settings
from zoo.worker.parent import open_parent
from zoo.worker.reference import find_references, keep_reference

pytestmark = pytest.mark.usefixtures("stocked")
EVALUATION = {"model": "lenet-digits", "dataset": "digits"}
CODES = {"model": "lenet", "dataset": "digits", "splits": ["val"]}


def ask(client, path, **body):
    answer = client.post(f"/v1/{path}", json=body)
    assert answer.status_code == 202, answer.json
    return answer.json["id"]


def test_files_of_a_job_are_given_when_it_has_succeeded(client, work, home):
    number = ask(client, "codes", **CODES)
    assert ask(client, "codes", **CODES) == number  # It is not finished, so it is the same one.
    early = client.get(f"/v1/jobs/{number}/files/codes.npz")
    assert (early.status_code, early.json["error"]["code"]) == (409, "conflict")
    (done,) = work()
    assert done.state is JobState.SUCCEEDED
    with open_zoo(read_settings(home=home, grace_s=0)) as zoo:
        sweep(zoo)
    answer = client.get(f"/v1/jobs/{number}/files/codes.npz")
    (file,) = done.result["files"]
    assert hashlib.sha256(answer.data).hexdigest() == file["digest"] == answer.headers["ETag"][1:-1]
    assert np.load(io.BytesIO(answer.data))["codes"].ndim == 2
    for wrong in ("nothing.npz", "../codes.npz", "codes.npz/"):
        assert client.get(f"/v1/jobs/{number}/files/{wrong}").status_code == 404


def test_an_evaluation_without_pictures_draws_none(client, work):
    number = ask(client, "evaluations", **EVALUATION, has_pictures=False)
    work()
    job = client.get(f"/v1/jobs/{number}").json
    assert [file["path"] for file in job["result"]["files"]] == [
        "confusion.png",
        "eval.json",
        "eval.md",
    ]
    told = client.get(f"/v1/jobs/{number}/files/{job['result']['report']}").json
    assert told["accuracy"] == job["result"]["accuracy"]


def test_files_of_others_jobs_are_not_there(make_app, home, work):
    client = make_app(access="tokens").test_client()
    with open_zoo(read_settings(home=home)) as zoo:
        secrets = []
        for account in ("ada", "eve"):
            grant_role(zoo, account, "", Role.WRITE)
            secrets.append(create_token(zoo, account, role=Role.WRITE).secret)
    ada, eve = ({"Authorization": f"Bearer {secret}"} for secret in secrets)
    number = client.post("/v1/codes", json=CODES, headers=ada).json["id"]
    work()
    path = f"/v1/jobs/{number}/files/codes.npz"
    assert client.get(path, headers=ada).status_code == 200
    assert client.get(path, headers=eve).status_code == 404
    for body in ({}, {"quarantine": True}):
        assert client.post("/v1/verifications", json=body, headers=ada).status_code == 403
    answer = client.put(f"/v1/blobs/{'a' * 64}", data=b"x", headers=ada)
    assert answer.status_code == 403


def test_bytes_are_put_back_and_nothing_else_is_taken(client, app):
    zoo = app.extensions["zoo"]
    file = fetch.get_revision(zoo, "lenet").get_file("README.md")
    path = zoo.blobs.local_path(file.digest)
    data = path.read_bytes()
    zoo.blobs.quarantine(file.digest)
    wrong = client.put(f"/v1/blobs/{file.digest}", data=b"other")
    assert (wrong.status_code, wrong.json["error"]["code"]) == (422, "digest_mismatch")
    assert not zoo.blobs.has(file.digest)
    unknown = client.put(f"/v1/blobs/{hashlib.sha256(b'x').hexdigest()}", data=b"x")
    assert (unknown.status_code, unknown.json["error"]["code"]) == (404, "file_not_found")
    assert client.put("/v1/blobs/xyz", data=b"x").status_code == 400
    assert client.put(f"/v1/blobs/{file.digest}", data=data).json["digest"] == file.digest
    assert path.read_bytes() == data
    told = list_audit(zoo, subject=file.digest)
    assert [entry.action for entry in told] == ["blob.repair"]
    assert told[0].detail["used_by"][0].startswith("README.md of lenet@")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "architecture": "/etc/passwd"},
        {"name": "x", "architecture": "/etc/x.prototxt"},
        {"name": "x", "architecture": "x.prototxt", "prototxt": "layer {"},
    ],
)
def test_no_file_of_the_server_is_read_to_create_a_model(client, body):
    answer = client.post("/v1/creations", json=body)
    assert answer.status_code in {400, 422}
    assert "root:" not in answer.text


@pytest.fixture(scope="module")
def packed(digits):
    """A zip of pictures in one folder, of whatever class."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number, path in enumerate(sorted(digits.rglob("*.png"))):
            archive.write(path, f"seen/{number}.png")
        archive.writestr("seen/notes.txt", "no picture")
    return data.getvalue()


def refer(client, data, model="lenet", headers=None):
    query = {"model": model, "source": "seen"}
    return client.post("/v1/references", query_string=query, data=data, headers=headers)


def test_a_reference_that_is_sent_is_told_by_advice_on_every_machine(client, work, home, packed):
    answer = refer(client, packed)
    assert (answer.status_code, answer.json["kind"]) == (202, "reference")
    assert refer(client, packed).json["id"] == answer.json["id"]
    (done,) = work()
    assert done.state is JobState.SUCCEEDED, done.error
    assert done.result["reference"] == "seen"
    assert done.result["pictures"] == 50
    assert done.result["layers"][-1] == "codes"
    # Nothing of it lies in the home, which machines do not share, and a sweep leaves it.
    assert not (home / "references").exists()
    with open_zoo(read_settings(home=home, grace_s=0)) as zoo:
        sweep(zoo)
        assert not zoo.blobs.has(done.params["archive"])
    number = ask(client, "advice", model="lenet", dataset="digits")
    work()
    far = client.get(f"/v1/jobs/{number}").json["result"]["reference_moments"]
    assert (far["source"], far["reference"]) == ("seen", 50)


def test_the_newest_reference_counts_wherever_it_was_taken(client, app, work, packed, digits):
    zoo = app.extensions["zoo"]
    parent = open_parent(zoo, "lenet")

    def keep_here(source):
        keep_reference(zoo, "lenet", digits, lambda *_: None, source=source)

    keep_here("first")
    assert find_references(zoo, parent).source == "first"
    refer(client, packed)
    (done,) = work()
    assert find_references(zoo, parent).source == "seen"
    zoo.blobs.quarantine(done.result["files"][0]["digest"])
    assert find_references(zoo, parent).source == "first"
    keep_here("last")
    assert find_references(zoo, parent).source == "last"


def test_too_few_pictures_and_no_archive_fail_the_job_by_the_name_that_was_given(client, work):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.png", b"no picture")
    for sent in (data.getvalue(), b"no archive"):
        refer(client, sent)
    told = {job.error["error"]["code"]: job.error["error"]["message"] for job in work()}
    assert told.keys() == {"too_few_pictures", "malformed_archive"}
    assert all(message.startswith("seen: ") for message in told.values())


def test_a_reference_takes_a_writer_of_the_model_and_nothing_is_kept_of_others(
    make_app, home, packed
):
    client = make_app(access="tokens").test_client()
    with open_zoo(read_settings(home=home)) as zoo:
        grant_role(zoo, "ada", "ada", Role.WRITE)
        secret = create_token(zoo, "ada", role=Role.WRITE).secret
        before = set(zoo.blobs.list_blobs())
    headers = {"Authorization": f"Bearer {secret}"}
    refused = refer(client, packed, headers=headers)
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "forbidden")
    assert refer(client, packed).status_code == 401
    assert refer(client, packed, model="nothing", headers=headers).status_code == 404
    with open_zoo(read_settings(home=home)) as zoo:
        assert set(zoo.blobs.list_blobs()) == before
