"""Networks that a library builds by name: the library's numbers under the library's names."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from zoo.domain.preprocessing import Channels, Interpolation, Resize
from zoo.domain.recipe import Recipe, Source
from zoo.errors import MalformedCheckpoint, Unsupported
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.surgery import cut_at_codes, find_head, replace_head
from zoo.networks.vision import (
    build_vision,
    describe_architecture,
    fit_arguments,
    fit_weights,
    initial_weights,
    list_architectures,
)
from zoo.networks.vision.creating import create
from zoo.networks.vision.drawing import undrawn
from zoo.networks.vision.libraries import installed

NARROW = {"num_classes": 4, "width_mult": 0.35}
# What each is run at, in pixels; the large ones are only followed, in the next table.
RUN = {
    ("torchvision", "resnet18"): (48, {"num_classes": 4}),
    ("torchvision", "squeezenet1_1"): (48, {"num_classes": 4}),
    ("torchvision", "mobilenet_v2"): (48, NARROW),
    ("torchvision", "mobilenet_v3_small"): (48, NARROW),
    ("torchvision", "shufflenet_v2_x0_5"): (64, {"num_classes": 4}),
    ("torchvision", "densenet121"): (32, {"num_classes": 4}),
    ("torchvision", "efficientnet_b0"): (48, {"num_classes": 4}),
    ("torchvision", "googlenet"): (48, {"num_classes": 4}),
    ("torchvision", "regnet_x_400mf"): (32, {"num_classes": 4}),
    ("timm", "resnet10t"): (48, {"num_classes": 4}),
    ("timm", "test_byobnet"): (48, {"num_classes": 4}),
    ("timm", "test_convnext"): (64, {"num_classes": 4}),
    ("timm", "test_efficientnet"): (48, {"num_classes": 4, "in_chans": 1}),
    ("timm", "test_nfnet"): (48, {"num_classes": 4}),
    ("timm", "test_vit"): (160, {"num_classes": 4}),
    ("timm", "test_vit3"): (160, {"num_classes": 4}),
}
FOLLOWED = ["alexnet", "convnext_tiny", "inception_v3", "vgg11", "vit_b_16"]
TRANSFORMERS = {
    "resnet": {
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
        "layer_type": "basic",
        "num_channels": 3,
    },
    "vit": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 32,
        "patch_size": 8,
    },
}


def make_source(kind, architecture, **arguments):
    return Source(kind=kind, architecture=architecture, arguments=arguments)


def make_pictures(px, channels=3, count=2):
    return torch.rand(count, channels, px, px, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def config(tmp_path):
    """Write the configuration of a small network of transformers down."""

    def write(model_type):
        labels = {str(index): name for index, name in enumerate("abcd")}
        data = {"model_type": model_type, "id2label": labels} | TRANSFORMERS[model_type]
        path = tmp_path / "original-config.json"
        path.write_text(json.dumps(data | {"auto_map": {"AutoModel": "evil--code.Model"}}))
        source = Source(kind="transformers", path=path.name, architecture=model_type)
        return source, {path.name: path}

    return write


def built_by_library(source, weights, files=None):
    module = create(source, files or {}).eval()
    prefix = "model." if source.kind == "transformers" else ""
    state = {prefix + name: torch.tensor(value) for name, value in weights.items()}
    counters = {name for name in module.state_dict() if name.endswith("num_batches_tracked")}
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert set(missing) <= counters
    assert not unexpected
    return module


@pytest.mark.parametrize(("kind", "architecture"), RUN)
def test_a_network_is_the_library_s_module_in_names_and_numbers(kind, architecture):
    px, arguments = RUN[kind, architecture]
    source = make_source(kind, architecture, **arguments)
    weights = initial_weights(source, seed=0)
    network = build_network(Recipe(source=source), {})
    load_weights(network, weights)
    module = built_by_library(source, weights)
    x = make_pictures(px, arguments.get("in_chans", 3))
    with torch.inference_mode():
        torch.testing.assert_close(network(x), module(x), rtol=1e-4, atol=1e-5)
    assert set(network.state_dict()) == set(module.state_dict())
    head = find_head(network)
    assert head.classes == 4
    operated = replace_head(network, at=head.layer, classes=2)
    with torch.inference_mode():
        assert operated(x).shape == (2, 2)
        assert cut_at_codes(operated)(x).shape == (2, head.in_features)


@pytest.mark.parametrize("architecture", FOLLOWED)
def test_large_networks_are_followed_with_all_their_names(architecture):
    source = make_source("torchvision", architecture, num_classes=4)
    network = build_vision(source, {})
    with undrawn():
        assert set(network.state_dict()) == set(create(source, {}).state_dict())
    assert find_head(network).classes == 4


@pytest.mark.parametrize("model_type", TRANSFORMERS)
def test_a_network_of_transformers_is_built_from_its_kept_configuration(config, model_type):
    source, files = config(model_type)
    weights = initial_weights(source, seed=0, files=files)
    network = build_network(Recipe(source=source), files)
    load_weights(network, weights)
    module = built_by_library(source, weights, files)
    x = make_pictures(32)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), module(x), rtol=1e-4, atol=1e-5)
    assert find_head(network).classes == 4
    assert replace_head(network, classes=2)(x).shape == (2, 2)


def test_weights_named_as_transformers_once_named_them_are_renamed(config):
    source, files = config("vit")
    weights = initial_weights(source, seed=0, files=files)
    old = {
        name.replace("vit.layers", "vit.encoder.layer").replace(
            "attention.q_proj", "attention.attention.query"
        ): value
        for name, value in weights.items()
    }
    found = fit_weights(source, old, files)
    assert set(found) == set(weights)
    assert all(np.array_equal(found[name], weights[name]) for name in weights)


def test_weights_that_no_renaming_makes_fit_come_back_as_they_are(config):
    source, files = config("vit")
    odd = {"a": np.zeros(3, np.float32)}
    assert fit_weights(source, odd, files) is odd


def test_weights_are_unset_until_they_are_loaded():
    network = build_vision(make_source("torchvision", "resnet18"), {})
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    with pytest.raises(RuntimeError):
        network(make_pictures(32))


def test_building_draws_from_nobody_s_random_numbers():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    build_vision(make_source("timm", "test_vit3"), {})
    assert torch.equal(torch.rand(1), expected)


def test_initial_weights_are_those_of_their_seed():
    source = make_source("timm", "test_resnet")
    first, again, other = (initial_weights(source, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["conv1.0.weight"], other["conv1.0.weight"])


@pytest.mark.parametrize(
    ("kind", "architecture", "arguments", "expected"),
    [
        ("torchvision", "resnet18", {"num_classes": 10}, {"num_classes": 10}),
        ("torchvision", "resnet18", {}, {}),
        (
            "torchvision",
            "googlenet",
            {"num_classes": 3, "aux_logits": False},
            {"num_classes": 3, "aux_logits": False, "transform_input": True},
        ),
        (
            "timm",
            "test_resnet",
            {"num_classes": 7, "in_chans": 1},
            {"num_classes": 7, "in_chans": 1},
        ),
    ],
)
def test_classes_and_channels_are_told_by_the_weights(kind, architecture, arguments, expected):
    weights = initial_weights(make_source(kind, architecture, **arguments), seed=0)
    fitted = fit_arguments(make_source(kind, architecture), weights)
    assert fitted.arguments == expected
    load_weights(build_vision(fitted, {}), weights)


def test_what_the_source_tells_is_not_overruled():
    weights = initial_weights(make_source("timm", "test_resnet", num_classes=7), seed=0)
    told = make_source("timm", "test_resnet", num_classes=5)
    assert fit_arguments(told, weights) == told


def test_weights_of_something_else_change_nothing():
    source = make_source("torchvision", "resnet18")
    assert fit_arguments(source, {"x": np.zeros(3)}) == source


def test_whole_numbers_keep_their_type():
    network = build_vision(make_source("torchvision", "swin_t", num_classes=4), {})
    weights = {
        name: np.zeros(tensor.shape, str(tensor.dtype).removeprefix("torch."))
        for name, tensor in network.state_dict().items()
    }
    name = "features.1.0.attn.relative_position_index"
    weights[name] += np.arange(weights[name].size).reshape(weights[name].shape)
    load_weights(network, weights)
    assert weights_of(network)[name].dtype == np.int64
    assert np.array_equal(weights_of(network)[name], weights[name])


def test_torchvision_tells_its_preprocessing_and_classes():
    told = describe_architecture("torchvision", "resnet50")
    assert (told.preprocessing.resize_px, told.input_px, told.classes) == (232, (224, 224), 1000)
    assert told.preprocessing.interpolation is Interpolation.BILINEAR
    assert told.labels[:2] == ("tench", "goldfish")


def test_the_name_of_a_file_tells_which_weights_of_torchvision_they_are():
    told = describe_architecture("torchvision", "resnet50", file="resnet50-0676ba61.pth")
    assert told.preprocessing.resize_px == 256


def test_another_size_of_pictures_picks_the_weights_of_that_size():
    told = describe_architecture("torchvision", "vit_b_16", arguments={"image_size": 384})
    assert told.preprocessing.resize_px == 384
    assert told.preprocessing.interpolation is Interpolation.BICUBIC
    told = describe_architecture("torchvision", "vit_b_16", arguments={"image_size": 64})
    assert (told.preprocessing.resize_px, told.input_px) == (64, (64, 64))


def test_timm_tells_its_preprocessing_by_tag():
    told = describe_architecture("timm", "resnet18.a1_in1k")
    assert told.preprocessing.resize_px == int(224 / 0.95)
    assert told.preprocessing.interpolation is Interpolation.BICUBIC
    assert told.preprocessing.resize is Resize.SHORT_SIDE
    assert told.labels[0] == "tench, Tinca tinca"


def test_one_channel_is_gray():
    told = describe_architecture("timm", "test_resnet", arguments={"in_chans": 1})
    assert told.preprocessing.channels is Channels.GRAY
    assert len(told.preprocessing.mean) == len(told.preprocessing.std) == 1


def test_architectures_are_listed_and_near_names_told():
    assert "resnet18" in list_architectures("torchvision")
    with pytest.raises(Unsupported, match=r"'resnet19'; near it: .*resnet18") as told:
        build_vision(make_source("torchvision", "resnet19"), {})
    assert "list_models" in told.value.hint
    with pytest.raises(Unsupported, match="not from 'caffe'"):
        list_architectures("caffe")


@pytest.mark.parametrize(
    "name", ["hf_hub:timm/resnet18", "local-dir:/etc", "/etc/passwd", "", "a.b"]
)
def test_an_address_is_no_architecture(name):
    with pytest.raises(Unsupported, match="no architecture"):
        build_vision(make_source("timm", name), {})


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("timm", {"pretrained": True}),
        ("timm", {"checkpoint_path": "/etc/passwd"}),
        ("timm", {"pretrained_cfg_overlay": {"file": "/etc/passwd"}}),
        ("torchvision", {"weights": "DEFAULT"}),
        ("torchvision", {"num_classes": "many"}),
    ],
)
def test_arguments_that_name_files_or_addresses_are_refused(kind, arguments):
    with pytest.raises(Unsupported, match="cannot build 'resnet18'"):
        build_vision(make_source(kind, "resnet18", **arguments), {})


@pytest.mark.parametrize("arguments", [{"num_classes": 10**9}, {"layers": [10**7]}])
def test_arguments_beyond_every_network_are_refused_before_anything_is_built(arguments):
    with pytest.raises(Unsupported, match="beyond what any network has"):
        build_vision(make_source("timm", "resnet18", **arguments), {})


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": "vit"'])
def test_a_configuration_that_is_no_json_object_is_refused(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(MalformedCheckpoint, match=r"c\.json cannot be read"):
        build_vision(Source(kind="transformers", path="c.json"), {"c.json": path})


@pytest.mark.parametrize("model_type", ["bert", "timm_wrapper", 7])
def test_other_kinds_of_transformers_are_refused(tmp_path, model_type):
    path = tmp_path / "c.json"
    path.write_text(f'{{"model_type": {model_type!r}}}'.replace("'", '"'))
    with pytest.raises(Unsupported, match="no classifier of pictures of the type"):
        build_vision(Source(kind="transformers", path="c.json"), {"c.json": path})


def test_a_library_that_is_missing_is_told_with_how_to_get_it():
    with (
        pytest.raises(Unsupported, match="one of timm, which is not installed") as told,
        installed("timm"),
    ):
        raise ModuleNotFoundError
    assert "pip install 'zoo[timm]'" in told.value.hint


def test_no_library_is_loaded_until_one_is_asked_for():
    code = (
        "import sys, zoo.networks.build\n"
        "found = {'torchvision', 'timm', 'transformers'} & set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
