"""The Open Inference Protocol over HTTP: what it answers, and what it refuses how."""

import base64
import gzip
import io
import json
import struct
import zlib
from itertools import product

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from zoo.domain.preprocessing import Interpolation
from zoo.images.prepare import resize_whole
from zoo.operations.accounts import create_token
from zoo.operations.draft import NO_GRAPH
from zoo.operations.models import set_private
from zoo.operations.publish import Publication, publish
from zoo.operations.refs import move_alias

pytestmark = pytest.mark.usefixtures("stocked")
MODEL = "/v2/models/lenet-digits"
INFER = f"{MODEL}/infer"
JSON_BYTES = "Inference-Header-Content-Length"
FLOAT, STRING = TensorProto.FLOAT, TensorProto.STRING
WHO = ("lab", "ada")


@pytest.fixture
def zoo(app):
    return app.extensions["zoo"]


@pytest.fixture
def head(client):
    """The id of the newest revision of lenet-digits."""
    return client.get("/v1/models/lenet-digits").json["head"]["id"]


@pytest.fixture
def expected(client, picture):
    """What /v1 says of the picture: a probability by label."""
    answer = client.post("/v1/models/lenet-digits/predict", data=picture.read_bytes())
    scores = answer.json["predictions"][0]["scores"]
    return [one["probability"] for one in sorted(scores, key=lambda one: one["index"])]


@pytest.fixture
def pixels(picture):
    """The picture as lenet reads it, one of a batch."""
    with Image.open(picture) as image:
        return resize_whole(image.convert("RGB"), (28, 28), Interpolation.BILINEAR)[None]


def tensor(array, datatype="UINT8", name="images", **more):
    return {"name": name, "shape": list(array.shape), "datatype": datatype} | more


def in_json(array, **more):
    return tensor(array, data=array.reshape(-1).tolist(), **more)


def framed(*elements):
    return b"".join(struct.pack("<I", len(one)) + one for one in elements)


def send(client, *inputs, tail=None, url=INFER, headers=None, **data):
    """Send a request, with binary tensors behind its JSON where there is a tail."""
    text = json.dumps({"inputs": list(inputs)} | data).encode()
    given = dict(headers or {})
    if tail is not None:
        given.setdefault(JSON_BYTES, str(len(text)))
    return client.post(url, data=text + (tail or b""), headers=given)


def send_files(client, *files, shape=None, **data):
    octets = framed(*files)
    given = {"binary_data_size": len(octets)}
    one = {"name": "images", "shape": shape or [len(files)], "datatype": "BYTES"}
    return send(client, one | {"parameters": given}, tail=octets, **data)


def probabilities(answer):
    assert answer.status_code == 200, answer.text
    (output,) = answer.json["outputs"]
    assert (output["name"], output["datatype"]) == ("probabilities", "FP32")
    return np.reshape(output["data"], output["shape"])


def refused(answer, status, *told):
    assert answer.status_code == status, answer.text
    assert list(answer.json) == ["error"]
    assert all(one in answer.json["error"] for one in told), answer.json
    return True


def make_network(nodes, inputs, outputs):
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


@pytest.fixture
def graph(client):
    """The graph of lenet-digits."""
    return client.get("/v1/models/lenet-digits/files/model.onnx").data


@pytest.fixture
def serve_graph(zoo):
    """A function that publishes a graph that is served as it is."""

    def add(name, data, **summary):
        files = {"model.onnx": zoo.blobs.put([data])}
        publication = Publication(model=name, files=files, message="made", summary=summary)
        return publish(zoo, publication).id

    return add


def test_the_server_tells_what_it_can_and_claims_no_more(client):
    told = client.get("/v2").json
    assert told["name"] == "zoo"
    assert "binary_tensor_data" in told["extensions"]
    never = {"sequence", "trace", "logging", "system_shared_memory", "cuda_shared_memory"}
    assert not never & set(told["extensions"])
    assert client.get("/v2/health/live").json == {"live": True}
    assert client.get("/v2/health/ready").json == {"ready": True}


