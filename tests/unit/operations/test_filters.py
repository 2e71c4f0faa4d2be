import json
import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zoo.domain.config import CONFIG, LAYERS, WEIGHTS, ModelConfig
from zoo.domain.filters import Match, Scaling
from zoo.domain.layers import Inventory, LayerRow
from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.errors import (
    FileNotFound,
    LayerNotFound,
    MalformedCheckpoint,
    ModelNotFound,
    RevisionNotFound,
)
from zoo.formats.safetensors import write_safetensors
from zoo.operations import filters
from zoo.operations.filters import (
    describe_filters,
    draw_filters,
    draw_view,
    find_view,
    select_drift,
    select_layer,
    warm_filters,
)

# Tensors in the order of a network whose names tell another one.
NET = {
    "stem.conv.weight": (6, 3, 5, 5),
    "stem.conv.bias": (6,),
    "block10/1x1.weight": (4, 6, 1, 1),
    "block2/3x3_reduce.weight": (5, 4, 3, 3),
    "block2/3x3_reduce.bias": (5,),
    "aux.weight": (2, 4, 1, 1),
    "ip1.weight": (7, 20),
    "norm.num_batches_tracked": (),
}
DAMAGES = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "of another form": lambda _: "[]",
    "without layers": lambda _: json.dumps({"version": filters.VERSION}),
    "deep": lambda _: "[" * 100_000,
    "of another version": lambda text: text.replace(
        f'"version": {filters.VERSION}', '"version": 0'
    ),
    "of another field": lambda text: text.replace('"std"', '"sdt"'),
    "of other tensors": lambda text: text.replace("aux.weight", "other.weight"),
}
ORDER = [name for name in NET if len(NET[name]) > 1]


@pytest.fixture
def weights():
    rng = np.random.default_rng(5)
    drawn = {
        name: rng.standard_normal(shape).astype(np.float32) for name, shape in NET.items() if shape
    }
    return drawn | {"norm.num_batches_tracked": np.array(3, np.int64)}


def as_bytes(weights):
    return b"".join(write_safetensors(weights))


def as_layers(names):
    rows = [
        LayerRow(
            name=name.removesuffix(".weight"),
            kind="Conv2d",
            output=(1, 1, 1),
            parameters=1,
            macs=1,
            window=None,
            tensors=(name,),
        )
        for name in names
    ]
    return json.dumps(Inventory(inputs=((3, 8, 8),), rows=tuple(rows)).as_json())


def as_config(channels):
    mean = (0.0,) * (1 if channels is Channels.GRAY else 3)
    config = ModelConfig(
        architecture="net",
        label_names=("a", "b"),
        pictures=Preprocessing(channels=channels, mean=mean, std=(1.0,) * len(mean)),
        recipe=Recipe(source=Source(kind="caffe", path="deploy.prototxt")),
        lineage={},
    )
    return json.dumps(config.as_json())


@pytest.fixture
def net(published, weights):
    """Publish a network that tells its layers and reads BGR."""
    files = {
        WEIGHTS: as_bytes(weights),
        LAYERS: as_layers(ORDER),
        CONFIG: as_config(Channels.BGR),
    }
    return published("net", files=files)


def kept_files(zoo):
    return sorted((zoo.settings.home / "cache" / "filters").glob("*"))


def png_pixels(data):
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def test_filters_come_in_the_order_of_the_network(zoo, net, weights):
    report = describe_filters(zoo, "net")
    assert [layer.name for layer in report.layers] == ORDER
    assert report.first == "stem.conv"
    assert report.digest == net.find_file(WEIGHTS).digest
    for layer in report.layers:
        assert layer.shape == NET[layer.name]
        assert layer.std == pytest.approx(weights[layer.name].astype(np.float64).std())
    assert {other.name for other in report.others} == NET.keys() - set(ORDER)


def test_without_layers_they_come_by_name_with_numbers_as_numbers(zoo, published, weights):
    published("bare", files={WEIGHTS: as_bytes(weights)})
    report = describe_filters(zoo, "bare")
    assert [layer.layer for layer in report.layers] == [
        "aux",
        "block2/3x3_reduce",
        "block10/1x1",
        "ip1",
        "stem.conv",
    ]


