import pytest

from zoo.errors import MalformedPrototxt
from zoo.formats.caffe.prototxt import parse_prototxt
from zoo.formats.caffe.upgrade import upgrade


def upgraded(text):
    return upgrade(parse_prototxt(text, name="net.prototxt"))


def types(text):
    return [layer.text("type") for layer in upgraded(text).messages("layer")]


@pytest.mark.parametrize("written", ["INNER_PRODUCT", "14", "'INNER_PRODUCT'"])
def test_an_old_type_is_spelled_as_today(written):
    assert types(f"layers {{ type: {written} }}") == ["InnerProduct"]


def test_a_fork_type_is_kept_for_the_error_that_names_it():
    assert types("layers { type: CROP }") == ["CROP"]


def test_both_generations_in_one_file_keep_their_order():
    text = "layers { type: RELU } layer { type: 'Softmax' } layers { type: SOFTMAX_LOSS }"
    assert types(text) == ["ReLU", "Softmax", "SoftmaxWithLoss"]


def test_a_shared_parameter_is_named_as_today():
    text = "layers { type: CONVOLUTION param: 'w' param: 'b' blob_share_mode: 1 blobs_lr: 2 }"
    (layer,) = upgraded(text).messages("layer")
    specs = layer.messages("param")
    assert [spec.text("name") for spec in specs] == ["w", "b"]
    assert [spec.text("share_mode", "unset") for spec in specs] == ["1", "unset"]


@pytest.mark.parametrize(
    "text",
    [
        "input: 'a' input: 'b' input_dim: [1, 2, 3, 4, 5, 6, 7, 8]",
        "input: ['a', 'b'] input_shape { dim: [1, 2, 3, 4] } input_shape { dim: [5, 6, 7, 8] }",
    ],
)
def test_deprecated_inputs_become_input_layers_before_all_others(text):
    first, second, _ = upgraded("layer { type: 'ReLU' } " + text).messages("layer")
    for layer, blob, dims in ((first, "a", [1, 2, 3, 4]), (second, "b", [5, 6, 7, 8])):
        assert layer.text("type") == "Input"
        assert layer.text("top") == blob
        assert layer.message("input_param").message("shape").integers("dim") == dims


def test_an_input_that_an_input_layer_repeats_is_dropped():
    assert types("input: 'data' layer { type: 'Input' top: 'data' }") == ["Input"]


def test_an_input_without_dimensions_is_refused():
    with pytest.raises(MalformedPrototxt, match="line 2: input 'data' has no dimensions"):
        upgraded("\ninput: 'data'")


V0 = """
layers { layer { name: 'pad1' type: 'padding' pad: 2 } bottom: 'data' top: 'pad1' }
layers {
  layer {
    name: 'conv1' type: 'conv' num_output: 4 kernelsize: 5 stride: 2 group: 2 biasterm: false
    pad: 9 blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_filler { type: 'gaussian' }
  }
  bottom: 'pad1' top: 'conv1'
}
layers { layer { name: 'pool1' type: 'pool' pool: AVE kernelsize: 3 } bottom: 'conv1' top: 'p' }
"""


def test_the_first_generation_is_read_with_its_padding_folded_in():
    conv, pool = upgraded(V0).messages("layer")
    assert [conv.text("type"), pool.text("type")] == ["Convolution", "Pooling"]
    assert conv.texts("bottom") == ["data"]
    chosen = conv.message("convolution_param")
    numbers = {key: chosen.integers(key) for key in ("num_output", "kernel_size", "pad", "group")}
    assert numbers == {"num_output": [4], "kernel_size": [5], "pad": [2], "group": [2]}
    assert chosen.flag("bias_term", default=True) is False
    assert pool.message("pooling_param").text("pool") == "AVE"
    assert pool.message("pooling_param").integer("pad", 0) == 0


def test_padding_before_anything_else_is_refused():
    text = V0.replace("type: 'conv'", "type: 'relu'")
    with pytest.raises(MalformedPrototxt, match="read by a layer of type 'relu'"):
        upgraded(text)


def test_pictures_of_the_first_generation_are_described_as_today():
    text = (
        "layers { layer { name: 'd' type: 'data' cropsize: 7 scale: 0.5 batchsize: 2 } top: 'x' }"
    )
    (layer,) = upgraded(text).messages("layer")
    assert layer.text("type") == "Data"
    assert layer.message("transform_param").integer("crop_size", 0) == 7
    assert layer.message("transform_param").number("scale", 0) == 0.5
    assert layer.message("data_param").integer("batch_size", 0) == 2


def test_unknown_types_of_the_first_generation_keep_their_name():
    assert types("layers { layer { type: 'fork' x: 1 } top: 'x' }") == ["fork"]


def test_what_is_done_to_pictures_moves_to_its_own_section():
    sections = "data_param { crop_size: 7 source: 's' } transform_param { mirror: 1 }"
    text = f"layers {{ type: DATA {sections} }}"
    (layer,) = upgraded(text).messages("layer")
    assert layer.message("transform_param").integer("crop_size", 0) == 7
    assert layer.message("transform_param").flag("mirror", default=False)
    assert not layer.message("data_param").has("crop_size")


def test_an_input_that_another_source_gives_is_dropped():
    text = "input: 'data' layer { type: 'MemoryData' top: 'data' }"
    assert types(text) == ["MemoryData"]


def test_fields_of_the_network_that_mean_nothing_here_are_kept_to_be_told():
    root = upgraded("name: 'n' fork_field: 1 force_backward: true")
    assert root.text("name") == "n"
    assert [key for key, _ in root.fields if key not in root.asked] == ["fork_field"]