def test_metadata_tell_inputs_outputs_and_every_revision(client, head):
    told = client.get(MODEL).json
    assert told["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 28, 28, 3]}]
    assert told["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 5]}]
    ids = [one["id"] for one in client.get("/v1/models/lenet-digits/revisions").json["revisions"]]
    assert told["versions"] == ids
    assert told["properties"]["provider"] == "CPUExecutionProvider"
    assert json.loads(told["properties"]["labels"]) == ["5", "6", "7", "8", "9"]
    one = client.get(f"{MODEL}/versions/{head[:10]}").json
    assert one == told | {"versions": [head]}


def test_metadata_tell_how_a_model_runs_on_a_gpu(client, monkeypatch):
    assert "runs" not in client.get(MODEL).json["properties"]
    monkeypatch.setattr("zoo.operations.serve.way_of", lambda _: "graphs")
    assert client.get(MODEL).json["properties"]["runs"] == "graphs"
    assert client.get(f"{MODEL}/config").json["parameters"]["runs"] == {"string_value": "graphs"}


def test_the_configuration_leaves_the_axis_of_pictures_out(client, head):
    for url in (f"{MODEL}/config", f"{MODEL}/versions/{head}/config"):
        told = client.get(url).json
        assert told["max_batch_size"] == 128
        assert told["input"][0]["dims"] == [28, 28, 3]
        assert told["output"][0] == {
            "name": "probabilities",
            "data_type": "TYPE_FP32",
            "dims": [5],
        }


@pytest.mark.parametrize("shape", [[1], [1, 1]])
def test_a_file_scores_as_over_v1(client, picture, expected, shape, head):
    answer = send_files(client, picture.read_bytes(), shape=shape, id="7")
    np.testing.assert_array_equal(np.float32(probabilities(answer)), np.float32([expected]))
    assert (answer.json["id"], answer.json["model_version"]) == ("7", head)
    assert answer.json["model_name"] == "lenet-digits"


def test_pixels_score_as_the_file_they_are_of(client, pixels, expected):
    nested = tensor(pixels, data=pixels.tolist())
    binary = tensor(pixels, parameters={"binary_data_size": pixels.nbytes})
    answers = [
        send(client, in_json(pixels)),
        send(client, nested),
        send(client, binary, tail=pixels.tobytes()),
    ]
    for answer in answers:
        np.testing.assert_allclose(probabilities(answer), [expected], atol=1e-5)


def test_files_in_json_are_base64(client, picture, expected):
    text = base64.b64encode(picture.read_bytes()).decode()
    given = {"name": "images", "shape": [1], "datatype": "BYTES", "data": [text]}
    np.testing.assert_allclose(probabilities(send(client, given)), [expected], atol=1e-6)
    assert refused(send(client, given | {"data": ["no base64"]}), 400, "base64")


@pytest.mark.parametrize("is_file", [True, False])
def test_a_raw_body_is_pixels_or_a_file(client, picture, pixels, expected, is_file):
    body = picture.read_bytes() if is_file else pixels.tobytes()
    answer = client.post(INFER, data=body, headers={JSON_BYTES: "0"})
    assert answer.status_code == 200
    size = int(answer.headers[JSON_BYTES])
    assert json.loads(answer.data[:size])["outputs"][0]["shape"] == [1, 5]
    np.testing.assert_allclose(np.frombuffer(answer.data[size:], "<f4"), expected, atol=1e-5)
    short = client.post(INFER, data=pixels.tobytes()[:-1], headers={JSON_BYTES: "0"})
    assert refused(short, 400, "2351 bytes")


def test_files_of_a_request_are_answered_in_their_order(client, digits):
    files = [min((digits / str(label)).iterdir()).read_bytes() for label in (9, 5, 7)]
    together = probabilities(send_files(client, *files))
    alone = [probabilities(send_files(client, one))[0] for one in files]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.abs(np.diff(together, axis=0)).max(axis=1).min() > 0.1  # else any order would do


@pytest.mark.parametrize("is_binary", [True, False])
def test_classes_are_told_with_the_labels_of_the_registry(client, picture, is_binary, expected):
    wanted = {
        "name": "probabilities",
        "parameters": {"classification": 2, "binary_data": is_binary},
    }
    answer = send_files(client, picture.read_bytes(), outputs=[wanted])
    size = int(answer.headers.get(JSON_BYTES, len(answer.data)))
    (output,) = json.loads(answer.data[:size])["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])
    best = f"{expected[2]:f}:2:7"
    if is_binary:
        assert answer.data[size:].startswith(framed(best.encode()))
    else:
        assert output["data"][0] == best


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bodies_are_compressed_both_ways(client, pixels, expected, encoding):
    pack, unpack = {
        "gzip": (gzip.compress, gzip.decompress),
        "deflate": (zlib.compress, zlib.decompress),
    }[encoding]
    many = np.repeat(pixels, 100, axis=0)
    text = json.dumps(
        {"inputs": [tensor(many, parameters={"binary_data_size": many.nbytes})]}
    ).encode()
    headers = {
        JSON_BYTES: str(len(text)),
        "Content-Encoding": encoding,
        "Accept-Encoding": encoding,
    }
    answer = client.post(INFER, data=pack(text + many.tobytes()), headers=headers)
    assert answer.headers["Content-Encoding"] == encoding
    (output,) = json.loads(unpack(answer.data))["outputs"]
    np.testing.assert_allclose(np.reshape(output["data"], (100, 5)), [expected] * 100, atol=1e-5)


def test_versions_and_refs_name_revisions(client, zoo, head, picture):
    move_alias(zoo, "lenet-digits", "production", target="main")
    move_alias(zoo, "lenet-digits", "feat/x", target="main")
    names = ["lenet-digits:production", "lenet-digits%3Aproduction", "lenet-digits:feat/x"]
    urls = [f"/v2/models/{name}/infer" for name in names]
    versions = [head, head[:8], "production", "main"]
    urls += [f"{MODEL}/versions/{version}/infer" for version in versions]
    for url in urls:
        answer = client.post(url, data=picture.read_bytes(), headers={JSON_BYTES: "0"})
        assert answer.status_code == 200, url
        assert head.encode() in answer.data
    first = client.get("/v1/models/lenet").json["head"]["id"]
    for version in (first, "1", "f" * 40):
        assert refused(client.get(f"{MODEL}/versions/{version}"), 404, "lenet-digits")


def test_a_ref_and_a_version_that_contradict_each_other_are_refused(
    client, zoo, serve_graph, graph, colour_map
):
    old = serve_graph("two", graph)
    move_alias(zoo, "two", "production", target=old)
    new = serve_graph("two", colour_map())
    assert client.get(f"/v2/models/two:production/versions/{old}").status_code == 200
    assert refused(client.get(f"/v2/models/two:production/versions/{new}"), 404, new)
    assert client.get("/v2/models/two").json["versions"] == [new, old]
    assert client.get("/v2/models/two:production").json["versions"] == [old]


def test_an_owner_may_stand_in_a_name(client, serve_graph, graph, picture):
    serve_graph("lab/digits", graph)
    for name in ("lab/digits", "lab%2Fdigits", "lab/digits:main"):
        url = f"/v2/models/{name}/infer"
        answer = client.post(url, data=picture.read_bytes(), headers={JSON_BYTES: "0"})
        assert answer.status_code == 200, name
    assert client.get("/v2/models/lab/digits/ready").json["ready"] is True


UNFIT = [
    ({"shape": [1, 28, 28, 1]}, 400),
    ({"shape": [1, 3, 28, 28]}, 400),
    ({"shape": [28, 28, 3]}, 400),
    ({"shape": [224, 28, 3]}, 400),
    ({"shape": [0, 28, 28, 3]}, 400),
    ({"datatype": "INT8"}, 400),
    ({"name": "pictures"}, 400),
]


@pytest.mark.parametrize(("change", "status"), UNFIT, ids=str)
def test_tensors_that_do_not_fit_are_refused(client, change, status):
    given = tensor(np.zeros((1, 28, 28, 3), np.uint8)) | change
    octets = bytes(int(np.prod(given["shape"])))
    given["parameters"] = {"binary_data_size": len(octets)}
    assert refused(send(client, given, tail=octets), status)


def test_why_a_model_has_no_graph_is_told(client, zoo):
    notes = ["Wrapped.", f"{NO_GRAPH} The network reads x, whose shapes are not told."]
    files = {"x.bin": zoo.blobs.put([b"x"])}
    publish(zoo, Publication(model="bare", files=files, message="", summary={"notes": notes}))
    answer = send(client, in_json(np.zeros((1, 2), np.float32)), url="/v2/models/bare/infer")
    assert refused(answer, 409, "has no model.onnx. The network reads x, whose shapes are not told")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"{", {}),
        (b"[]", {}),
        (b'{"inputs": [{}]}', {}),
        (b"{}", {JSON_BYTES: "3"}),
        (b"{}", {JSON_BYTES: "-1"}),
        (b"{}", {JSON_BYTES: "two"}),
        (b"{}", {JSON_BYTES: "9" * 40}),
        (b"abc", {"Content-Encoding": "gzip"}),
        (gzip.compress(b"{}", mtime=0)[:-3], {"Content-Encoding": "gzip"}),
    ],
    ids=str,
)
def test_bodies_that_lie_or_are_damaged_are_the_clients_mistake(client, body, headers):
    assert refused(client.post(INFER, data=body, headers=headers), 400)


