"""Predicting over REST."""

import gzip
import io
import zlib

import pytest
from PIL import Image

from zoo.web.context import SERVICE

pytestmark = pytest.mark.usefixtures("stocked")
URL = "/v1/models/lenet-digits/predict"


CURL = "application/x-www-form-urlencoded"  # what curl --data-binary says of anything


@pytest.mark.parametrize("content_type", ["image/png", CURL, None])
def test_a_raw_body_is_predicted(client, picture, content_type):
    answer = client.post(URL, data=picture.read_bytes(), content_type=content_type)
    assert answer.status_code == 200
    (prediction,) = answer.json["predictions"]
    assert prediction["scores"][0]["label"] == "7"
    assert prediction["provider"] == "CPUExecutionProvider"
    assert sum(score["probability"] for score in prediction["scores"]) == pytest.approx(1, abs=1e-5)
    head = client.get("/v1/models/lenet-digits").json["head"]
    assert prediction["model"] == f"lenet-digits@{head['id']}"


def test_several_pictures_are_answered_in_their_order(client, digits):
    pictures = [min((digits / str(label)).iterdir()) for label in (9, 5, 7)]
    parts = [(io.BytesIO(path.read_bytes()), f"{path.parent.name}.png") for path in pictures]
    answer = client.post(URL, data={"file": parts}).json["predictions"]
    assert [one["picture"] for one in answer] == ["9.png", "5.png", "7.png"]
    alone = [client.post(URL, data=path.read_bytes()).json["predictions"][0] for path in pictures]
    assert [one["scores"] for one in answer] == [one["scores"] for one in alone]


@pytest.mark.parametrize(("top", "count"), [(1, 1), (3, 3), (100, 5)])
def test_top_says_how_many_classes_are_told(client, picture, top, count):
    answer = client.post(f"{URL}?top={top}", data=picture.read_bytes()).json
    assert len(answer["predictions"][0]["scores"]) == count


def test_a_revision_may_be_named(client, picture):
    head = client.get("/v1/models/lenet-digits").json["head"]["id"]
    for address in (f"lenet-digits@{head}", "lenet-digits:main", f"lenet-digits@{head[:8]}"):
        answer = client.post(f"/v1/models/{address}/predict", data=picture.read_bytes())
        assert answer.json["predictions"][0]["model"] == f"lenet-digits@{head}"


def test_a_text_file_is_refused_and_named(client):
    parts = {"file": (io.BytesIO(b"I am no picture"), "cat.jpg")}
    answer = client.post(URL, data=parts)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "unreadable_picture")
    assert answer.json["error"]["message"].startswith("cat.jpg: ")


def test_no_picture_is_refused(client):
    answer = client.post(URL)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_request")


def test_a_picture_that_is_too_large_is_refused(make_app, picture):
    client = make_app(max_picture_bytes=10).test_client()
    for sent in (picture.read_bytes(), {"file": (io.BytesIO(picture.read_bytes()), "a.png")}):
        answer = client.post(URL, data=sent)
        assert (answer.status_code, answer.json["error"]["code"]) == (413, "too_large")
        assert "ZOO_MAX_PICTURE_BYTES" in answer.json["error"]["hint"]


def test_a_picture_of_too_many_pixels_is_refused(make_app, picture):
    client = make_app(max_picture_pixels=10).test_client()
    answer = client.post(URL, data=picture.read_bytes())
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "unreadable_picture")
    assert "8 x 8" in answer.json["error"]["message"]


def test_a_model_that_is_not_there_is_not_found(client, picture):
    answer = client.post("/v1/models/nothing/predict", data=picture.read_bytes())
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "model_not_found")


def test_a_revision_without_a_graph_cannot_predict(client, upload, picture):
    upload("plain", ("README.md", b"# plain"))
    answer = client.post("/v1/models/plain/predict", data=picture.read_bytes())
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_runnable")


def test_a_file_that_only_is_called_a_graph_cannot_predict(client, upload, picture):
    upload("plain", ("model.onnx", b"I am no graph"))
    answer = client.post("/v1/models/plain/predict", data=picture.read_bytes())
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "not_runnable")


def test_a_large_picture_that_would_have_to_wait_behind_many_is_429(app, client, picture):
    lane = app.extensions[SERVICE].turns._large
    lane.taken_bytes, lane.most_waiting = lane.most_bytes, 0
    large = io.BytesIO()
    Image.new("1", (2400, 2000)).save(large, "PNG")
    refused = client.post(URL, data=large.getvalue())
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert "ZOO_DECODING_BYTES" in refused.text
    assert client.post(URL, data=picture.read_bytes()).status_code == 200
    lane.taken_bytes = 0
    assert client.post(URL, data=large.getvalue()).status_code == 200
    assert (lane.taken_bytes, app.extensions[SERVICE].trimming._is_due) == (0, True)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
def test_a_picture_may_be_compressed_on_its_way(client, picture, encoding, pack):
    data = picture.read_bytes()
    headers = {"Content-Encoding": encoding}
    plain = client.post("/v1/models/lenet/predict", data=data)
    packed = client.post("/v1/models/lenet/predict", data=pack(data), headers=headers)
    assert packed.status_code == 200
    assert packed.json == plain.json


def test_compressed_bodies_that_cannot_be_read_are_told_why(make_app, picture):
    client = make_app(max_picture_bytes=10_000).test_client()
    path, form = "/v1/models/lenet/predict", "multipart/form-data; boundary=x"

    def ask(data, encoding, **more):
        answer = client.post(path, data=data, headers={"Content-Encoding": encoding}, **more)
        return answer.status_code, answer.json["error"]["message"]

    data = picture.read_bytes()
    assert ask(data, "br") == (415, "A body of the Content-Encoding 'br' is not read here.")
    assert ask(b"--x--", "gzip", content_type=form)[0] == 415
    assert ask(data, "gzip")[0] == 400
    assert ask(b"", "gzip") == (400, "No picture was sent.")
    status, said = ask(gzip.compress(bytes(20_000)), "gzip")
    assert (status, said) == (413, "The body is more than 10000 bytes.")


# Flask's parser leaves the file of the part that was begun to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("content_type", "said"),
    [
        ("multipart/form-data; boundary=x", "ends before its end boundary"),
        ("multipart/form-data", "names no boundary"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/models/lenet/predict", "/v1/models/lenet/revisions"])
def test_a_form_without_its_end_is_told_as_such(client, picture, path, content_type, said):
    head = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\n'
    answer = client.post(path, data=head + picture.read_bytes(), content_type=content_type)
    assert answer.status_code == 400
    assert said in answer.json["error"]["message"]
    assert "curl -F" in answer.json["error"]["hint"]
