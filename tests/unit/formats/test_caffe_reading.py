import numpy as np
import pytest

from zoo.errors import MalformedPrototxt, TooLarge, UnsupportedLayers
from zoo.formats.caffe import reading
from zoo.formats.caffe.net import Concat, InnerProduct, Input, Layer, ReLU, Softmax
from zoo.formats.caffe.reading import read_net, read_text

HEAD = "input: 'data' input_dim: [1, 3, 8, 8]\n"


def read(text, head=HEAD):
    return read_net(head + text, name="deploy.prototxt")


def layer(name, kind, bottom="data", top=None, more=""):
    bottoms = " ".join(f"bottom: '{each}'" for each in bottom.split())
    return f"layer {{ name: '{name}' type: '{kind}' {bottoms} top: '{top or name}' {more} }}\n"


def relu(name, bottom="data", top=None, more=""):
    return layer(name, "ReLU", bottom, top, more)


def ip(name, bottom="data", more=""):
    return layer(name, "InnerProduct", bottom, more="inner_product_param { num_output: 2 }" + more)


def test_a_network_has_its_name_its_inputs_and_its_layers_in_order():
    net = read("name: 'n'" + relu("a") + relu("b", "a", "a"))
    assert net.name == "n"
    assert net.inputs == (Input(blob="data", shape=(1, 3, 8, 8)),)
    assert net.layers == (
        Layer(name="a", bottoms=("data",), tops=("a",), parameters=ReLU()),
        Layer(name="b", bottoms=("a",), tops=("a",), parameters=ReLU()),
    )
    assert net.layers[0].type == "ReLU"


def test_an_input_layer_may_give_several_blobs_of_one_shape():
    text = "layer { name: 'in' type: 'Input' top: 'x' top: 'y' input_param { shape { dim: 2 } } }"
    net = read(text + layer("c", "Concat", "x y"), head="")
    assert [(each.blob, each.shape) for each in net.inputs] == [("x", (2,)), ("y", (2,))]
    assert net.layers[0].parameters == Concat()


@pytest.mark.parametrize(
    ("rules", "is_kept"),
    [
        ("", True),
        ("include { phase: TEST }", True),
        ("include { phase: TRAIN }", False),
        ("include { phase: TRAIN } include { phase: 1 }", True),
        ("exclude { phase: TEST }", False),
        ("exclude { phase: TRAIN }", True),
        ("include { min_level: 1 }", False),
        ("include { max_level: 0 }", True),
        ("include { stage: 'val' }", False),
        ("include { not_stage: 'val' }", True),
        ("exclude { phase: TEST stage: 'val' }", True),
    ],
)
def test_rules_decide_whether_a_layer_is_kept(rules, is_kept):
    net = read(relu("a") + relu("b", "data", more=rules))
    assert [each.name for each in net.layers] == (["a", "b"] if is_kept else ["a"])


def test_rules_of_both_kinds_are_refused():
    with pytest.raises(MalformedPrototxt, match="either include or exclude"):
        read(relu("a", more="include { phase: TEST } exclude { phase: TRAIN }"))


def test_layers_for_training_are_dropped_and_told():
    losses = layer("loss", "EuclideanLoss", "a label") + layer("acc", "Accuracy", "a label")
    net = read(relu("a") + losses + "layer { name: 's' type: 'Silence' bottom: 'a' }")
    assert [each.name for each in net.layers] == ["a"]
    assert net.dropped == ("loss (EuclideanLoss)", "acc (Accuracy)", "s (Silence)")


def test_copies_become_wiring():
    split = "layer { name: 's' type: 'Split' bottom: 'a' top: 'a1' top: 'a2' }"
    net = read(relu("a") + split + relu("b", "a1", "a1") + layer("c", "Concat", "a1 a2"))
    assert [(each.name, each.bottoms) for each in net.layers] == [
        ("a", ("data",)),
        ("b", ("a",)),
        ("c", ("a1", "a")),
    ]
    assert net.dropped == ("s (Split)",)