def test_the_other_refusals_have_their_codes(client, picture, pixels):
    file = picture.read_bytes()
    assert refused(send(client, in_json(pixels), url="/v2/models/nothing/infer"), 404, "nothing")
    assert refused(client.get(INFER), 405)
    assert refused(client.post(MODEL), 405)
    assert refused(client.get("/v2/nowhere"), 404)
    assert refused(client.post(INFER, headers={"Content-Encoding": "br"}), 415, "br")
    shared = tensor(pixels, parameters={"shared_memory_region": "r"})
    assert refused(send(client, shared), 415, "shared memory")
    assert refused(send_files(client, file, outputs=[{"name": "scores"}]), 400, "'scores'")
    assert refused(send_files(client, b"no picture"), 422, "picture 1")
    assert refused(send_files(client, *[file] * 129), 413, "129 pictures")
    assert refused(send_files(client, file, shape=[1, 1, 1]), 400, "[N, 1]")
    two = send(client, in_json(pixels), in_json(pixels, name="more"))
    assert refused(two, 400, "does not know 'more'")


def test_bodies_are_bounded_before_and_after_they_are_inflated(make_app, pixels):
    client = make_app(max_inference_bytes=1000).test_client()
    assert refused(send(client, in_json(pixels)), 413, "ZOO_MAX_INFERENCE_BYTES")
    bomb = gzip.compress(bytes(2**18))
    answer = client.post(INFER, data=bomb, headers={"Content-Encoding": "gzip"})
    assert refused(answer, 413, "more than 1000 bytes", "ZOO_MAX_INFERENCE_BYTES")