def test_the_first_layer_reads_as_many_channels_as_a_picture_has(zoo, published, weights):
    files = {WEIGHTS: as_bytes(weights), CONFIG: as_config(Channels.RGB)}
    published("unordered", files=files)
    assert describe_filters(zoo, "unordered").first == "stem.conv"
    published("lines", files={WEIGHTS: as_bytes({"b.weight": np.eye(3), "a.bias": np.ones(2)})})
    assert describe_filters(zoo, "lines").first == "b"
    published("none", files={WEIGHTS: as_bytes({"a.bias": np.ones(2)})})
    assert describe_filters(zoo, "none").first is None


def test_statistics_are_kept_under_the_digest_of_the_weights(zoo, net):
    report = describe_filters(zoo, "net")
    (path,) = kept_files(zoo)
    assert path.stem == report.digest
    kept = json.loads(path.read_text())
    kept["layers"][0]["std"] = 7.0
    path.write_text(json.dumps(kept))
    again = describe_filters(zoo, "net")
    assert 7.0 in {layer.std for layer in again.layers}
    assert again.digest == net.find_file(WEIGHTS).digest


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_kept_is_computed_again_where_it_cannot_be_used(zoo, net, damage):
    expected = describe_filters(zoo, "net")
    (path,) = kept_files(zoo)
    text = path.read_text()
    path.write_text(damage(text))
    assert path.read_text() != text
    assert describe_filters(zoo, "net").layers == expected.layers
    assert kept_files(zoo) == [path]
    assert path.read_text() == text
    assert net.model == "net"


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(zoo, net):
    (zoo.settings.home / "cache").write_text("a file is in the way")
    assert len(describe_filters(zoo, net.address).layers) == len(ORDER)


def test_warming_fills_the_cache_before_anything_is_published(zoo, net):
    digest = net.find_file(WEIGHTS).digest
    warm_filters(zoo, digest)
    (path,) = kept_files(zoo)
    assert path.stem == digest
    written = path.stat().st_mtime_ns
    assert len(describe_filters(zoo, net.address).layers) == len(ORDER)
    assert path.stat().st_mtime_ns == written


def test_what_is_against_is_compared_tensor_by_tensor(zoo, net, published, weights):
    tuned = weights | {
        "stem.conv.weight": weights["stem.conv.weight"] * np.float32(2),
        "ip1.weight": weights["ip1.weight"].reshape(7, 5, 2, 2),
        "ip2.weight": np.ones((2, 7), np.float32),
    }
    del tuned["aux.weight"]
    published("tuned", files={WEIGHTS: as_bytes(tuned)}, parent=net.address)
    for against in ("parent", "net", net.address):
        report = describe_filters(zoo, "tuned", against=against)
        assert report.against.address == net.address
        found = {one.name: one for one in report.drift}
        assert found["stem.conv.weight"].change == pytest.approx(1)
        assert found["ip1.weight"].match is Match.RESHAPED
        assert found["ip2.weight"].match is Match.NEW
        assert found["aux.weight"].match is Match.GONE
        unchanged = {one.name for one in report.drift if one.is_unchanged}
        moved = {"stem.conv.weight", "ip2.weight", "aux.weight"}
        assert unchanged == (tuned.keys() | weights.keys()) - moved
    names = [one.name for one in select_drift(report, "stem.conv")]
    assert sorted(names) == ["stem.conv.bias", "stem.conv.weight"]
    with pytest.raises(LayerNotFound) as error:
        select_drift(report, "stem.cnv")
    assert error.value.detail["near"] == ["stem.conv"]


def test_an_import_has_no_parent(zoo, net):
    with pytest.raises(RevisionNotFound, match="has no parent") as error:
        describe_filters(zoo, net.address, against="parent")
    assert "--against MODEL" in error.value.hint
    with pytest.raises(ModelNotFound):
        describe_filters(zoo, net.address, against="nothing")


def test_a_revision_without_weights_says_what_is_needed(zoo, published):
    published("graph", files={"model.onnx": "not read"})
    for ask in (describe_filters, draw_filters):
        with pytest.raises(FileNotFound, match=r"has no model\.safetensors") as error:
            ask(zoo, "graph")
        assert "zoo import" in error.value.hint


def test_damaged_weights_are_named(zoo, published, weights):
    published("damaged", files={WEIGHTS: as_bytes(weights)[:-1]})
    with pytest.raises(MalformedCheckpoint, match=r"model\.safetensors"):
        describe_filters(zoo, "damaged")


