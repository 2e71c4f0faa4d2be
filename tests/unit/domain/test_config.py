"""config.json: what timm's clients read, and what the zoo reads back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.config import ModelConfig
from zoo.domain.preprocessing import CHANNEL_COUNTS, Channels, Preprocessing, Resize
from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import ReplaceHead

RECIPE = Recipe(source=Source(kind="caffe", path="deploy.prototxt"))
NUMBERS = st.floats(0.001, 300)
PREPROCESSING = st.sampled_from(Channels).flatmap(
    lambda channels: st.builds(
        Preprocessing,
        resize=st.sampled_from(Resize),
        resize_px=st.integers(1, 512),
        crop_px=st.tuples(st.integers(1, 512), st.integers(1, 512)),
        channels=st.just(channels),
        scale=NUMBERS,
        mean=st.tuples(*[NUMBERS] * CHANNEL_COUNTS[channels]),
        std=st.tuples(*[NUMBERS] * CHANNEL_COUNTS[channels]),
        mean_tensor=st.none() | st.just("mean"),
        source=st.text(max_size=5),
    )
)


def make_config(**preprocessing):
    return ModelConfig(
        architecture="net",
        label_names=("ant", "bee"),
        pictures=Preprocessing(**preprocessing),
        recipe=RECIPE,
        lineage={},
    )


@given(
    preprocessing=PREPROCESSING,
    labels=st.lists(st.text(max_size=4), min_size=1, max_size=3).map(tuple),
    surgeries=st.lists(st.builds(ReplaceHead, classes=st.integers(1, 10**6)), max_size=2).map(
        tuple
    ),
    lineage=st.dictionaries(st.sampled_from(["parent", "dataset"]), st.text(max_size=4)),
)
def test_what_is_written_is_read_back(preprocessing, labels, surgeries, lineage):
    config = ModelConfig(
        architecture="net",
        label_names=labels,
        pictures=preprocessing,
        recipe=Recipe(source=RECIPE.source, surgeries=surgeries),
        lineage=lineage,
    )
    assert ModelConfig.from_json(json.loads(json.dumps(config.as_json()))) == config


def test_a_caffe_networks_mean_is_told_as_timm_means_it():
    timm = make_config(
        channels=Channels.BGR, scale=1.0, mean=(104.0, 117.0, 123.0), std=(1.0, 2.0, 255.0)
    ).as_json()["pretrained_cfg"]
    assert timm["mean"] == pytest.approx([123 / 255, 117 / 255, 104 / 255])
    assert timm["std"] == pytest.approx([1.0, 2 / 255, 1 / 255])


def test_numbers_that_are_timms_stay_as_they_are():
    timm = make_config().as_json()["pretrained_cfg"]
    assert timm["mean"] == pytest.approx([0.485, 0.456, 0.406])
    assert timm["std"] == pytest.approx([0.229, 0.224, 0.225])


@given(preprocessing=PREPROCESSING, pixel=st.integers(0, 255))
def test_timm_computes_the_same_numbers_from_a_pixel(preprocessing, pixel):
    config = make_config(
        channels=preprocessing.channels,
        scale=preprocessing.scale,
        mean=preprocessing.mean,
        std=preprocessing.std,
    )
    timm = config.as_json()["pretrained_cfg"]
    order = slice(None, None, -1 if preprocessing.channels is Channels.BGR else 1)
    ours = [
        (pixel * preprocessing.scale - mean) / std
        for mean, std in zip(preprocessing.mean, preprocessing.std, strict=True)
    ]
    theirs = [
        (pixel / 255 - mean) / std for mean, std in zip(timm["mean"], timm["std"], strict=True)
    ]
    assert theirs == pytest.approx(ours[order], rel=1e-6, abs=1e-6)


def test_a_crop_is_told_as_a_share_and_a_size():
    timm = make_config(resize_px=256, crop_px=(224, 320)).as_json()["pretrained_cfg"]
    assert timm["crop_pct"] == 0.875
    assert timm["input_size"] == [3, 224, 320]


def test_a_gray_network_has_one_channel():
    timm = make_config(channels=Channels.GRAY, mean=(0.5,), std=(1.0,)).as_json()["pretrained_cfg"]
    assert timm["input_size"] == [1, 224, 224]
    assert timm["mean"] == [pytest.approx(0.5)]


def test_classes_are_counted():
    assert make_config().as_json()["num_classes"] == 2


def test_a_key_of_a_later_version_is_no_guess():
    data = make_config().as_json()
    data["zoo"]["preprocessing"]["gamma"] = 2.2
    with pytest.raises(TypeError, match="gamma"):
        ModelConfig.from_json(data)


HOSTILE = [
    ("architecture", 1, "architecture should be a text, not 1"),
    ("label_names", "ant", "label_names should be a list"),
    ("label_names", ["ant", None], r"label_names\[1\] should be a text"),
    ("zoo", [], "zoo should be an object, not a list of 0"),
    ("zoo.lineage", {"parent": 1}, r"lineage\.parent should be a text"),
    ("zoo.source", "caffe", "source should be an object"),
    ("zoo.source.kind", 1, r"source\.kind should be a text"),
    ("zoo.source.path", None, r"source\.path should be a text"),
    ("zoo.surgeries", {}, "surgeries should be a list"),
    ("zoo.surgeries", [1], r"surgeries\[0\] should be an object"),
    ("zoo.surgeries.0.at", 1, r"surgeries\[0\]\.at should be a text"),
    ("zoo.surgeries.0.classes", 10**6 + 1, "from 1 to 1000000"),
    ("zoo.surgeries.0.classes", 0, "from 1 to 1000000"),
    ("zoo.surgeries.0.kind", [], r"surgeries\[0\]\.kind should be a text"),
    ("zoo.preprocessing", [], "preprocessing should be an object"),
    ("zoo.preprocessing.resize", "melt", "melt"),
    ("zoo.preprocessing.channels", "CMYK", "CMYK"),
    ("zoo.preprocessing.resize_px", 0, "resize_px should be a whole number"),
    ("zoo.preprocessing.resize_px", 8193, "resize_px should be a whole number"),
    ("zoo.preprocessing.resize_px", 2.0, "resize_px should be a whole number"),
    ("zoo.preprocessing.crop_px", [2], "crop_px should be a list of 2"),
    ("zoo.preprocessing.crop_px", [2, 10**5000], r"crop_px\[1\] .* far larger"),
    ("zoo.preprocessing.crop_px", [True, 2], r"crop_px\[0\] should be a whole number"),
    ("zoo.preprocessing.scale", 0, "scale is 0"),
    ("zoo.preprocessing.scale", float("nan"), "scale should be a finite number"),
    ("zoo.preprocessing.scale", 10**400, "scale should be a finite number"),
    ("zoo.preprocessing.scale", True, "scale should be a finite number"),
    ("zoo.preprocessing.mean", [1.0], "mean should be a list of 3"),
    ("zoo.preprocessing.mean", [1.0, 2.0, "3"], "mean should be a finite number"),
    ("zoo.preprocessing.std", [1.0, 1.0, float("inf")], "std should be a finite number"),
    ("zoo.preprocessing.std", [1.0, 1.0, 0.0], "std is .* above 0"),
    ("zoo.preprocessing.mean_tensor", 3, "mean_tensor should be a text"),
    ("zoo.preprocessing.source", 3, "source should be a text"),
]


@pytest.mark.parametrize(("field", "value", "reason"), HOSTILE)
def test_a_value_that_cannot_be_is_refused_by_its_name(field, value, reason):
    data = make_config().as_json()
    data["zoo"]["surgeries"] = [{"at": "fc8", "classes": 2, "kind": "replace_head"}]
    *way, last = field.split(".")
    place = data
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[last] = value
    with pytest.raises(ValueError, match=reason):
        ModelConfig.from_json(data)


def test_two_classes_may_be_called_alike():
    data = make_config().as_json() | {"label_names": ["crane", "crane"]}
    assert ModelConfig.from_json(data).label_names == ("crane", "crane")