def test_a_picture_of_too_many_pixels_is_refused(client):
    """Ten thousand pixels squared, and one row more: half a gigabyte in some kilobytes."""
    file = io.BytesIO()
    Image.new("1", (10_000, 10_001)).save(file, "PNG")
    assert refused(send_files(client, file.getvalue()), 422, "10000 x 10001")


def test_a_queue_that_is_full_tells_when_to_come_again(make_app, pixels):
    app = make_app(queue_pictures=2)
    many = np.repeat(pixels, 3, axis=0)
    assert refused(send(app.test_client(), in_json(many)), 413, "ZOO_QUEUE_PICTURES")


def test_a_deadline_of_no_time_passes(client, pixels):
    answer = send(client, in_json(pixels), parameters={"timeout": 1})
    assert refused(answer, 504)
    told = client.get(f"{MODEL}/stats").json["model_stats"][0]["inference_stats"]
    assert (told["fail"]["count"], told["success"]["count"]) == (1, 0)


def test_a_network_takes_and_gives_its_own_tensors(client, serve_graph):
    graph = make_network(
        [
            helper.make_node("Add", ["a", "b"], ["sum"]),
            helper.make_node("Identity", ["names"], ["same"]),
        ],
        [("a", FLOAT, ["n", 2]), ("b", FLOAT, ["n", 2]), ("names", STRING, ["m"])],
        [("sum", FLOAT, ["n", 2]), ("same", STRING, ["m"])],
    )
    serve_graph("sums", graph, runs="network")
    told = client.get("/v2/models/sums").json
    assert told["inputs"][2] == {"name": "names", "datatype": "BYTES", "shape": [-1]}
    assert client.get("/v2/models/sums/config").json["max_batch_size"] == 0
    a = np.float32([[1, 2], [3, 4]])
    names = {"name": "names", "shape": [2], "datatype": "BYTES", "data": ["x", "ä"]}
    url = "/v2/models/sums/infer"
    given = [in_json(a, datatype="FP32", name=name) for name in "ab"]
    answer = send(client, *given, names, url=url)
    assert [one["data"] for one in answer.json["outputs"]] == [[2, 4, 6, 8], ["x", "ä"]]
    one = send(client, *given, names, url=url, outputs=[{"name": "same"}])
    assert [output["name"] for output in one.json["outputs"]] == ["same"]
    assert refused(send(client, *given, url=url), 400, "misses 'names'")
    wide = in_json(np.zeros((2, 3), np.float32), datatype="FP32", name="b")
    assert refused(send(client, given[0], wide, names, url=url), 400, "'b'", "2 x 3", "? x 2")
    kind = in_json(a, datatype="FP64", name="b")
    assert refused(send(client, given[0], kind, names, url=url), 400, "float64", "float32")
    # Sides that the graph leaves open and that do not go together.
    tall = in_json(np.zeros((3, 2), np.float32), datatype="FP32", name="b")
    assert refused(send(client, given[0], tall, names, url=url), 400, "fails on these inputs")
    assert send(client, *given, names, url=url).status_code == 200


