"""What a network's layers are, told by its revision, at the terminal and over REST."""

import json
import os
import subprocess
import sys

import pytest

from zoo.domain.config import GRAPH, LAYERS, WEIGHTS
from zoo.domain.recipe import Recipe, Source
from zoo.domain.revision import Blob
from zoo.errors import FileNotFound, MalformedCheckpoint, NotRunnable
from zoo.networks.build import build_network
from zoo.operations import fetch
from zoo.operations.import_ import ImportOptions, prepare_import, stage
from zoo.operations.layers import find_layers, get_layers
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish, put_json
from zoo.settings import read_settings
from zoo.worker.layers import describe_layers, list_built_layers

pytestmark = pytest.mark.usefixtures("stocked")

LENET = ["conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2"]


@pytest.fixture
def zoo(home):
    with open_zoo(read_settings(home=home)) as opened:
        yield opened


@pytest.fixture
def republish(zoo):
    """A function that publishes lenet under the name other, with files changed or left out."""

    def again(*, without=(), summary=None, **files):
        revision = fetch.get_revision(zoo, "lenet")
        kept = {
            file.path: Blob(digest=file.digest, size_bytes=file.size_bytes)
            for file in revision.files
            if file.path not in without
        }
        return publish(
            zoo,
            Publication(
                model="other",
                files=kept | {name.replace("_", "."): blob for name, blob in files.items()},
                message="changed",
                summary=revision.summary if summary is None else summary,
            ),
        )

    return again


def table(text):
    """Give the header and the rows of a table as lists of words."""
    header, *lines = text.splitlines()
    return header.split(), [line.split() for line in lines]


@pytest.mark.parametrize("model", ["lenet", "lenet-digits"])
def test_imports_and_fine_tunes_say_what_their_layers_are(zoo, model):
    revision = fetch.get_revision(zoo, model)
    inventory = find_layers(zoo, revision)
    assert inventory == list_built_layers(zoo, revision)
    assert inventory.parameters == revision.summary["parameters"]
    assert inventory.macs > 0


def test_layers_are_shown_with_shapes_counts_and_totals(zoo_cli):
    header, rows = table(zoo_cli("show", "lenet", "--layers").out)
    assert header == ["NAME", "KIND", "OUTPUT", "PARAMETERS", "MACS", "WINDOW", "STRIDE"]
    assert [row[0] for row in rows][: len(LENET)] == LENET
    assert " ".join(rows[0]) == "conv1 Conv2d 8 x 24 x 24 208 115200 5 1"  # 8 x 5 x 5 + 8
    assert rows[-1][0] == "total"
    counts = [(int(row[-4]), int(row[-3])) for row in rows[:-1]]
    assert [int(number) for number in rows[-1][1:]] == [
        sum(column) for column in zip(*counts, strict=True)
    ]


def test_layers_as_json_are_the_file(zoo, zoo_cli):
    shown = zoo_cli("show", "lenet", "--layers", "--json").json
    _, path = fetch.get_file(zoo, fetch.get_revision(zoo, "lenet"), LAYERS)
    assert shown == json.loads(path.read_bytes())
    assert shown["inputs"] == [[1, 28, 28]]


