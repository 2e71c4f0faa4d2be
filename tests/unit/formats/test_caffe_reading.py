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
        layer("p", "PReLU")
        + layer("e", "Eltwise", "p data")
        + layer("pool", "Pooling", "e", more="pooling_param { pool: STOCHASTIC kernel_size: 2 }")
        + layer("s", "Scale", "pool data")
        + "layer { name: 'two' type: 'ReLU' bottom: 's' top: 't' top: 'u' }"
        + layer("last", "ReLU", "t")
    )
    with pytest.raises(UnsupportedLayers) as caught:
        read(text)
    assert caught.value.detail["layers"] == [
        "p (PReLU)",
        "e (Eltwise)",
        "pool (Pooling: Pooling STOCHASTIC)",
        "s (Scale: 2 bottoms)",
        "two (ReLU: 2 tops)",
    ]
    assert "p (PReLU), e (Eltwise)" in str(caught.value)
    assert "Convolution" in caught.value.hint


@pytest.mark.parametrize(
    ("first", "second"),
    [("param { name: 'w' } param { lr_mult: 2 }", "param { name: 'w' }"), ("", "")],
)
def test_layers_that_share_weights_or_a_name_with_weights_are_unsupported(first, second):
    other = "b" if first else "a"
    text = ip("a", more=first) + ip(other, "data", second).replace(f"top: '{other}'", "top: 'z'")
    with pytest.raises(UnsupportedLayers, match=r"shares the parameter 'w'|a second layer"):
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


def test_a_loss_beside_a_softmax_or_another_loss_is_dropped():
    head = DATA % "image_data_param { new_height: 5 new_width: 4 is_color: false }"
    net = read(ip("ip") + LOSS + layer("s", "Softmax", "ip"), head=head)
    assert net.inputs[0].shape == (1, 1, 5, 4)
    assert [each.name for each in net.layers] == ["ip", "s"]
    twice = read(ip("ip") + LOSS + LOSS.replace("top: 'loss'", "top: 'l'"), head=head)
    assert [each.name for each in twice.layers] == ["ip"]


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


def test_a_file_longer_than_any_network_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_TEXT", 4)
    path = tmp_path / "deploy.prototxt"
    path.write_bytes(b"12345")
    with pytest.raises(TooLarge, match=r"deploy\.prototxt is longer than 4"):
        read_text(path)
    with pytest.raises(TooLarge):
        read_net("12345", name="deploy.prototxt")