def test_infinite_numbers_are_given_binary_and_not_in_json(client, serve_graph):
    ends = [("x", FLOAT, ["n"])], [("y", FLOAT, ["n"])]
    graph = make_network([helper.make_node("Log", ["x"], ["y"])], *ends)
    serve_graph("logs", graph, runs="network")
    given, url = in_json(np.float32([-1]), datatype="FP32", name="x"), "/v2/models/logs/infer"
    assert refused(send(client, given, url=url), 415, "'y'", "binary")
    answer = send(client, given, url=url, parameters={"binary_data_output": True})
    assert np.isnan(np.frombuffer(answer.data[-4:], "<f4"))


def test_a_classifier_that_gives_no_numbers_is_told_and_others_live_on(
    client, serve_graph, picture, graph_of_nothing
):
    serve_graph("broken", graph_of_nothing)
    for _ in range(2):
        answer = client.post("/v2/models/broken/infer", data=b"x", headers={JSON_BYTES: "0"})
        assert refused(answer, 409, "no numbers")
    assert send_files(client, picture.read_bytes()).status_code == 200


@pytest.fixture
def graph_of_nothing(graph):
    """A classifier's graph whose probabilities are no numbers, whatever the picture."""
    from onnx import load_from_string, numpy_helper  # noqa: PLC0415

    model = load_from_string(graph)
    last = next(node for node in model.graph.node if "probabilities" in node.output)
    last.output[0] = "before"
    nan = numpy_helper.from_array(np.float32(np.nan), "nan")
    model.graph.initializer.append(nan)
    model.graph.node.append(helper.make_node("Add", ["before", "nan"], ["probabilities"]))
    return model.SerializeToString()


@pytest.mark.parametrize("data", [b"", b"no graph", b"\x08\x09"], ids=repr)
def test_a_graph_that_is_none_is_told(client, serve_graph, data):
    serve_graph("junk", data)
    for url in ("/v2/models/junk/infer", "/v2/repository/models/junk/load"):
        assert client.post(url).status_code in {400, 409}
    assert refused(client.get("/v2/models/junk"), 409)
    assert refused(client.post("/v2/repository/models/junk/load"), 409)