def test_layers_are_shown_without_torch(home):
    code = (
        "import sys\nfrom zoo.commands.main import main\n"
        "try:\n    main(['show', 'lenet', '--layers'])\n"
        "finally:\n    print('torch' in sys.modules)\n"
    )
    environment = os.environ | {"ZOO_HOME": str(home)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("NAME")
    assert ran.stdout.splitlines()[-1] == "False"


def test_an_older_revision_is_built_to_be_shown(zoo, zoo_cli, republish):
    revision = republish(without=(LAYERS,))
    assert find_layers(zoo, revision) is None
    assert zoo_cli("show", "other", "--layers").out == zoo_cli("show", "lenet", "--layers").out


def test_a_stored_revision_is_refused(zoo, zoo_cli, republish):
    republish(
        without=(LAYERS, GRAPH, "config.json"),
        summary={"runs": "stored", "reason": "No architecture is known."},
    )
    ran = zoo_cli("show", "other", "--layers")
    assert ran.code != 0
    assert "is stored only, so no layers of it are known. No architecture is known." in ran.err
    assert "--arch" in ran.err
    with pytest.raises(NotRunnable):
        get_layers(zoo, "other")


def test_a_graph_that_is_served_as_it_came_is_refused(zoo, zoo_cli, republish):
    _, path = fetch.get_file(zoo, fetch.get_revision(zoo, "lenet"), "config.json")
    config = json.loads(path.read_bytes())
    config["zoo"]["source"] |= {"kind": "onnx-graph", "path": GRAPH}
    republish(without=(LAYERS,), config_json=put_json(zoo, config))
    ran = zoo_cli("show", "other", "--layers")
    assert ran.code != 0
    assert "served as it came, not taken apart into layers" in ran.err


def test_plain_files_have_no_layers(zoo, republish):
    revision = republish(without=(LAYERS, "config.json"), summary={})
    with pytest.raises(NotRunnable, match=r"has no config\.json"):
        find_layers(zoo, revision)


def test_a_revision_without_weights_cannot_be_built(zoo, republish):
    revision = republish(without=(LAYERS, WEIGHTS))
    with pytest.raises(FileNotFound, match=WEIGHTS):
        list_built_layers(zoo, revision)


@pytest.mark.parametrize("content", [[], {"layers": []}, {"inputs": [], "layers": [{"name": 1}]}])
def test_a_damaged_file_is_told_and_not_shown(zoo, zoo_cli, client, republish, content):
    republish(layers_json=put_json(zoo, content))
    ran = zoo_cli("show", "other", "--layers")
    assert ran.code != 0
    assert f"{LAYERS} of other@" in ran.err
    with pytest.raises(MalformedCheckpoint):
        get_layers(zoo, "other")
    answer = client.get("/v1/models/other/layers")
    assert answer.json["error"]["code"] == "malformed_checkpoint"


def test_a_model_that_is_not_there_has_no_layers(zoo_cli, client):
    assert zoo_cli("show", "lenett", "--layers").code == 3
    answer = client.get("/v1/models/lenett/layers")
    assert answer.status_code == 404
    assert "'lenet'" in answer.json["error"]["hint"]


def test_layers_are_answered_over_rest(zoo, client):
    answer = client.get("/v1/models/lenet/layers")
    _, path = fetch.get_file(zoo, fetch.get_revision(zoo, "lenet"), LAYERS)
    told = dict(answer.json)
    assert told.pop("model") == fetch.get_revision(zoo, "lenet").address
    assert told == json.loads(path.read_bytes())


def test_layers_are_answered_by_ref_and_by_id(zoo, client):
    identity = fetch.get_revision(zoo, "lenet").id
    expected = client.get("/v1/models/lenet/layers").json
    for address in ("lenet:main", f"lenet@{identity[:8]}"):
        assert client.get(f"/v1/models/{address}/layers").json == expected
    assert client.get("/v1/models/lenet:nowhere/layers").status_code == 404


def test_an_older_revision_is_answered_with_the_command_that_tells(client, republish):
    republish(without=(LAYERS,))
    answer = client.get("/v1/models/other/layers")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "file_not_found")
    assert "zoo show other --layers" in answer.json["error"]["hint"]


def test_what_a_network_reads_has_to_be_known():
    source = Source(kind="torchvision", architecture="resnet18", arguments={"num_classes": 2})
    assert describe_layers(build_network(Recipe(source=source), {}), None) is None


def test_a_file_of_that_name_is_kept_beside_ours(zoo, starter):
    blobs = stage(zoo, starter) | {LAYERS: put_json(zoo, {"theirs": True})}
    prepared = prepare_import(zoo, blobs, ImportOptions(name="again"))
    assert "original-layers.json" in prepared.files
    assert LAYERS not in prepared.files
