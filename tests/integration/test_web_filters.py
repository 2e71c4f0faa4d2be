"""What filters hold and look like, over REST and at the terminal."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zoo.domain.config import WEIGHTS
from zoo.domain.filters import BINS
from zoo.formats.safetensors import write_safetensors
from zoo.operations.publish import Publication, publish

pytestmark = pytest.mark.usefixtures("stocked")

FILTERS = "/v1/models/lenet/filters"
LAYERS = ["conv1", "conv2", "ip1", "ip2"]


@pytest.fixture
def slashed(stocked, app):
    """Publish weights whose layers have names with slashes and dots."""
    assert stocked.is_dir()
    zoo = app.extensions["zoo"]
    weights = {"block.2/3x3_reduce.weight": np.ones((2, 3, 3, 3), np.float32)}
    blob = zoo.blobs.put(write_safetensors(weights))
    publish(zoo, Publication(model="owner/net", files={WEIGHTS: blob}, message=""))


def refuse(answer, status, code):
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code), answer.json
    return answer.json["error"]


def test_filters_are_told_in_the_order_of_the_network(client):
    answer = client.get(FILTERS)
    assert answer.status_code == 200
    told = answer.json
    assert [layer["layer"] for layer in told["layers"]] == LAYERS
    assert told["first"] == "conv1"
    first = told["layers"][0]
    assert first["count"] == sum(first["histogram"])
    assert len(first["histogram"]) == BINS
    assert first["bound_ratio"] == pytest.approx(max(-first["min"], first["max"]) * first["fan_in"])
    assert told["against"] is told["drift"] is None
    assert {other["name"] for other in told["others"]} == {f"{layer}.bias" for layer in LAYERS}


def test_a_probe_leaves_the_body_unchanged_to_the_bit(client):
    told = client.get("/v1/models/lenet-digits/filters?against=parent").json
    assert told["against"].startswith("lenet@")
    drift = {one["name"]: one for one in told["drift"]}
    body = {f"{layer}.{kind}" for layer in LAYERS[:-1] for kind in ("weight", "bias")}
    assert {name for name, one in drift.items() if one["is_unchanged"]} == body
    assert all(drift[name]["change"] == 0 for name in body)


def test_a_picture_is_kept_by_those_who_have_it(client):
    first = client.get(f"{FILTERS}/conv1.png")
    assert (first.status_code, first.mimetype) == (200, "image/png")
    with Image.open(BytesIO(first.data)) as image:
        assert image.text["layer"] == "conv1"
    tag = first.headers["ETag"]
    again = client.get(f"{FILTERS}/conv1.png", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag
    own = client.get(f"{FILTERS}/conv1.png?scaling=own", headers={"If-None-Match": tag})
    assert own.status_code == 200
    assert own.headers["ETag"] != tag


@pytest.mark.usefixtures("slashed")
@pytest.mark.parametrize("name", ["owner/net", "owner/net:main"])
def test_names_of_layers_may_hold_slashes_and_dots(client, name):
    for layer in ("block.2/3x3_reduce", "block.2%2F3x3_reduce", "block.2/3x3_reduce.weight"):
        answer = client.get(f"/v1/models/{name}/filters/{layer}.png")
        assert answer.status_code == 200, answer.json
        with Image.open(BytesIO(answer.data)) as image:
            assert image.text["layer"] == "block.2/3x3_reduce"


def test_what_is_not_there_is_refused_with_what_is(client):
    told = refuse(client.get(f"{FILTERS}/conv3.png"), 404, "layer_not_found")
    assert set(told["detail"]["near"]) == {"conv1", "conv2"}
    refuse(client.get("/v1/models/nothing/filters"), 404, "model_not_found")
    refuse(client.get(f"{FILTERS}?against=parent"), 404, "revision_not_found")
    refuse(client.get(f"{FILTERS}?against=nothing"), 404, "model_not_found")
    refuse(client.get(f"{FILTERS}/conv1.png?scaling=large"), 400, "bad_request")
    refuse(client.get(f"{FILTERS}?layer=conv1"), 400, "bad_request")


def test_an_onnx_file_alone_says_what_is_needed(app, client):
    zoo = app.extensions["zoo"]
    blob = zoo.blobs.put([b"not read"])
    publish(zoo, Publication(model="graph", files={"model.onnx": blob}, message=""))
    told = refuse(client.get("/v1/models/graph/filters"), 404, "file_not_found")
    assert "zoo import" in told["hint"]


def test_the_command_shows_a_table(zoo_cli):
    ran = zoo_cli("filters", "lenet")
    header, *lines = ran.out.splitlines()
    assert header.split() == [
        *("LAYER", "SHAPE", "MIN", "MAX", "MEAN", "STD"),
        *("KURTOSIS", "ZEROS", "DEAD", "MAX/BOUND", "STD/HE"),
    ]
    assert [line.split()[0] for line in lines[:4]] == LAYERS
    assert lines[4] == "and 4 tensors that are no filters (biases, statistics)"
    told = zoo_cli("filters", "lenet", "--json").json
    assert [layer["layer"] for layer in told["layers"]] == LAYERS


def test_the_command_shows_one_layer_with_its_histogram(zoo_cli):
    ran = zoo_cli("filters", "lenet", "--layer", "conv2")
    told = dict(line.split("  ", 1) for line in ran.out.splitlines()[:12])
    assert told["tensor"].strip().startswith("conv2.weight, float32, ")
    bars = ran.out.splitlines()[12:]
    assert len(bars) == 16
    whole = zoo_cli("filters", "lenet", "--layer", "conv2", "--json").json
    assert sum(int(bar.split()[-1].replace(",", "")) for bar in bars) == whole["count"]


def test_the_command_writes_a_picture(zoo_cli, tmp_path):
    goal = tmp_path / "new" / "conv.png"
    ran = zoo_cli("filters", "lenet", "-o", goal)
    assert (ran.code, ran.out) == (0, f"{goal}\n")
    assert ran.err.startswith("conv1: ")
    with Image.open(goal) as image:
        assert image.text["layer"] == "conv1"
    assert [path.name for path in goal.parent.iterdir()] == ["conv.png"]
    asked = ("filters", "lenet", "--layer", "ip1", "--scaling", "own", "-o", goal, "--json")
    assert zoo_cli(*asked).json["layer"] == "ip1"


def test_the_command_proves_what_was_frozen(zoo_cli):
    ran = zoo_cli("filters", "lenet-digits", "--against", "parent")
    header, *lines = ran.out.splitlines()
    assert header.split() == ["TENSOR", "CHANGE", "COSINE", "CHANGED"]
    unchanged = {line.split()[0] for line in lines if line.endswith("unchanged to the bit")}
    assert unchanged == {f"{layer}.{kind}" for layer in LAYERS[:-1] for kind in ("weight", "bias")}
    assert ran.err == "6 of 8 tensors are unchanged to the bit\n"
    one = zoo_cli("filters", "lenet-digits", "--against", "lenet", "--layer", "conv1", "--json")
    assert [drift["name"] for drift in one.json["drift"]] == ["conv1.weight", "conv1.bias"]


def test_the_command_refuses_what_cannot_be(zoo_cli, tmp_path):
    ran = zoo_cli("filters", "lenet", "--layer", "conv3")
    assert ran.code == 3
    assert "Did you mean 'conv2' or 'conv1'?" in ran.err
    assert zoo_cli("filters", "lenet", "--against", "parent").code == 3
    assert zoo_cli("filters", "lenet", "-o", tmp_path / "x.png", "--against", "lenet").code == 2
    assert not list(tmp_path.glob("*.png"))


def test_one_filter_is_told_and_drawn(client):
    told = client.get("/v1/models/lenet/kernels/3/conv1").json
    assert (told["layer"], told["index"], told["filters"]) == ("conv1", 3, 8)
    planes = np.array(told["planes"])
    assert planes.shape == tuple(told["shape"]) == (1, 5, 5)
    assert told["norm"] == pytest.approx(np.linalg.norm(planes))
    seen = set()
    for query in ("kernel=3", "kernel=4", "kernel=3&shows=spectrum", "legend=false", ""):
        picture = client.get(f"{FILTERS}/conv1.png?{query}")
        assert picture.status_code == 200
        Image.open(BytesIO(picture.data)).load()
        seen |= {picture.headers["ETag"], picture.data}
        tag = {"If-None-Match": picture.headers["ETag"]}
        assert client.get(f"{FILTERS}/conv1.png?{query}", headers=tag).status_code == 304
    assert len(seen) == 10


@pytest.mark.usefixtures("slashed")
def test_a_filter_of_a_layer_with_slashes_is_told(client):
    told = client.get("/v1/models/owner/net/kernels/1/block.2/3x3_reduce").json
    assert told["planes"] == [[[1.0] * 3] * 3] * 3


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("kernels/8/conv1", 404),
        ("kernels/0/nothing", 404),
        ("filters/conv1.png?kernel=8", 404),
        ("filters/conv1.png?kernel=-1", 400),
        ("filters/ip1.png?kernel=0&shows=spectrum", 422),
    ],
)
def test_a_filter_that_cannot_be_shown_is_told_why(client, path, status):
    answer = client.get(f"/v1/models/lenet/{path}")
    assert answer.status_code == status
    assert answer.json["error"]["hint"]
