"""Bodies are bounded, forms say nothing that is not heard, and no answer holds NaN."""

import io
import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.domain.preprocessing import Preprocessing
from zoo.web.access import Need, needs
from zoo.web.context import MOST_JSON_BYTES
from zoo.web.pictures import MOST_PICTURES, MOST_TIMES
from zoo.web.shapes.models import MOST_LETTERS

PREDICT = "/v1/models/lenet-digits/predict"


def refuse(answer, status, code):
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    return answer.json["error"]


@pytest.fixture
def nothing_is_published(client):
    yield
    assert client.get("/v1/models").json["models"] == []


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_json_is_taken_as_json_only(client, kind):
    answer = client.post("/v1/jobs", data=b'{"model": "a", "dataset": "b"}', content_type=kind)
    assert "application/json" in refuse(answer, 400, "bad_request")["message"]


def test_json_may_tell_its_charset(client):
    answer = client.post(
        "/v1/jobs",
        data=b'{"model": "a", "dataset": "b"}',
        content_type="application/json; charset=utf-8",
    )
    refuse(answer, 404, "dataset_not_found")


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"", b'{"seed": ' + b"9" * 5000 + b"}"],
    ids=["lists", "objects", "no text", "nothing", "a long number"],
)
def test_json_that_cannot_be_read_is_refused(client, data):
    answer = client.post("/v1/jobs", data=data, content_type="application/json")
    refuse(answer, 400, "bad_request")


def test_json_is_bounded(client):
    data = b'{"model": "%s"}' % (b"a" * MOST_JSON_BYTES)
    answer = client.post("/v1/jobs", data=data, content_type="application/json")
    assert str(MOST_JSON_BYTES) in refuse(answer, 413, "too_large")["message"]


def send_pictures(client, *pictures):
    parts = [(io.BytesIO(data), f"{index}.png") for index, data in enumerate(pictures)]
    return client.post(PREDICT, data={"file": parts})


@pytest.mark.usefixtures("stocked")
def test_as_many_pictures_as_are_told_are_predicted(client, picture):
    answer = send_pictures(client, *[picture.read_bytes()] * MOST_PICTURES)
    assert len(answer.json["predictions"]) == MOST_PICTURES


@pytest.mark.usefixtures("stocked")
def test_pictures_are_bounded_in_number(client, picture):
    answer = send_pictures(client, *[picture.read_bytes()] * (MOST_PICTURES + 1))
    assert f"{MOST_PICTURES} pictures" in refuse(answer, 413, "too_large")["message"]


@pytest.mark.usefixtures("stocked")
def test_pictures_are_bounded_together(make_app, picture):
    client = make_app(max_picture_bytes=1000).test_client()
    few = picture.read_bytes()
    assert send_pictures(client, few).status_code == 200
    told = refuse(send_pictures(client, *[few + bytes(900 - len(few))] * 5), 413, "too_large")
    assert str(MOST_TIMES * 1000) in told["message"]


@pytest.mark.usefixtures("stocked")
def test_a_picture_among_others_that_is_too_large_is_named(make_app, picture):
    client = make_app(max_picture_bytes=1000).test_client()
    told = refuse(send_pictures(client, picture.read_bytes(), bytes(1001)), 413, "too_large")
    assert told["message"].startswith("1.png: ")


@pytest.mark.usefixtures("stocked")
def test_the_settings_bound_pictures_too(make_app, picture):
    client = make_app(max_upload_bytes=10).test_client()
    refuse(client.post(PREDICT, data=picture.read_bytes()), 413, "too_large")


@pytest.mark.usefixtures("nothing_is_published")
@pytest.mark.parametrize(
    "field", ["b.bin.sha256", "a.bin.sha1", "file.sha256", "a.bin", ".sha256", "note", "Message"]
)
def test_a_text_part_that_belongs_to_nothing_is_refused_by_its_name(upload, sha256, field):
    answer = upload("net", ("a.bin", b"one"), **{field: sha256(b"one")})
    assert repr(field) in refuse(answer, 400, "bad_request")["message"]


@pytest.mark.usefixtures("nothing_is_published")
def test_a_second_digest_of_a_file_is_refused(upload, sha256):
    answer = upload("net", ("a.bin", b"one"), **{"a.bin.sha256": [sha256(b"one"), sha256(b"two")]})
    assert "given twice" in refuse(answer, 400, "bad_request")["message"]


@pytest.mark.usefixtures("nothing_is_published")
@pytest.mark.parametrize("digest", ["", "x", "0" * 63, "0" * 65, "g" * 64, "0" * 64 + " 0"])
def test_a_digest_that_is_none_is_refused_by_its_name(upload, digest):
    answer = upload("net", ("a.bin", b"one"), **{"a.bin.sha256": digest})
    assert "a.bin.sha256" in refuse(answer, 400, "bad_request")["message"]


def test_a_part_named_by_its_path_has_its_digest_checked(client, sha256):
    data = {"a.bin": (io.BytesIO(b"one"), "other.bin"), "a.bin.sha256": sha256(b"two")}
    refuse(client.post("/v1/models/net/revisions", data=data), 422, "digest_mismatch")


@pytest.mark.usefixtures("nothing_is_published")
@pytest.mark.parametrize("message", ["a\0b", "a" * (MOST_LETTERS + 1)], ids=["NUL", "long"])
def test_a_message_that_cannot_be_kept_is_refused(upload, message):
    answer = upload("net", ("a.bin", b"one"), message=message)
    assert "message" in refuse(answer, 400, "bad_request")["detail"]["fields"]


def test_a_message_is_kept(upload):
    message = "ö\n" * (MOST_LETTERS // 2)
    answer = upload("net", ("a.bin", b"one"), message=message)
    assert answer.json["revision"]["message"] == message


@pytest.mark.parametrize("word", ["revisions", "predict", "files"])
def test_a_name_that_no_address_could_have_is_refused(upload, word):
    refuse(upload(f"net/{word}", ("a.bin", b"one")), 422, "bad_name")


def test_a_fault_says_where_its_trace_is(app, client):
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/fault")
    @needs(Need.NOBODY)
    def fault():
        raise RuntimeError("a fault")

    answer = client.get("/fault")
    told = refuse(answer, 500, "internal_server_error")
    assert "server's output" in told["hint"]
    assert "a fault" not in told["message"]


def make_graph():
    """Make a graph whose probabilities are NaN for a black picture."""
    preprocessing = Preprocessing(resize_px=2, crop_px=(2, 2))
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
            helper.make_node("Div", ["means", "means"], ["probabilities"]),
        ],
        "ratios",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 2, 2, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.array([1, 2]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    carried = {"labels": ["a", "b", "c"], "preprocessing": preprocessing.as_json()}
    helper.set_model_props(model, {f"zoo.{key}": json.dumps(one) for key, one in carried.items()})
    return model.SerializeToString()


def test_an_answer_never_holds_what_is_no_number(client, upload):
    upload("ratios", ("model.onnx", make_graph()))
    black = b"P6 2 2 255\n" + bytes(12)
    white = b"P6 2 2 255\n" + b"\xff" * 12
    assert client.post("/v1/models/ratios/predict", data=white).status_code == 200
    answer = client.post("/v1/models/ratios/predict", data=black)
    assert "no numbers" in refuse(answer, 409, "not_runnable")["message"]
