import pytest

from zoo.errors import MalformedPrototxt, Unsupported
from zoo.formats.caffe.net import (
    LRN,
    BatchNorm,
    Concat,
    Convolution,
    Dropout,
    Flatten,
    InnerProduct,
    Pooling,
    ReLU,
    Scale,
    Softmax,
)
from zoo.formats.caffe.prototxt import parse_prototxt
from zoo.formats.caffe.table import TABLE


def read(kind, text):
    return TABLE[kind](parse_prototxt(text, name="net.prototxt"))


def convolution(text):
    return read("Convolution", f"convolution_param {{ num_output: 4 {text} }}")


def pooling(text):
    return read("Pooling", f"pooling_param {{ {text} }}")


def test_a_convolution_has_its_defaults():
    assert convolution("kernel_size: 3") == Convolution(num_output=4, kernel=(3, 3))


def test_a_convolution_states_everything():
    assert convolution(
        "kernel_size: [3, 5] stride: [1, 2] pad: 1 dilation: [1, 2] group: 2 bias_term: false"
    ) == Convolution(
        num_output=4,
        kernel=(3, 5),
        stride=(1, 2),
        pad=(1, 1),
        dilation=(1, 2),
        group=2,
        has_bias=False,
    )


def test_a_convolution_states_height_and_width_apart():
    chosen = convolution("kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 3 pad_h: 1")
    assert (chosen.kernel, chosen.stride, chosen.pad) == ((3, 1), (2, 3), (1, 0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "kernel_size is missing"),
        ("kernel_h: 3", "kernel_h and kernel_w must be from 1"),
        ("kernel_size: 3 kernel_w: 3", "kernel_size excludes kernel_h and kernel_w"),
        ("kernel_size: 0", "kernel_size must be from 1"),
        ("kernel_size: 99999", "kernel_size must be from 1 to 32768"),
        ("kernel_size: 3 stride: 0", "stride must be from 1"),
        ("kernel_size: 3 pad: -1", "pad must be from 0"),
        ("kernel_size: 3 group: 0", "group is 0; it must be at least 1"),
    ],
)
def test_a_convolution_that_caffe_refuses_is_refused(text, reason):
    with pytest.raises(MalformedPrototxt, match=reason):
        convolution(text)


@pytest.mark.parametrize("text", ["kernel_size: [3, 3, 3]", "kernel_size: 3 axis: 2"])
def test_a_convolution_in_other_dimensions_is_beyond_the_zoo(text):
    with pytest.raises(Unsupported):
        convolution(text)


def test_outputs_must_be_counted():
    with pytest.raises(MalformedPrototxt, match="num_output is missing"):
        read("InnerProduct", "")


def test_pooling_has_its_defaults_and_states_everything():
    assert pooling("kernel_size: 3") == Pooling(method="MAX", kernel=(3, 3))
    assert pooling("pool: AVE kernel_size: 3 stride: 2 pad: 1") == Pooling(
        method="AVE", kernel=(3, 3), stride=(2, 2), pad=(1, 1)
    )
    assert pooling("pool: 1 global_pooling: true") == Pooling(method="AVE", is_global=True)


@pytest.mark.parametrize("text", ["round_mode: FLOOR", "round_mode: 1", "ceil_mode: false"])
def test_pooling_rounds_down_where_it_or_a_fork_says_so(text):
    assert pooling("kernel_size: 3 " + text).has_ceil is False


@pytest.mark.parametrize("text", ["kernel_size: 3", "kernel_w: 3", "stride: 2", "pad: 1"])
def test_global_pooling_takes_no_window(text):
    with pytest.raises(MalformedPrototxt, match="global_pooling takes no"):
        pooling("global_pooling: true " + text)


@pytest.mark.parametrize("method", ["STOCHASTIC", "2", "AVE_EXC_PAD"])
def test_other_poolings_are_beyond_the_zoo(method):
    with pytest.raises(Unsupported, match="Pooling"):
        pooling(f"pool: {method} kernel_size: 2")


@pytest.mark.parametrize(
    ("kind", "text", "parameters"),
    [
        ("BatchNorm", "", BatchNorm()),
        ("BatchNorm", "batch_norm_param { eps: 0.1 use_global_stats: true }", BatchNorm(eps=0.1)),
        ("Concat", "", Concat()),
        ("Concat", "concat_param { concat_dim: 0 }", Concat(axis=0)),
        ("Concat", "concat_param { axis: -1 }", Concat(axis=-1)),
        ("Dropout", "dropout_param { dropout_ratio: 0.4 }", Dropout(ratio=0.4)),
        ("Flatten", "flatten_param { axis: 2 end_axis: 3 }", Flatten(axis=2, end_axis=3)),
        (
            "InnerProduct",
            "inner_product_param { num_output: 3 axis: 2 transpose: true bias_term: false }",
            InnerProduct(num_output=3, axis=2, is_transposed=True, has_bias=False),
        ),
        ("LRN", "", LRN()),
        (
            "LRN",
            "lrn_param { norm_region: 1 local_size: 3 alpha: 5e-05 beta: 0.5 k: 2 }",
            LRN(is_within_channel=True, local_size=3, alpha=5e-5, beta=0.5, k=2.0),
        ),
        ("ReLU", "relu_param { negative_slope: 0.1 }", ReLU(negative_slope=0.1)),
        ("Scale", "scale_param { bias_term: true axis: -3 }", Scale(axis=-3, has_bias=True)),
        ("Softmax", "softmax_param { axis: 2 engine: CAFFE }", Softmax(axis=2)),
    ],
)
def test_layers_are_read_with_caffe_defaults(kind, text, parameters):
    assert read(kind, text) == parameters


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("LRN", "lrn_param { local_size: 4 }", "must be odd"),
        ("Dropout", "dropout_param { dropout_ratio: 1 }", "from 0 to below 1"),
        ("Concat", "concat_param { axis: 1 concat_dim: 1 }", "exclude each other"),
        ("BatchNorm", "batch_norm_param { eps: -1 }", "must not be negative"),
    ],
)
def test_layers_that_caffe_refuses_are_refused(kind, text, reason):
    with pytest.raises(MalformedPrototxt, match=reason):
        read(kind, text)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("LRN", "lrn_param { norm_region: FORK }", "LRN FORK"),
        ("Dropout", "dropout_param { scale_train: false }", "scale_train"),
        ("BatchNorm", "batch_norm_param { use_global_stats: false }", "use_global_stats"),
        ("Scale", "scale_param { num_axes: 2 }", "Scale over"),
    ],
)
def test_forms_of_known_layers_that_the_zoo_cannot_run_are_named(kind, text, reason):
    with pytest.raises(Unsupported, match=reason):
        read(kind, text)