def test_a_blob_overwritten_after_it_was_copied_is_refused():
    split = "layer { name: 's' type: 'Split' bottom: 'a' top: 'a1' }"
    with pytest.raises(MalformedPrototxt, match="which a Split has copied"):
        read(relu("a") + split + relu("b", "a", "a"))


def test_all_unsupported_layers_are_named_at_once():
    text = (
        layer("p", "Proposal")
        + layer("l", "LSTM", "p data")
        + layer("pool", "Pooling", "l", more="pooling_param { pool: FORK kernel_size: 2 }")
        + layer("s", "ReLU", "pool data")
        + "layer { name: 'two' type: 'ReLU' bottom: 's' top: 't' top: 'u' }"
        + layer("last", "ReLU", "t")
    )
    with pytest.raises(UnsupportedLayers) as caught:
        read("name: 'n'" + text)
    assert caught.value.detail["layers"] == [
        "p (Proposal)",
        "l (LSTM)",
        "pool (Pooling: Pooling FORK)",
        "s (ReLU: 2 bottoms)",
        "two (ReLU: 2 tops)",
    ]
    assert caught.value.detail["network"] == "n"
    assert "p (Proposal), l (LSTM)" in str(caught.value)
    assert "Convolution" in caught.value.hint


@pytest.mark.parametrize(
    "kind",
    [
        "BatchReindex",
        "CROP",
        "DetectionOutput",
        "Filter",
        "Im2col",
        "LSTM",
        "MultiStageMeanfield",
        "PriorBox",
        "Proposal",
        "Python",
        "RNN",
        "ROIPooling",
        "Recurrent",
    ],
)
def test_layers_beyond_the_zoo_are_refused_by_name(kind):
    with pytest.raises(UnsupportedLayers, match=rf"x \({kind}\)"):
        read(layer("x", kind))


def test_an_error_names_a_hundred_layers_and_its_detail_all():
    with pytest.raises(UnsupportedLayers, match=r"99 \(Python\) and 20 more") as caught:
        read("".join(layer(str(index), "Python") for index in range(120)))
    assert len(caught.value.detail["layers"]) == 120


def test_a_second_layer_of_a_name_with_weights_is_unsupported():
    text = ip("a") + ip("a").replace("top: 'a'", "top: 'z'")
    with pytest.raises(UnsupportedLayers, match="a second layer of this name"):
        read(text)


def test_names_of_weights_that_only_a_dot_keeps_apart_are_unsupported():
    with pytest.raises(UnsupportedLayers, match=r"a_b \(InnerProduct: .* above, but for a dot"):
        read(ip("a.b") + ip("a_b"))


def test_layers_of_several_blobs_keep_their_order():
    slice_ = "layer { name: 's' type: 'Slice' bottom: 'data' top: 'x' top: 'y' top: 'z' }"
    net = read(slice_ + layer("c", "Eltwise", "z x") + layer("w", "Scale", "y c"))
    assert net.layers[0].tops == ("x", "y", "z")
    assert net.layers[1].bottoms == ("z", "x")
    assert net.layers[2].bottoms == ("y", "c")


def test_the_places_of_a_maximum_are_a_second_blob():
    pool = (
        "layer { name: 'p' type: 'Pooling' bottom: 'data' top: 'p' top: 'mask'"
        " pooling_param { pool: %s kernel_size: 2 stride: 2 } }"
    )
    net = read(pool % "MAX" + layer("u", "Upsample", "p mask"))
    assert net.layers[0].tops == ("p", "mask")
    assert net.layers[1].bottoms == ("p", "mask")
    with pytest.raises(MalformedPrototxt, match="only MAX has a second top"):
        read(pool % "AVE")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (layer("e", "Eltwise"), "'e' has only 1 of 2 bottoms"),
        (layer("a", "Axpy", "data data"), "'a' has only 2 of 3 bottoms"),
        (
            layer(
                "c",
                "Convolution",
                "data data",
                more="convolution_param { num_output: 1 kernel_size: 1 }",
            ),
            "'c' has 2 bottoms, 1 tops",
        ),
    ],
)
def test_layers_that_read_too_little_are_refused(text, reason):
    with pytest.raises(MalformedPrototxt, match=reason):
        read(text)