def test_a_dense_model_gives_its_maps(client, serve_graph, colour_map):
    serve_graph("colours", colour_map())
    assert client.get("/v2/models/colours").json["inputs"][0]["shape"] == [-1, -1, -1, 3]
    pixels = np.zeros((1, 8, 12, 3), np.uint8)
    pixels[..., 1] = 255
    wanted = [{"name": "probabilities"}]
    answer = send(client, in_json(pixels), url="/v2/models/colours/infer", outputs=wanted)
    found = probabilities(answer)
    assert found.shape == (1, 3, 2, 3)
    assert found[0, 1].min() == 1.0
    wanted = [{"name": "probabilities", "parameters": {"classification": 1}}]
    answer = send(client, in_json(pixels), url="/v2/models/colours/infer", outputs=wanted)
    assert answer.json["outputs"][0]["data"] == ["1.000000:1:green"]
    small = in_json(np.zeros((1, 2, 2, 3), np.uint8))
    assert refused(send(client, small, url="/v2/models/colours/infer"), 422, "no cell")


def states(client, **body):
    answer = client.post("/v2/repository/index", json=body or None)
    return {(one["name"], one.get("state")) for one in answer.json}


def test_models_are_loaded_and_unloaded_by_hand(client, picture):
    assert states(client) == {("lenet", None), ("lenet-digits", None)}
    assert states(client, ready=True) == set()
    load, unload = ("/v2/repository/models/lenet-digits/" + verb for verb in ("load", "unload"))
    assert client.post(load).status_code == 200
    assert states(client, ready=True) == {("lenet-digits", "READY")}
    assert client.post(unload, json={"parameters": {"unload_dependents": True}}).status_code == 200
    assert states(client) == {("lenet", None), ("lenet-digits", "UNAVAILABLE")}
    assert refused(client.get(f"{MODEL}/ready"), 400, "unloaded")
    assert send_files(client, picture.read_bytes()).status_code == 200
    assert client.get(f"{MODEL}/ready").status_code == 200
    assert client.post(unload).status_code == client.post(unload).status_code == 200
    for path in ("load", "unload"):
        assert refused(client.post(f"/v2/repository/models/nothing/{path}"), 404)
    config = {"parameters": {"config": "{}", "file:1/model.onnx": "eA=="}}
    assert refused(client.post(load, json=config), 400, "'config'", "Publish")
    assert refused(client.post(unload, json={"parameters": {"mine": 1}}), 400, "'mine'")
    assert refused(client.post(load, data=b"[]"), 400)


def test_unloading_closes_the_session(app, client, picture):
    shelf = app.extensions["zoo_service"].shelf
    send_files(client, picture.read_bytes())
    assert shelf.read().predictors == 1
    client.post("/v2/repository/models/lenet-digits/unload")
    assert (shelf.read().predictors, shelf.size_bytes) == (0, 0)


def test_what_was_asked_is_counted(client, head, pixels, picture):
    many = np.repeat(pixels, 3, axis=0)
    send(client, in_json(many))
    send_files(client, picture.read_bytes())
    send(client, tensor(pixels[:, :5], data=pixels[:, :5].reshape(-1).tolist()))
    for url in (f"{MODEL}/stats", "/v2/models/stats", f"{MODEL}/versions/{head}/stats"):
        (told,) = client.get(url).json["model_stats"]
        assert (told["name"], told["version"]) == ("lenet-digits", head)
        assert told["inference_count"] == 4
        assert sum(one["compute_infer"]["count"] for one in told["batch_stats"]) == 2
        stats = told["inference_stats"]
        assert (stats["success"]["count"], stats["fail"]["count"]) == (2, 1)
        assert stats["success"]["ns"] >= stats["compute_infer"]["ns"] > 0
    (never,) = client.get("/v2/models/lenet/stats").json["model_stats"]
    assert never["inference_count"] == 0


