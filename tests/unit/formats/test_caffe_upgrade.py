import pytest

from zoo.errors import MalformedPrototxt, Unsupported
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
    (layer,) = upgraded("layers { type: CONVOLUTION param: 'w' }").messages("layer")
    assert [spec.text("name") for spec in layer.messages("param")] == ["w"]


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


def test_the_first_generation_is_refused_by_its_name():
    with pytest.raises(Unsupported, match=r"line 2.*first generation.*V0") as caught:
        upgraded("\nlayers { layer { name: 'conv1' type: 'conv' } bottom: 'data' top: 'conv1' }")
    assert "upgrade_net_proto_text" in caught.value.hint


def test_fields_of_the_network_that_mean_nothing_here_are_kept_to_be_told():
    root = upgraded("name: 'n' fork_field: 1 force_backward: true")
    assert root.text("name") == "n"
    assert [key for key, _ in root.fields if key not in root.asked] == ["fork_field"]