def test_a_parameter_reads_nothing():
    text = "layer { name: 'p' type: 'Parameter' top: 'p' parameter_param { shape { dim: 3 } } }"
    net = read(text + layer("b", "Bias", "data p"))
    assert net.layers[0].bottoms == ()
    with pytest.raises(UnsupportedLayers, match="1 bottoms"):
        read(text.replace("top", "bottom: 'data' top"))


def test_what_reads_a_source_that_nothing_feeds_is_unsupported():
    text = "layer { name: 'd' type: 'DummyData' top: 'zeros' }" + layer("c", "Concat", "data zeros")
    with pytest.raises(UnsupportedLayers, match=r"c \(Concat: it reads 'zeros', which only"):
        read(text)


def test_a_repeated_name_without_weights_is_numbered():
    net = read(relu("a.b") + relu("a_b", "a.b") + relu("a_b", "a_b", "c"))
    assert [each.name for each in net.layers] == ["a.b", "a_b_2", "a_b_3"]


def test_a_number_given_to_a_repeated_name_is_free():
    net = read(relu("a_2") + relu("a", "a_2") + relu("a", "a", "b") + relu("a", "b", "c"))
    assert [each.name for each in net.layers] == ["a_2", "a", "a_3", "a_4"]


def test_a_layer_without_a_name_is_called_by_its_top():
    assert read("layer { type: 'ReLU' bottom: 'data' top: 'r' }").layers[0].name == "r"


def test_fields_that_were_not_understood_are_told():
    net = read("fork: 1\n" + relu("a", more="relu_param { fork: 1 engine: CAFFE } other_param { }"))
    assert net.unknown == ("fork", "a.relu_param.fork", "a.other_param")


def test_fields_for_training_are_understood():
    more = "param { lr_mult: 1 decay_mult: 2 } loss_weight: 1 propagate_down: true phase: TEST"
    assert read(ip("a", more=more)).unknown == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (relu("a", "b"), "line 2: layer 'a' reads the blob 'b', which no layer above it writes"),
        (relu("a", "data") + relu("b", "data", "a"), "line 3: layer 'b' writes the blob 'a'"),
        (relu("data", "data", "x") + relu("y", "x", "data"), "layer 'y' writes the blob 'data'"),
        ("layer { name: 'a' type: 'ReLU' bottom: 'data' }", "layer 'a' has no top"),
        ("layer { name: 'a' type: 'ReLU' top: 'a' }", "layer 'a' has no bottom"),
        ("layer { type: 'Split' bottom: 'x' top: 'y' }", "reads the blob 'x'"),
        ("", "describes no layer that predicts"),
    ],
)
def test_wiring_that_cannot_be_is_refused(text, reason):
    with pytest.raises(MalformedPrototxt, match=reason):
        read(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("net: 'train_val.prototxt' base_lr: 0.01", "describes no input"),
        ("layer { name: 'in' type: 'Input' top: 'x' }", "'in' has 1 tops and 0 shapes"),
        ("layer { name: 'in' type: 'Input' input_param { shape { dim: 1 } } }", "0 tops"),
        (
            "layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: [1, 0] } } }",
            r"'x' has the shape \(1, 0\)",
        ),
    ],
)
def test_inputs_that_cannot_be_are_refused(text, reason):
    with pytest.raises(MalformedPrototxt, match=reason):
        read(text, head="")


DATA = """
layer { name: 'd' type: 'Data' top: 'data' top: 'label' include { phase: TRAIN } }
layer { name: 'd' type: 'Data' top: 'data' top: 'label' include { phase: TEST } %s }
"""
LOSS = "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }"


