"""Uploading revisions: checked first, published whole or not at all."""

import gc
import io

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart


def refuse(answer, code, status=422):
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    return answer.json["error"]["message"]


@pytest.fixture
def nothing_is_published(client):
    """Whatever the test uploads, no model is there afterwards."""
    yield
    assert client.get("/v1/models").json["models"] == []
    assert client.get("/v1/jobs").json["jobs"] == []


def test_plain_files_are_stored_as_they_came(client, upload, sha256):
    answer = upload("net", ("notes/a.txt", b"one"), ("b.bin", b"\0" * 1000))
    assert answer.status_code == 201
    assert answer.json["job"] is None
    files = {file["path"]: file for file in answer.json["revision"]["files"]}
    assert files["notes/a.txt"]["digest"] == sha256(b"one")
    assert files["b.bin"]["size_bytes"] == 1000
    assert client.get("/v1/models/net/files/notes/a.txt").data == b"one"


def test_a_part_may_be_named_by_its_path(client):
    data = {"notes/a.txt": (io.BytesIO(b"one"), "whatever.bin")}
    answer = client.post("/v1/models/net/revisions", data=data)
    assert [file["path"] for file in answer.json["revision"]["files"]] == ["notes/a.txt"]


def test_a_large_file_comes_through_whole(client, sha256):
    data = bytes(range(256)) * 20_000  # five pieces of the size that is read at once
    boundary, body = encode_multipart({"a": FileStorage(io.BytesIO(data), "large.bin")})
    answer = client.post(
        "/v1/models/net/revisions",
        data=body,
        content_type=f"multipart/form-data; boundary={boundary}",
    )
    (file,) = answer.json["revision"]["files"]
    assert (file["size_bytes"], file["digest"]) == (len(data), sha256(data))


def test_a_caffe_package_is_made_able_to_predict_by_a_job(client, upload, work, package, picture):
    answer = upload("net", *package.items())
    assert answer.status_code == 201
    assert answer.json["job"] == 1
    (job,) = work()
    assert job.state == "succeeded"
    model = client.get("/v1/models/net").json
    assert {"model.onnx", "model.safetensors", "lenet_digits.caffemodel"} <= {
        file["path"] for file in model["head"]["files"]
    }
    assert model["head"]["previous"] == answer.json["revision"]["id"]
    assert client.post("/v1/models/net/predict", data=picture.read_bytes()).status_code == 200


def test_a_package_uploaded_twice_at_once_is_one_job(client, upload, package):
    numbers = [upload("net", *package.items()).json["job"] for _ in range(2)]
    assert numbers == [1, 1]
    assert len(client.get("/v1/jobs").json["jobs"]) == 1


@pytest.mark.parametrize("spell", [str.lower, str.upper], ids=["lower", "upper"])
def test_an_announced_digest_that_is_right_is_accepted(upload, sha256, spell):
    answer = upload("net", ("a.bin", b"one"), **{"a.bin.sha256": spell(sha256(b"one"))})
    assert answer.status_code == 201


@pytest.mark.usefixtures("nothing_is_published")
def test_an_announced_digest_that_is_wrong_is_refused(upload, sha256):
    files = [("a.bin", b"one"), ("b.bin", b"two")]
    answer = upload("net", *files, **{"b.bin.sha256": sha256(b"three")})
    assert refuse(answer, "digest_mismatch").startswith("b.bin: ")
    assert answer.json["error"]["detail"]["found"] == sha256(b"two")


@pytest.mark.usefixtures("nothing_is_published")
@pytest.mark.parametrize("path", ["../a", "/etc/a", "a/../../b", "a//b", ".", "C:/a"])
def test_a_name_that_leaves_the_revision_is_refused(upload, path):
    assert path in refuse(upload("net", (path, b"one")), "bad_name")


@pytest.mark.usefixtures("nothing_is_published")
def test_two_files_of_one_name_are_refused(upload):
    assert "'a'" in refuse(upload("net", ("a", b"one"), ("a", b"two")), "bad_name")


@pytest.mark.usefixtures("nothing_is_published")
def test_a_model_name_that_cannot_be_is_refused(upload):
    refuse(upload("-net", ("a", b"one")), "bad_name")


@pytest.mark.usefixtures("nothing_is_published")
def test_an_upload_without_files_is_refused(client):
    refuse(client.post("/v1/models/net/revisions", data={"message": "x"}), "bad_request", 400)


@pytest.mark.usefixtures("nothing_is_published")
def test_a_truncated_caffemodel_is_refused_and_named(upload, package):
    package["lenet_digits.caffemodel"] = package["lenet_digits.caffemodel"][:9000]
    del package["readme.md"]  # Its SHA-1 would be the first to tell.
    message = refuse(upload("net", *package.items()), "malformed_checkpoint")
    assert "lenet_digits.caffemodel" in message


@pytest.mark.usefixtures("nothing_is_published")
def test_weights_that_are_not_those_of_the_readme_are_refused(upload, package):
    package["lenet_digits.caffemodel"] = package["lenet_digits.caffemodel"][:-1] + b"\7"
    assert "lenet_digits.caffemodel" in refuse(upload("net", *package.items()), "digest_mismatch")


@pytest.mark.usefixtures("nothing_is_published")
def test_a_prototxt_that_does_not_fit_its_weights_is_refused(upload, package):
    package["deploy.prototxt"] = package["deploy.prototxt"].replace(
        b"num_output: 64", b"num_output: 65"
    )
    assert "ip1" in refuse(upload("net", *package.items()), "weights_mismatch")


@pytest.mark.usefixtures("nothing_is_published")
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning"
)  # The parser leaves its file to the collector.
def test_a_body_cut_short_publishes_nothing(client, package):
    boundary = "edge"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    body = head.encode() + package["lenet_digits.caffemodel"]
    answer = client.post(
        "/v1/models/net/revisions",
        data=body,
        content_type=f"multipart/form-data; boundary={boundary}",
    )
    gc.collect()
    refuse(answer, "bad_request", 400)


def test_a_network_beyond_the_zoo_is_stored_with_a_note(client, upload, package):
    package["deploy.prototxt"] = package["deploy.prototxt"].replace(b'"ReLU"', b'"Warp"')
    answer = upload("net", *package.items())
    assert answer.status_code == 201
    assert answer.json["job"] is None
    assert answer.json["note"].startswith("Stored, not runnable: ")
    assert "Warp" in answer.json["note"]
    assert client.get("/v1/models/net/files/deploy.prototxt").data == package["deploy.prototxt"]


def test_more_than_the_largest_upload_is_refused(make_app):
    client = make_app(max_upload_bytes=1000).test_client()
    answer = client.post("/v1/models/net/revisions", data={"file": (io.BytesIO(bytes(2000)), "a")})
    assert answer.status_code == 413
    assert client.get("/v1/models").json["models"] == []
