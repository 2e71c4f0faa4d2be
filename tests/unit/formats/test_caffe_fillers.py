"""Prototxt files that came without weights: what they describe, and how they begin."""

import pytest

from zoo.domain.preprocessing import Channels
from zoo.errors import MalformedPrototxt, Unsupported, UnsupportedLayers
from zoo.formats.caffe.description import read_caffe_description
from zoo.formats.caffe.fillers import read_fillers
from zoo.formats.caffe.reading import read_net

HEAD = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 32 }\n'
CONV = 'layer { name: "a.b" type: "Convolution" bottom: "data" top: "a" convolution_param {'


def fillers(section):
    return read_fillers(f"{HEAD}{CONV} num_output: 2 kernel_size: 1 {section} }} }}", name="n")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('type: "xavier"', "xavier"),
        ('type: "xavier" variance_norm: FAN_OUT', "xavier:variance_norm=fan_out"),
        ('type: "msra" variance_norm: 2', "msra:variance_norm=average"),
        ('type: "gaussian" std: 0.01 sparse: 15', "gaussian:std=0.01,sparse=15"),
        ('type: "gaussian" mean: 1 std: .5f', "gaussian:mean=1,std=.5"),
        ('type: "uniform" min: -1 max: 1e-2', "uniform:min=-1,max=1e-2"),
        ('type: "constant" value: 0.1', "constant:value=0.1"),
        ("value: 0.1", "constant:value=0.1"),
        ('type: "positive_unitball"', "positive_unitball"),
        ('type: "bilinear"', "bilinear"),
    ],
)
def test_a_filler_is_told_as_a_scheme(written, told):
    assert fillers(f"weight_filler {{ {written} }}") == {"a_b": (told, "constant")}
    assert fillers(f"bias_filler {{ {written} }}") == {"a_b": (None, told)}


def test_older_generations_state_fillers_too():
    text = HEAD + (
        'layers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip" inner_product_param {'
        ' num_output: 2 weight_filler { type: "gaussian" std: 0.1 } } }'
    )
    assert read_fillers(text, name="n") == {"ip": ("gaussian:std=0.1", "constant")}


def test_a_filler_nobody_knows_is_told_with_its_line():
    with pytest.raises(Unsupported, match=r"n, line 2: there is no filler 'magic'"):
        fillers('weight_filler { type: "magic" }')


def test_a_filler_s_number_that_is_none_is_told_with_its_line():
    with pytest.raises(MalformedPrototxt, match=r"line 2: std is 'wide', not a finite number"):
        fillers('weight_filler { type: "gaussian" std: "wide" }')


TRAIN = """
name: "t"
layer { name: "d" type: "Data" top: "data" top: "label"
  transform_param { crop_size: 24 scale: 0.5 mean_value: 10 } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" }
"""


def describe(tmp_path, text, **given):
    path = tmp_path / "x.prototxt"
    path.write_text(text)
    return read_caffe_description(path, name="x.prototxt", given=given or None)


def test_a_training_description_tells_its_own_preprocessing(tmp_path):
    found = describe(tmp_path, TRAIN)
    assert found.source.path == "deploy.prototxt"
    assert (found.weights, dict(found.files)) == ({}, {})
    assert found.preprocessing.crop_px == (24, 24)
    assert (found.preprocessing.scale, found.preprocessing.mean) == (0.5, (5.0, 5.0, 5.0))
    assert found.preprocessing.source.startswith("x.prototxt; ")
    assert found.notes == ("Layers left out for prediction: d (Data).",)


def test_fields_that_are_given_win(tmp_path):
    found = describe(tmp_path, TRAIN, scale=0.25, channels="RGB")
    assert (found.preprocessing.scale, found.preprocessing.channels) == (0.25, Channels.RGB)


def test_a_network_that_reads_no_picture_has_no_preprocessing(tmp_path):
    text = HEAD.replace("dim: 32 dim: 32", "") + (
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"'
        " inner_product_param { num_output: 2 } }"
    )
    assert describe(tmp_path, text).preprocessing is None


def test_a_fork_s_normalisation_is_written_in_the_standard_form(tmp_path):
    text = HEAD + 'layer { name: "bn" type: "BN" bottom: "data" top: "bn" }'
    found = describe(tmp_path, text)
    assert found.source.path == "network.prototxt"
    written = read_net(found.files["network.prototxt"].decode(), name="network.prototxt")
    assert [layer.type for layer in written.layers] == ["BatchNorm", "Scale"]


def test_layers_that_nothing_can_run_are_named(tmp_path):
    with pytest.raises(UnsupportedLayers, match=r"odd \(Python"):
        describe(tmp_path, HEAD + 'layer { name: "odd" type: "Python" bottom: "data" top: "o" }')