def test_a_training_description_becomes_a_network_for_prediction():
    head = DATA % "transform_param { crop_size: 5 }"
    net = read(ip("ip") + layer("acc", "Accuracy", "ip label") + LOSS, head=head)
    assert net.inputs == (Input(blob="data", shape=(1, 3, 5, 5)),)
    assert [each.parameters for each in net.layers] == [InnerProduct(num_output=2), Softmax()]
    assert net.layers[1].bottoms == ("ip",)
    assert net.layers[1].tops == ("prob",)
    assert net.dropped == ("d (Data)", "acc (Accuracy)")
    assert net.unknown == ()


def test_the_probabilities_of_a_training_description_take_a_free_name():
    net = read(ip("ip") + relu("prob", "ip") + LOSS, head=DATA % "transform_param {crop_size: 5}")
    assert net.layers[-1].tops == ("prob_",)


IMAGES = DATA % "image_data_param { new_height: 5 new_width: 4 is_color: false }"


def test_a_loss_beside_its_probabilities_or_another_loss_is_dropped():
    net = read(ip("ip") + LOSS + layer("s", "Softmax", "ip"), head=IMAGES)
    assert net.inputs[0].shape == (1, 1, 5, 4)
    assert [each.name for each in net.layers] == ["ip", "s"]
    twice = read(ip("ip") + LOSS + LOSS.replace("top: 'loss'", "top: 'l'"), head=IMAGES)
    assert [each.type for each in twice.layers] == ["InnerProduct", "Softmax"]


def test_a_loss_of_many_labels_becomes_a_sigmoid():
    loss = LOSS.replace("SoftmaxWithLoss", "SigmoidCrossEntropyLoss")
    assert read(ip("ip") + loss, head=IMAGES).layers[-1].type == "Sigmoid"


def test_every_loss_of_equal_weight_is_an_output():
    text = ip("a") + ip("b") + loss_of("a") + loss_of("b")
    net = read(text, head=IMAGES)
    assert [(each.bottoms, each.tops) for each in net.layers[2:]] == [
        (("a",), ("prob",)),
        (("b",), ("prob_",)),
    ]


def loss_of(bottom, more=""):
    return layer(f"loss_{bottom}", "SoftmaxWithLoss", f"{bottom} label", more=more)


def test_branches_that_only_help_to_train_are_dropped_with_all_that_leads_to_them():
    helping = relu("h1", "body", "h1") + ip("h2", "h1") + relu("h3", "h2", "h2")
    text = relu("body") + helping + loss_of("h2", "loss_weight: 0.3") + ip("ip", "body") + LOSS
    net = read(text, head=IMAGES)
    assert [each.name for each in net.layers] == ["body", "ip", "loss"]
    assert set(net.dropped) >= {"loss_h2 (SoftmaxWithLoss)", "h1 (ReLU)", "h3 (ReLU)"}


def test_what_only_labels_lead_to_is_dropped_and_told():
    text = (
        ip("ip")
        + "layer { name: 's' type: 'Slice' bottom: 'label' top: 'l1' top: 'l2' }"
        + "layer { name: 'c' type: 'Split' bottom: 'l1' top: 'l3' }"
        + layer("e", "Eltwise", "l3 ip")
        + LOSS
    )
    net = read(text, head=IMAGES)
    assert [each.name for each in net.layers] == ["ip", "loss"]
    assert {"s (Slice)", "c (Split)", "e (Eltwise)"} <= set(net.dropped)


