"""A repository of the Hub says how its network is built, fed and labelled; or is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.domain.checkpoint import Wishes
from zoo.domain.preprocessing import Channels, Interpolation, Preprocessing, Resize
from zoo.domain.recipe import Source
from zoo.errors import MalformedCheckpoint, ZooError
from zoo.formats.hub.checkpoint import is_hub, read_hub_checkpoint
from zoo.formats.hub.timm import read_timm_config
from zoo.formats.hub.transformers import read_transformers_config
from zoo.formats.safetensors import write_safetensors

WEIGHTS = {"fc.weight": np.ones((2, 3), np.float32)}
TIMM = {
    "architecture": "resnet18",
    "num_classes": 2,
    "model_args": {"drop_rate": 0.1},
    "label_names": ["n01", "n02"],
    "label_descriptions": {"n01": "ant"},
    "pretrained_cfg": {
        "input_size": [3, 160, 160],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "crop_pct": 0.95,
        "interpolation": "bicubic",
        "crop_mode": "squash",
    },
}
VIT = {
    "model_type": "vit",
    "architectures": ["ViTForImageClassification"],
    "id2label": {"1": "bee", "0": "ant"},
}
SQUARE = {
    "do_resize": True,
    "size": {"height": 224, "width": 224},
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_normalize": True,
}


@pytest.fixture
def folder(tmp_path):
    """Lay files out as a downloaded repository has them."""

    def lay(**files):
        (tmp_path / "model.safetensors").write_bytes(b"".join(write_safetensors(WEIGHTS)))
        for name, content in files.items():
            file = name.replace("__", ".")
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / file).write_text(text)
        return {path.name: path for path in tmp_path.iterdir()}

    return lay


def read(data, preprocessor=None):
    return read_transformers_config(data, preprocessor, path="original-config.json")


def pictures_of(**preprocessor):
    return read(VIT, preprocessor).preprocessing


def test_timm_tells_everything():
    told = read_timm_config(TIMM)
    assert told.source == Source(
        kind="timm", architecture="resnet18", arguments={"drop_rate": 0.1, "num_classes": 2}
    )
    assert told.labels == ("ant", "n02")
    assert told.preprocessing == Preprocessing(
        resize=Resize.SQUASH,
        resize_px=168,
        crop_px=(160, 160),
        interpolation=Interpolation.BICUBIC,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        source="config.json of timm",
    )
    assert told.notes == ()


def test_one_channel_of_timm_is_gray():
    cfg = {"input_size": [1, 28, 28], "mean": [0.5], "std": [0.5], "crop_pct": 1.0}
    told = read_timm_config(TIMM | {"pretrained_cfg": cfg})
    assert told.preprocessing.channels is Channels.GRAY
    assert told.source.arguments["in_chans"] == 1


def test_what_timm_leaves_out_is_not_guessed():
    told = read_timm_config({"architecture": "resnet18"})
    assert (told.preprocessing, told.labels, told.source.arguments) == (None, None, {})


def test_what_the_zoo_does_otherwise_is_noted():
    cfg = TIMM["pretrained_cfg"] | {"interpolation": "lanczos", "crop_mode": "border"}
    told = read_timm_config(TIMM | {"pretrained_cfg": cfg})
    assert told.preprocessing.interpolation is Interpolation.BICUBIC
    assert [word for note in told.notes for word in ("lanczos", "border") if word in note] == [
        "border",
        "lanczos",
    ]


def test_transformers_tells_its_classes_in_the_order_of_their_numbers():
    told = read(VIT)
    assert told.labels == ("ant", "bee")
    assert told.preprocessing.source.startswith("assumed")
    assert told.source == Source(
        kind="transformers", path="original-config.json", architecture="vit"
    )


def test_classes_that_nobody_named_have_no_names():
    assert read(VIT | {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}).labels is None
    assert read(VIT | {"id2label": {}}).labels is None


def test_a_network_that_classifies_no_pictures_is_stored_only():
    told = read({"model_type": "bert", "architectures": ["BertForMaskedLM"]})
    assert told.source is None
    assert told.reason == "BertForMaskedLM is no classifier of pictures."


def test_a_square_is_squashed_to():
    told = read(VIT, SQUARE).preprocessing
    assert (told.resize, told.resize_px, told.crop_px) == (Resize.SQUASH, 224, (224, 224))
    assert told.interpolation is Interpolation.BILINEAR
    assert (told.mean, told.std, told.scale) == ((0.5,) * 3, (0.5,) * 3, 1 / 255)


SHAPES = {
    "old-number": ({"size": 224}, (Resize.SQUASH, 224, (224, 224))),
    "cropped": (
        {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224},
        (Resize.SHORT_SIDE, 256, (224, 224)),
    ),
    "cropped-square": (
        {
            "size": {"height": 256, "width": 256},
            "do_center_crop": True,
            "crop_size": {"height": 224, "width": 208},
        },
        (Resize.SQUASH, 256, (224, 208)),
    ),
    "a-share": (
        {"size": {"shortest_edge": 224}, "crop_pct": 0.875},
        (Resize.SHORT_SIDE, 256, (224,) * 2),
    ),
    "a-share-by-default": (
        {"size": {"shortest_edge": 224}, "image_processor_type": "ConvNextImageProcessor"},
        (Resize.SHORT_SIDE, 256, (224, 224)),
    ),
    "a-share-and-a-crop": (
        {"size": 224, "crop_pct": 0.9, "do_center_crop": True, "crop_size": 224},
        (Resize.SHORT_SIDE, 248, (224, 224)),
    ),
    "large-and-whole": (
        {"size": {"shortest_edge": 384}, "crop_pct": 0.95},
        (Resize.SQUASH, 384, (384, 384)),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_way_of_resizing_is_understood(name):
    preprocessor, expected = SHAPES[name]
    told = pictures_of(**preprocessor)
    assert (told.resize, told.resize_px, told.crop_px) == expected


def test_pictures_that_are_flipped_are_read_as_bgr():
    told = pictures_of(size=224, do_flip_channel_order=True)
    assert told.channels is Channels.BGR
    assert (told.mean, told.std) == ((0.0,) * 3, (1.0,) * 3)


def test_pictures_that_are_not_scaled_keep_their_numbers():
    told = pictures_of(size=224, do_rescale=False, image_mean=[1, 2, 3], image_std=[1, 1, 1])
    assert (told.scale, told.mean) == (1.0, (1.0, 2.0, 3.0))


BROKEN = {
    "no-architecture": lambda: read_timm_config({"architecture": 3}),
    "classes": lambda: read_timm_config(TIMM | {"num_classes": 10**9}),
    "size": lambda: read_timm_config(TIMM | {"pretrained_cfg": {"input_size": [3, 10**9, 2]}}),
    "share": lambda: read_timm_config(TIMM | {"pretrained_cfg": {"crop_pct": 1e-9}}),
    "no-share": lambda: read_timm_config(TIMM | {"pretrained_cfg": {"crop_pct": 0}}),
    "spread": lambda: read_timm_config(TIMM | {"pretrained_cfg": {"std": [1, 2]}}),
    "arguments": lambda: read_timm_config(TIMM | {"model_args": []}),
    "a-gap": lambda: read(VIT | {"id2label": {"0": "a", "2": "b"}}),
    "no-square": lambda: pictures_of(size={"height": 2, "width": 3}),
    "nothing": lambda: pictures_of(size={}),
    "no-spread": lambda: pictures_of(size=224, do_normalize=True, image_std=[0, 1, 1]),
    "filter": lambda: pictures_of(size=224, resample=[2]),
    "a-word": lambda: pictures_of(size="large"),
    "no-scale": lambda: pictures_of(size=224, rescale_factor=0),
    "tiny-share": lambda: read_timm_config(TIMM | {"pretrained_cfg": {"crop_pct": 5e-324}}),
    "no-timm-spread": lambda: read_timm_config(TIMM | {"pretrained_cfg": {"std": [0, 1, 1]}}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_values_that_cannot_be_are_refused(name):
    with pytest.raises(ValueError, match=r".+"):
        BROKEN[name]()


def test_a_repository_of_timm_is_a_checkpoint(folder):
    card = "---\nlicense: mit\n---\nA network."
    files = folder(config__json=TIMM, README__md=card)
    assert is_hub(files)
    found = read_hub_checkpoint(files, Wishes())
    assert (found.kind, found.title, found.architecture) == ("hub", "resnet18", "resnet18")
    assert found.source.kind == "timm"
    assert found.labels == ("ant", "n02")
    assert found.licence == "mit"
    assert "A network." in found.prose
    assert found.renamed == {"config.json": "original-config.json"}
    assert np.array_equal(found.weights["fc.weight"], WEIGHTS["fc.weight"])


def test_a_repository_of_transformers_is_a_checkpoint(folder):
    found = read_hub_checkpoint(
        folder(config__json=VIT, preprocessor_config__json=SQUARE), Wishes()
    )
    assert found.source.path == "original-config.json"
    assert found.labels == ("ant", "bee")
    assert found.preprocessing.source == "preprocessor_config.json"


def test_a_shell_around_a_network_of_timm_is_taken_off(folder, tmp_path):
    files = folder(config__json=TIMM | {"model_type": "timm_wrapper"})
    wrapped = {f"timm_model.{name}": value for name, value in WEIGHTS.items()}
    (tmp_path / "model.safetensors").write_bytes(b"".join(write_safetensors(wrapped)))
    found = read_hub_checkpoint(files, Wishes())
    assert found.source.kind == "timm"
    assert set(found.weights) == set(WEIGHTS)


def test_what_is_wished_for_wins(folder):
    wishes = Wishes(
        architecture="torchvision:resnet34",
        labels=("x", "y"),
        preprocessing={"resize_px": 300},
    )
    found = read_hub_checkpoint(folder(config__json=TIMM), wishes)
    assert found.source == Source(kind="torchvision", architecture="resnet34")
    assert found.labels == ("x", "y")
    assert found.preprocessing.resize_px == 300


def test_one_form_of_the_weights_is_read_and_the_others_are_told(folder):
    found = read_hub_checkpoint(folder(config__json=TIMM, pytorch_model__bin="x"), Wishes())
    assert found.notes == ("Other forms of the weights were not read: pytorch_model.bin.",)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"zoo": {}}'])
def test_other_folders_are_none_of_the_hub(folder, content):
    assert not is_hub(folder(config__json=content))


def test_weights_alone_are_none_of_the_hub(folder):
    assert not is_hub(folder())


def test_a_value_that_cannot_be_names_its_file(folder):
    files = folder(config__json=TIMM | {"num_classes": -1})
    with pytest.raises(MalformedCheckpoint, match="num_classes should be a whole number"):
        read_hub_checkpoint(files, Wishes())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KEYS = st.sampled_from([*TIMM, *TIMM["pretrained_cfg"], *VIT, *SQUARE, "crop_size", "crop_pct"])


@given(st.dictionaries(KEYS, JSON), st.dictionaries(KEYS, JSON))
def test_any_json_is_read_or_refused_by_value(data, other):
    start = {"architecture": "a", "pretrained_cfg": other} | data
    for attempt in (
        lambda: read_timm_config(start),
        lambda: read({"model_type": "a"} | data, other),
    ):
        try:
            attempt()
        except ValueError as error:
            assert str(error)  # noqa: PT017  # either end is fine


def test_errors_are_the_zoo_s_own(folder):
    with pytest.raises(ZooError):
        read_hub_checkpoint(folder(config__json=VIT, preprocessor_config__json="{"), Wishes())
