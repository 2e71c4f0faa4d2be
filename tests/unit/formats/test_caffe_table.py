import pytest

from zoo.errors import MalformedPrototxt, Unsupported
from zoo.formats.caffe import net as caffe
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
from zoo.formats.caffe.table import READERS


def read(kind, text):
    return READERS[kind](parse_prototxt(text, name="net.prototxt"))


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


@pytest.mark.parametrize(
    "text",
    ["pool: AVE_EXC_PAD", "pool: 3", "round_mode: FORK", "pool: AVE avg_include_pad: false"],
)
def test_poolings_of_unknown_forks_are_beyond_the_zoo(text):
    with pytest.raises(Unsupported, match="Pooling"):
        pooling(f"{text} kernel_size: 2")


def test_stochastic_pooling_takes_no_pad():
    assert pooling("pool: 2 kernel_size: 2").method == "STOCHASTIC"
    with pytest.raises(MalformedPrototxt, match="takes no pad"):
        pooling("pool: STOCHASTIC kernel_size: 2 pad: 1")


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
        ("AbsVal", "", caffe.AbsVal()),
        (
            "ArgMax",
            "argmax_param { top_k: 3 out_max_val: true }",
            caffe.ArgMax(has_values=True, top_k=3),
        ),
        ("ArgMax", "argmax_param { axis: 1 }", caffe.ArgMax(axis=1)),
        ("Axpy", "", caffe.Axpy()),
        (
            "BN",
            "bn_param { bn_mode: INFERENCE frozen: true slope_filler { } momentum: 0.9 }",
            caffe.BN(is_folded=True),
        ),
        ("BN", "bn_param { eps: 0.1 }", caffe.BN(eps=0.1)),
        ("BNLL", "", caffe.BNLL()),
        ("BatchNorm", "batch_norm_param { scale_bias: true }", BatchNorm(has_affine=True)),
        (
            "BatchNorm",
            "batch_norm_param { use_global_stats: false }",
            BatchNorm(has_statistics=False),
        ),
        (
            "Bias",
            "bottom: 'x' bias_param { axis: 0 num_axes: -1 }",
            caffe.Bias(axis=0, num_axes=-1),
        ),
        ("Clip", "clip_param { min: -1 max: 2 }", caffe.Clip(least=-1, most=2)),
        ("Crop", "crop_param { offset: 3 offset: 4 }", caffe.Crop(offsets=(3, 4))),
        (
            "Deconvolution",
            "convolution_param { num_output: 2 kernel_size: 4 stride: 2 pad: 1 group: 2 }",
            caffe.Deconvolution(num_output=2, kernel=(4, 4), stride=(2, 2), pad=(1, 1), group=2),
        ),
        ("Dropout", "dropout_param { scale_train: false }", Dropout(is_scaled_at_test=True)),
        ("ELU", "elu_param { alpha: 2 }", caffe.ELU(alpha=2)),
        ("Eltwise", "", caffe.Eltwise()),
        ("Eltwise", "eltwise_param { operation: 1 }", caffe.Eltwise()),
        ("Eltwise", "eltwise_param { operation: MAX }", caffe.Eltwise(operation="MAX")),
        ("Eltwise", "eltwise_param { coeff: 1 coeff: -1 }", caffe.Eltwise(coefficients=(1, -1))),
        (
            "Embed",
            "embed_param { num_output: 2 input_dim: 5 }",
            caffe.Embed(num_output=2, input_dim=5),
        ),
        ("Exp", "exp_param { base: 2 scale: 3 shift: 4 }", caffe.Exp(base=2, scale=3, shift=4)),
        ("Log", "log_param { base: 10 }", caffe.Log(base=10)),
        (
            "Interp",
            "interp_param { height: 3 width: 4 pad_beg: -1 }",
            caffe.Interp(size=(3, 4), pad_begin=-1),
        ),
        ("Interp", "interp_param { zoom_factor: 2 height: 3 width: 4 }", caffe.Interp(zoom=2)),
        (
            "Interp",
            "interp_param { zoom_factor: 2 shrink_factor: 3 height: 3 width: 4 }",
            caffe.Interp(size=(3, 4)),
        ),
        (
            "Interp",
            "interp_param { zoom_factor: 2 shrink_factor: 3 }",
            caffe.Interp(zoom=2, shrink=3),
        ),
        ("MVN", "mvn_param { across_channels: true }", caffe.MVN(is_across_channels=True)),
        (
            "Normalize",
            "norm_param { across_spatial: false channel_shared: false scale_filler { } }",
            caffe.Normalize(is_across_spatial=False, is_shared=False),
        ),
        ("PReLU", "prelu_param { channel_shared: true filler { } }", caffe.PReLU(is_shared=True)),
        ("Parameter", "parameter_param { shape { dim: 2 } }", caffe.Parameter(shape=(2,))),
        ("Permute", "permute_param { order: [0, 2, 3, 1] }", caffe.Permute(order=(0, 2, 3, 1))),
        ("Power", "power_param { power: 2 shift: 1 }", caffe.Power(power=2, shift=1)),
        (
            "Reduction",
            "reduction_param { operation: MEAN axis: 1 coeff: 2 }",
            caffe.Reduction(operation="MEAN", axis=1, coefficient=2),
        ),
        (
            "Reshape",
            "reshape_param { shape { dim: 0 dim: -1 } axis: 1 num_axes: 2 }",
            caffe.Reshape(dims=(0, -1), axis=1, num_axes=2),
        ),
        (
            "SPP",
            "spp_param { pyramid_height: 3 pool: AVE }",
            caffe.SPP(pyramid_height=3, method="AVE"),
        ),
        ("Scale", "bottom: 'x' scale_param { num_axes: 2 filler { } }", Scale(num_axes=2)),
        ("ShuffleChannel", "shuffle_channel_param { group: 3 }", caffe.ShuffleChannel(group=3)),
        ("Sigmoid", "sigmoid_param { engine: CUDNN }", caffe.Sigmoid()),
        ("Slice", "slice_param { slice_dim: 2 slice_point: 1 }", caffe.Slice(axis=2, points=(1,))),
        ("Swish", "swish_param { beta: 2 }", caffe.Swish(beta=2)),
        ("TanH", "", caffe.TanH()),
        ("Threshold", "threshold_param { threshold: 2 }", caffe.Threshold(threshold=2)),
        ("Tile", "tile_param { tiles: 3 axis: 2 }", caffe.Tile(tiles=3, axis=2)),
        ("Upsample", "bottom: 'x' upsample_param { scale: 2 }", caffe.Upsample()),
        ("Upsample", "bottom: 'x'", caffe.Upsample(scale=(1, 1))),
        (
            "Upsample",
            "bottom: 'x' bottom: 'mask' upsample_param { scale: 2 upsample_h: 5 upsample_w: 7 }",
            caffe.Upsample(size=(5, 7)),
        ),
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
        ("Clip", "clip_param { min: 1 }", "needs min and max"),
        ("Clip", "clip_param { min: 1 max: 0 }", "above max"),
        ("Concat", "concat_param { concat_dim: -1 }", "must not be negative"),
        ("Crop", "crop_param { offset: -1 }", "negative"),
        ("Eltwise", "eltwise_param { operation: MAX coeff: 1 }", "takes no coeff"),
        ("Embed", "embed_param { num_output: 2 }", "input_dim is missing"),
        ("Exp", "exp_param { base: 0 }", "must be above 0"),
        ("Interp", "bottom: 'x'", "needs a height and width"),
        ("Interp", "interp_param { height: 3 }", "height and width must be from 1"),
        ("Interp", "interp_param { zoom_factor: 0 }", "must be from 1"),
        ("Interp", "interp_param { height: 3 width: 3 pad_beg: 1 }", "0 or less"),
        ("Log", "log_param { base: 1 }", "no logarithm"),
        ("Parameter", "", "needs a shape"),
        ("Permute", "permute_param { order: [1, 1] }", "different axes"),
        ("Permute", "permute_param { order: -1 }", "different axes"),
        ("Reshape", "reshape_param { shape { dim: [-1, -1] } }", "more than one"),
        ("Reshape", "reshape_param { shape { dim: -2 } }", "its shape is"),
        ("Reshape", "reshape_param { num_axes: -2 }", "must be -1 or more"),
        ("SPP", "spp_param { pyramid_height: 99 }", "at most 15"),
        ("Scale", "scale_param { num_axes: -2 }", "must be -1 or more"),
        ("Slice", "slice_param { slice_dim: 1 axis: 1 }", "exclude each other"),
    ],
)
def test_layers_that_caffe_refuses_are_refused(kind, text, reason):
    with pytest.raises(MalformedPrototxt, match=reason):
        read(kind, text)


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("LRN", "lrn_param { norm_region: FORK }", "LRN FORK"),
        ("Eltwise", "eltwise_param { operation: MIN }", "Eltwise MIN"),
        ("Reduction", "reduction_param { operation: 7 }", "Reduction 7"),
        ("SPP", "spp_param { pyramid_height: 2 pool: STOCHASTIC }", "SPP STOCHASTIC"),
        ("BN", "bn_param { bn_mode: FORK }", "BN FORK"),
        ("Upsample", "upsample_param { pad_out_h: true }", "pad_out_h"),
        ("Upsample", "upsample_param { stride: 2 }", "a stride"),
        ("Upsample", "upsample_param { upsample_h: 2 upsample_w: 2 }", "without a mask"),
    ],
)
def test_forms_of_known_layers_that_the_zoo_cannot_run_are_named(kind, text, reason):
    with pytest.raises(Unsupported, match=reason):
        read(kind, text)


FORKS = ["ConvolutionDepthwise", "DepthwiseConvolution", "ConvolutionDepthWise"]


@pytest.mark.parametrize("kind", FORKS)
def test_depthwise_convolutions_of_forks_are_convolutions(kind):
    text = "convolution_param { num_output: 4 kernel_size: 3 group: 4 pad: 1 }"
    expected = Convolution(num_output=4, kernel=(3, 3), pad=(1, 1), is_depthwise=True)
    assert read(kind, text) == expected


def test_other_names_of_forks_are_known():
    assert read("ReLU6", "relu_param { engine: CAFFE }") == caffe.Clip(least=0, most=6)
    text = "upsample_darknet_param { stride: 3 }"
    assert read("UpsampleDarknet", text) == caffe.Upsample(scale=(3, 3))


def test_a_given_scale_has_as_many_axes_as_it_has():
    text = "bottom: 'x' bottom: 's' scale_param { axis: 0 num_axes: 3 }"
    assert read("Scale", text) == Scale(axis=0)