def test_silence_leaves_what_it_reads_an_output():
    net = read(ip("ip") + "layer { name: 's' type: 'Silence' bottom: 'ip' }")
    assert [each.name for each in net.layers] == ["ip"]


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ("type: 'MemoryData' memory_data_param { channels: 2 height: 3 width: 4 }", (1, 2, 3, 4)),
        ("type: 'DummyData' dummy_data_param { shape { dim: [7, 2, 3, 4] } }", (7, 2, 3, 4)),
        ("type: 'Python' transform_param { crop_size: 3 }", (1, 3, 3, 3)),
        (
            "type: 'AnnotatedData' transform_param { resize_param { height: 3 width: 4 } }",
            (1, 3, 3, 4),
        ),
        ("type: 'Data' transform_param { crop_size: 3 force_gray: true }", (1, 1, 3, 3)),
    ],
)
def test_sources_of_any_kind_tell_the_shape_of_the_input(source, shape):
    head = f"layer {{ name: 'd' top: 'data' top: 'label' {source} }}"
    assert read(ip("ip") + LOSS, head=head).inputs == (Input(blob="data", shape=shape),)


def test_a_source_of_the_training_phase_serves_where_there_is_no_other():
    head = (
        "layer { name: 'd' type: 'Data' top: 'data' top: 'label' include { phase: TRAIN }"
        " transform_param { crop_size: 3 } }"
    )
    assert read(ip("ip") + LOSS, head=head).inputs[0].shape == (1, 3, 3, 3)


FILTERS = "num_output: 4 kernel_size: 1"


@pytest.mark.parametrize(
    ("first", "blob", "channels"),
    [
        (
            "Convolution' convolution_param { num_output: 4 kernel_size: 1 group: 2 }",
            (4, 3, 1, 1),
            6,
        ),
        (
            "ConvolutionDepthwise' convolution_param { num_output: 4 kernel_size: 1 }",
            (4, 1, 1, 1),
            4,
        ),
        ("InnerProduct' inner_product_param { num_output: 4 }", (4, 50), 2),
        ("InnerProduct' inner_product_param { num_output: 4 transpose: true }", (50, 4), 2),
        ("InnerProduct' inner_product_param { num_output: 4 }", (4,), 3),
        ("PReLU'", (7,), 3),
    ],
)
def test_the_first_weights_tell_the_channels_of_the_input(first, blob, channels):
    head = DATA % "transform_param { crop_size: 5 }"
    text = head + f"layer {{ name: 'f' bottom: 'data' top: 'f' type: '{first} }}"
    net = read_net(text, name="train_val.prototxt", blobs={"f": (np.zeros(blob),)})
    assert net.inputs[0].shape == (1, channels, 5, 5)


def test_a_training_description_without_a_size_is_refused():
    with pytest.raises(MalformedPrototxt, match="does not tell the size") as caught:
        read(ip("ip") + LOSS, head=DATA % "data_param { batch_size: 1 }")
    assert "deploy.prototxt" in caught.value.hint


def test_text_is_read_with_replaced_bytes_and_without_its_mark(tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_bytes(b"\xef\xbb\xbf# \xff\nname: 'n'")
    assert read_text(path) == "# �\nname: 'n'"


def test_a_binary_file_is_no_prototxt(tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_bytes(b"na\0me")
    with pytest.raises(MalformedPrototxt, match="byte 2: the file is binary"):
        read_text(path)


def test_more_layers_than_any_network_has_are_refused(monkeypatch):
    monkeypatch.setattr(reading, "MOST_LAYERS", 2)
    with pytest.raises(TooLarge, match="3 layers, more than 2"):
        read(relu("a") + relu("b"))


def test_blobs_that_only_a_layer_below_writes_are_refused():
    with pytest.raises(MalformedPrototxt, match="'a' reads the blob 'b', which no layer above it"):
        read(layer("a", "Eltwise", "data b") + relu("b", "a"))


def test_a_file_longer_than_any_network_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_TEXT", 4)
    path = tmp_path / "deploy.prototxt"
    path.write_bytes(b"12345")
    with pytest.raises(TooLarge, match=r"deploy\.prototxt is longer than 4"):
        read_text(path)
    with pytest.raises(TooLarge):
        read_net("12345", name="deploy.prototxt")