def metrics(client, **headers):
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_prometheus_reads_what_was_asked(client, head, pixels, picture):
    send_files(client, picture.read_bytes())
    send(client, in_json(pixels), parameters={"timeout": 1})
    found = metrics(client)
    labels = tuple(sorted((head, "lenet-digits")))
    assert found["nv_inference_request_success", labels] == 1
    assert found["nv_inference_count", labels] == 1
    assert found["nv_inference_compute_infer_duration_us", labels] > 0
    rejected = tuple(sorted((head, "lenet-digits", "REJECTED")))
    assert found["nv_inference_request_failure", rejected] == 1
    assert found["nv_inference_pending_request_count", labels] == 0
    assert found["zoo_loads_total", ()] == found["zoo_predictors", ()] == 1
    assert found["zoo_predictor_bytes", ()] > 0
    route = tuple(sorted(("POST", "/v2/models/<served:name>/infer", "200")))
    assert found["zoo_http_requests_total", route] == 1


def test_private_models_are_there_for_those_with_a_role_alone(make_app, zoo, serve_graph, graph):
    serve_graph("lab/secret", graph)
    set_private(zoo, "lab/secret", is_private=True)
    client = make_app(access="tokens", anonymous_read=True).test_client()
    lab, ada = ({"Authorization": f"Bearer {create_token(zoo, who).secret}"} for who in WHO)
    url = "/v2/models/lab/secret"
    raw = {JSON_BYTES: "0"}
    pixels = bytes(28 * 28 * 3)
    assert client.post(f"{url}/infer", data=pixels, headers=raw | lab).status_code == 200
    for path in ("", "/ready", "/config", "/stats"):
        assert client.get(url + path, headers=lab).status_code == 200
        for headers in (ada, {}):
            assert refused(client.get(url + path, headers=headers), 404)
    for headers in (ada, {}):
        assert refused(client.post(f"{url}/infer", data=pixels, headers=raw | headers), 404)
        for path in ("/v2/repository/index", "/v2/models/stats", "/metrics"):
            method = "POST" if path.endswith("index") else "GET"
            assert "secret" not in client.open(path, method=method, headers=headers).text
    assert "secret" in client.get("/metrics", headers=lab).text
    assert client.get("/metrics").status_code == 401
    for verb, (headers, status) in product(("load", "unload"), ((ada, 404), ({}, 401), (lab, 200))):
        answer = client.post(f"/v2/repository/models/lab/secret/{verb}", headers=headers)
        assert answer.status_code == status, (verb, answer.text)


def test_who_may_only_read_loads_nothing_by_hand(make_app, zoo):
    client = make_app(access="tokens").test_client()
    secret = create_token(zoo, "ada").secret
    answer = client.post(
        "/v2/repository/models/lenet/load", headers={"Authorization": f"Bearer {secret}"}
    )
    assert refused(answer, 403, "write")


@pytest.fixture
def zeros(serve_graph):
    """Serve a graph that gives as many zeros as it is told, whatever it is sent."""
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"])
    shape = [("shape", TensorProto.INT64, [1])]
    serve_graph("zeros", make_network([node], shape, [("y", FLOAT, ["n"])]), runs="network")
    return "/v2/models/zeros/infer"


@pytest.mark.parametrize("is_binary", [True, False])
def test_an_answer_out_of_all_proportion_is_refused_and_the_next_is_given(
    make_app, zeros, is_binary
):
    client = make_app(max_answer_bytes=2**20, run_bytes=2**27).test_client()

    def ask(count):
        given = in_json(np.array([count]), datatype="INT64", name="shape")
        return send(client, given, url=zeros, parameters={"binary_data_output": is_binary})

    assert refused(ask(2**18 + 1), 413, "1048580 bytes", "ZOO_MAX_ANSWER_BYTES")
    for beyond in (2**26, 2**40):  # what a run may take, and what there is
        assert refused(ask(beyond), 413, "ZOO_RUN_BYTES")
    assert refused(ask(2**62), 400, "fails on these inputs")
    if not is_binary:
        assert refused(ask(2**16 + 1), 413, "65537 elements", "65536", "binary_data=True")
    assert ask(2**16).status_code == 200
    told = client.get("/v2/models/zeros/stats").json["model_stats"][0]["inference_stats"]
    assert told["success"]["count"] >= 1
