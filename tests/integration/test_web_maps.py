"""Score maps and heat maps over REST."""

import io

import numpy as np
import pytest
from PIL import Image

from zoo.images.palette import VIRIDIS
from zoo.web.api import maps

MAP, HEATMAP = "/v1/models/colours/map", "/v1/models/colours/heatmap"
FORM = "multipart/form-data"


def make_png(height, width):
    """Make a picture that is red on its left half and green on its right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[:, width // 2 :, 1] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def _dense(stocked, upload, colour_map):
    """Publish a dense model that tells how much of each colour a cell has."""
    assert stocked.is_dir()
    assert upload("colours", ("model.onnx", colour_map())).status_code in {200, 201}


def refuse(answer, status, code):
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code), answer.json
    return answer.json["error"]


@pytest.mark.parametrize("kind", ["image/png", "application/x-www-form-urlencoded", None])
def test_a_map_is_told_with_how_it_lies_over_the_picture(client, kind):
    answer = client.post(MAP, data=make_png(9, 16), content_type=kind)
    assert answer.status_code == 200
    head = client.get("/v1/models/colours").json["head"]["id"]
    told = answer.json
    assert (told["model"], told["provider"]) == (f"colours@{head}", "CPUExecutionProvider")
    assert (told["picture"], told["size_px"]) == ("body", [9, 16])
    assert told["scales"] == [{"scale": 1.0, "size_px": [9, 16], "map_size": [2, 4]}]
    assert told["geometry"]["width"]["stride_px"] == 4
    assert told["geometry"]["height"]["formula"] == "floor((N - 4) / 4) + 1"
    assert [(one["label"], one["probability"]) for one in told["classes"]] == [
        ("red", 0.5),
        ("green", 0.5),
        ("blue", 0.0),
    ]
    assert told["classes"][0]["maps"] == [[[1.0, 1.0, 0.0, 0.0]] * 2]


def test_a_form_may_hold_the_picture(client):
    part = {"file": (io.BytesIO(make_png(8, 8)), "a.png")}
    answer = client.post(MAP, data=part, content_type=FORM)
    assert answer.json["picture"] == "a.png"


def test_several_pictures_are_refused(client):
    parts = {"file": [(io.BytesIO(make_png(8, 8)), f"{one}.png") for one in "ab"]}
    told = refuse(client.post(MAP, data=parts, content_type=FORM), 400, "bad_request")
    assert "2 pictures" in told["message"]


def test_labels_and_scales_are_given_once_for_each(client):
    url = f"{MAP}?label=green&label=0&scale=1&scale=2&short_side=8"
    told = client.post(url, data=make_png(4, 8)).json
    assert [one["label"] for one in told["classes"]] == ["green", "red"]
    assert [one["size_px"] for one in told["scales"]] == [[8, 16], [16, 32]]
    assert [np.shape(one) for one in told["classes"][0]["maps"]] == [(2, 4), (4, 8)]


def test_only_so_many_classes_are_told(client):
    told = client.post(f"{MAP}?top=1", data=make_png(8, 8)).json
    assert [one["label"] for one in told["classes"]] == ["red"]


def test_the_whole_map_comes_as_npy(client):
    answer = client.post(f"{MAP}?format=npy", data=make_png(9, 16))
    assert answer.mimetype == "application/octet-stream"
    cells = np.load(io.BytesIO(answer.data))
    assert (cells.dtype, cells.shape) == (np.float32, (3, 2, 4))
    assert cells[1, 0].tolist() == [0, 0, 1, 1]


def test_npy_holds_one_scale(client):
    answer = client.post(f"{MAP}?format=npy&scale=1&scale=2", data=make_png(9, 16))
    assert "one scale" in refuse(answer, 400, "bad_request")["message"]


def test_numbers_are_told_as_exactly_as_they_are(client):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    whole = np.load(io.BytesIO(client.post(f"{MAP}?format=npy", data=buffer.getvalue()).data))
    told = client.post(f"{MAP}?label=0", data=buffer.getvalue()).json["classes"][0]["maps"][0]
    assert np.array_equal(np.array(told, np.float32), whole[0])


def test_an_answer_is_bounded(client, monkeypatch):
    monkeypatch.setattr(maps, "MOST_NUMBERS", 20)
    told = refuse(client.post(MAP, data=make_png(9, 16)), 413, "too_large")
    assert "3 classes have 24 numbers" in told["message"]
    assert "npy" in told["hint"]
    assert client.post(f"{MAP}?top=2", data=make_png(9, 16)).status_code == 200


def test_a_heat_map_is_a_png(client):
    url = f"{HEATMAP}?label=green&opacity=1&legend=false"
    answer = client.post(url, data=make_png(16, 32))
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    image = Image.open(io.BytesIO(answer.data))
    assert (image.size, image.text["label"]) == ((32, 16), "green")
    assert image.getpixel((0, 0)) == tuple(VIRIDIS[0])
    assert image.getpixel((31, 15)) == tuple(VIRIDIS[255])


def test_a_heat_map_of_no_named_class_shows_the_best(client):
    answer = client.post(HEATMAP, data=make_png(16, 200))
    image = Image.open(io.BytesIO(answer.data))
    assert image.text["label"] == "red"
    assert image.size == (200, 36)  # a legend below


def test_the_scaling_may_be_the_maps_own(client):
    answer = client.post(f"{HEATMAP}?scaling=own&label=blue", data=make_png(16, 32))
    assert Image.open(io.BytesIO(answer.data)).text["range"] == "0..0"


@pytest.mark.parametrize("url", [MAP, HEATMAP])
def test_a_picture_too_small_is_told_the_smallest(client, url):
    told = refuse(client.post(url, data=make_png(3, 8)), 422, "picture_too_small")
    assert "the smallest is 4 wide and 4 high" in told["message"]
    assert told["detail"]["smallest_px"] == [4, 4]


@pytest.mark.parametrize("verb", ["map", "heatmap"])
def test_a_classifier_has_no_map(client, verb, picture):
    answer = client.post(f"/v1/models/lenet-digits/{verb}", data=picture.read_bytes())
    told = refuse(answer, 409, "not_runnable")
    assert "zoo dense lenet-digits" in told["hint"]


@pytest.mark.parametrize("url", [MAP, HEATMAP])
def test_an_unknown_class_is_answered_with_near_names(client, url):
    told = refuse(client.post(f"{url}?label=gren", data=make_png(8, 8)), 422, "invalid")
    assert told["detail"]["near"] == ["green"]


@pytest.mark.parametrize(
    "query",
    [
        "scale=0",
        "scale=-1",
        "scale=nan",
        "scale=inf",
        "scale=two",
        "&".join(["scale=1"] * 9),
        "short_side=0",
        "short_side=100000",
        "tile=0",
        "opacity=2",
        "opacity=nan",
        "scaling=jet",
        "colour=red",
    ],
)
def test_what_cannot_be_is_refused_by_its_name(client, query):
    answer = client.post(f"{HEATMAP}?{query}", data=make_png(8, 8))
    (field,) = {part.partition("=")[0] for part in query.split("&")}
    assert field in refuse(answer, 400, "bad_request")["message"]


@pytest.mark.parametrize("query", ["top=0", "top=101", "format=csv", "&".join(["label=0"] * 101)])
def test_what_a_map_cannot_tell_is_refused_by_its_name(client, query):
    answer = client.post(f"{MAP}?{query}", data=make_png(8, 8))
    assert query.partition("=")[0] in refuse(answer, 400, "bad_request")["message"]


def test_a_scale_that_makes_the_picture_too_large_is_refused(make_app):
    client = make_app(max_picture_pixels=1000).test_client()
    told = refuse(client.post(f"{MAP}?scale=4", data=make_png(8, 16)), 413, "too_large")
    assert "ZOO_MAX_PICTURE_PIXELS" in told["hint"]


def test_a_tile_is_bounded_by_the_settings(make_app):
    client = make_app(tile_px=64).test_client()
    assert client.post(f"{MAP}?tile=64", data=make_png(8, 200)).status_code == 200
    told = refuse(client.post(f"{MAP}?tile=65", data=make_png(8, 200)), 400, "bad_request")
    assert "64" in told["hint"]


def test_the_body_is_bounded_as_in_predict(make_app):
    client = make_app(max_picture_bytes=10).test_client()
    for url in (MAP, HEATMAP):
        told = refuse(client.post(url, data=make_png(8, 8)), 413, "too_large")
        assert "ZOO_MAX_PICTURE_BYTES" in told["hint"]
        refuse(client.post(url), 400, "bad_request")


def test_a_picture_that_is_none_is_refused(client):
    refuse(client.post(MAP, data=b"no picture"), 422, "unreadable_picture")


def test_a_dense_model_predicts_too(client):
    answer = client.post("/v1/models/colours/predict", data=make_png(8, 8))
    (prediction,) = answer.json["predictions"]
    assert len(prediction["scores"]) == 3


def test_a_graph_that_lies_about_itself_is_not_runnable(client, upload, colour_map):
    lying = colour_map().replace(b'"shift_px": 0', b'"shift_px": 8')
    upload("lying", ("model.onnx", lying))
    answer = client.post("/v1/models/lying/map", data=make_png(16, 16))
    assert "of the shape" in refuse(answer, 409, "not_runnable")["message"]


def test_the_reference_tells_both_answers_of_a_map(client):
    paths = client.get("/openapi.json").json["paths"]
    told = paths["/v1/models/{name}/map"]["post"]
    assert set(told["responses"]["200"]["content"]) == {
        "application/json",
        "application/octet-stream",
    }
    scale = next(one for one in told["parameters"] if one["name"] == "scale")
    assert scale["schema"]["type"] == "array"
    drawn = paths["/v1/models/{name}/heatmap"]["post"]
    assert list(drawn["responses"]["200"]["content"]) == ["image/png"]