@pytest.mark.parametrize("name", ["block2/3x3_reduce", "block2/3x3_reduce.weight"])
def test_layers_are_called_by_their_name_or_their_tensors(zoo, net, name):
    report = describe_filters(zoo, net.address)
    assert select_layer(report, name).name == "block2/3x3_reduce.weight"
    assert draw_filters(zoo, net.address, name).layer == "block2/3x3_reduce"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("3x3_reduce", "block2/3x3_reduce"),
        ("CONV", "stem.conv"),
        ("block10/1x2", "block10/1x1"),
        ("ip1.bias", "ip1"),
    ],
)
def test_a_layer_that_is_not_there_is_refused_with_near_ones(zoo, net, name, near):
    report = describe_filters(zoo, net.address)
    for ask in (
        lambda: select_layer(report, name),
        lambda: find_view(zoo, net.address, name),
    ):
        with pytest.raises(LayerNotFound) as error:
            ask()
        assert error.value.detail["near"][0] == near
        assert repr(near) in error.value.hint


def test_a_network_without_filters_has_no_picture(zoo, published):
    published("none", files={WEIGHTS: as_bytes({"a.bias": np.ones(2)})})
    with pytest.raises(LayerNotFound, match="holds filters"):
        draw_filters(zoo, "none")


@pytest.mark.parametrize(
    ("channels", "colour"), [(Channels.BGR, (128, 128, 255)), (Channels.RGB, (255, 128, 128))]
)
def test_the_first_layer_is_drawn_in_the_colours_of_the_picture(zoo, published, channels, colour):
    conv = np.zeros((1, 3, 2, 2), np.float32)
    conv[0, 0] = 1
    files = {
        WEIGHTS: as_bytes({"conv.weight": conv, "next.weight": conv}),
        CONFIG: as_config(channels),
    }
    published("net", files=files)
    picture = draw_filters(zoo, "net")
    assert picture.layer == "conv"
    assert tuple(png_pixels(picture.png)[5, 5]) == colour
    later = draw_filters(zoo, "net", "next")  # reads three channels, but no picture
    assert later.told == "1 filter x 3 channels"


def test_a_picture_says_what_it_shows(zoo, net):
    picture = draw_filters(zoo, net.address, "ip1", scaling=Scaling.OWN)
    with Image.open(BytesIO(picture.png)) as image:
        assert image.text == {
            "model": net.address,
            "layer": "ip1",
            "shown": "7 outputs x 20 inputs",
        }


def test_the_tag_changes_with_all_that_the_picture_depends_on(zoo, net, published, weights):
    view = find_view(zoo, net.address)
    same = find_view(zoo, "net", "stem.conv.weight")
    assert same.tag == view.tag
    assert draw_view(same).png == draw_view(view).png
    files = {WEIGHTS: as_bytes(weights), LAYERS: as_layers(ORDER)}
    published("rgb", files=files | {CONFIG: as_config(Channels.RGB)})
    published("other", files={WEIGHTS: as_bytes(weights | {"aux.weight": np.ones((2, 4, 1, 1))})})
    others = [
        find_view(zoo, net.address, "aux"),
        find_view(zoo, net.address, scaling=Scaling.OWN),
        find_view(zoo, "rgb"),
        find_view(zoo, "other", "stem.conv"),
    ]
    assert len({view.tag, *(other.tag for other in others)}) == 1 + len(others)


def test_weights_of_a_kind_that_numpy_lacks_are_looked_at(zoo, published):
    numbers = np.array([[0.5, -1.5], [3.0, 0.0]], np.float32)
    published("half", files={WEIGHTS: as_bfloat16(numbers)})
    published("moved", files={WEIGHTS: as_bfloat16(numbers * 2)})
    (layer,) = describe_filters(zoo, "half").layers
    assert (layer.kind, layer.least, layer.largest, layer.zeros) == ("bfloat16", -1.5, 3, 1)
    (drift,) = describe_filters(zoo, "moved", against="half").drift
    assert drift.change == pytest.approx(1)
    (drift,) = describe_filters(zoo, "half", against="half").drift
    assert drift.is_unchanged


def as_bfloat16(numbers):
    """Write a safetensors file by hand: bfloat16 is the upper half of a float32."""
    data = (numbers.view(np.uint32) >> 16).astype("<u2").tobytes()
    entry = {"dtype": "BF16", "shape": list(numbers.shape), "data_offsets": [0, len(data)]}
    header = json.dumps({"fc.weight": entry}).encode()
    return struct.pack("<Q", len(header)) + header + data
