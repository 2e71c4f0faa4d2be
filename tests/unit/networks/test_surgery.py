"""A cut network computes what it computed before, up to the cut."""

import pytest
import torch
from torch import nn

from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import ReplaceHead
from zoo.errors import Invalid, LayerNotFound, NoHead, Unsupported
from zoo.networks.blobs import run_blobs
from zoo.networks.build import build_network, weights_of
from zoo.networks.surgery import cut_at_codes, find_head, find_heads, get_head, replace_head
from zoo.networks.tracing import trace_network

INPUT = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }'


def layer(name, kind, bottom, top=None, more=""):
    reads = " ".join(f'bottom: "{each}"' for each in bottom.split())
    return f'layer {{ name: "{name}" type: "{kind}" {reads} top: "{top or name}" {more} }}\n'


def dense(name, bottom, outputs):
    more = f"inner_product_param {{ num_output: {outputs} }}"
    return layer(name, "InnerProduct", bottom, more=more)


def filters(name, bottom, outputs, kernel=1):
    more = f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} }}"
    return layer(name, "Convolution", bottom, more=more)


POOL = "pooling_param { pool: AVE global_pooling: true }"
BODY = INPUT + filters("conv", "data", 4, 3) + layer("relu", "ReLU", "conv", "conv")
ALEX = (
    BODY
    + dense("fc1", "conv", 8)
    + layer("relu1", "ReLU", "fc1", "fc1")
    + layer("drop1", "Dropout", "fc1", "fc1")
    + dense("fc2", "fc1", 5)
    + layer("prob", "Softmax", "fc2")
)
SQUEEZE = (
    BODY
    + filters("a", "conv", 2)
    + layer("relu_a", "ReLU", "a", "a")
    + filters("b", "conv", 3)
    + layer("relu_b", "ReLU", "b", "b")
    + layer("join", "Concat", "a b")
    + layer("drop", "Dropout", "join", "join")
    + filters("conv10", "join", 7)
    + layer("relu10", "ReLU", "conv10", "conv10")
    + layer("pool10", "Pooling", "conv10", more=POOL)
    + layer("prob", "Softmax", "pool10")
)
# A network of two auxiliary classifiers and a main one, as GoogLeNet is while it is trained.
GOOGLE = (
    BODY
    + layer("loss1/pool", "Pooling", "conv", more=POOL)
    + dense("loss1/classifier", "loss1/pool", 5)
    + layer("loss1/prob", "Softmax", "loss1/classifier")
    + filters("mixed", "conv", 6)
    + layer("relu_mixed", "ReLU", "mixed", "mixed")
    + filters("loss2/conv", "mixed", 2)
    + layer("loss2/relu", "ReLU", "loss2/conv", "loss2/conv")
    + dense("loss2/fc", "loss2/conv", 7)
    + layer("loss2/relu_fc", "ReLU", "loss2/fc", "loss2/fc")
    + layer("loss2/drop_fc", "Dropout", "loss2/fc", "loss2/fc")
    + dense("loss2/classifier", "loss2/fc", 5)
    + layer("pool5", "Pooling", "mixed", more=POOL)
    + layer("pool5/drop", "Dropout", "pool5", "pool5")
    + dense("loss3/classifier", "pool5", 5)
    + layer("prob", "Softmax", "loss3/classifier")
)
MAIN, AUXILIARY = "loss3/classifier", ("loss1/classifier", "loss2/classifier")
LINEAR_ONLY = INPUT + filters("conv", "data", 4, 3) + dense("fc", "conv", 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ALEX, ("fc2", "linear", 8, 5, True)),
        (SQUEEZE, ("conv10", "conv1x1", 5, 7, True)),
        (LINEAR_ONLY, ("fc", "linear", 64, 5, False)),
    ],
    ids=["fully-connected", "one-by-one", "unrectified"],
)
def test_a_head_is_found_by_graph_and_shape(build, text, expected):
    head = find_head(build(text))
    found = (head.layer, head.kind, head.in_features, head.classes, head.is_rectified)
    assert found == expected


def test_codes_of_a_fully_connected_head_are_what_it_read(build):
    network = build(ALEX)
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(network)(x), run_blobs(network, x)["fc1"])


def test_codes_of_a_convolution_are_the_averages_of_its_maps(build):
    network = build(SQUEEZE)
    x = torch.rand(2, 3, 6, 6)
    average = run_blobs(network, x)["join"].mean((2, 3))
    torch.testing.assert_close(cut_at_codes(network)(x), average)


def test_codes_are_rectified_where_the_head_read_negative_numbers(build):
    network = build(LINEAR_ONLY)
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(network)(x), run_blobs(network, x)["conv"].relu().flatten(1))


@pytest.mark.parametrize("text", [ALEX, SQUEEZE, LINEAR_ONLY])
def test_a_new_head_leaves_the_body_as_it_was(build, text):
    network = build(text)
    old = find_head(network).layer
    operated = replace_head(network, classes=3)
    before, after = weights_of(network), weights_of(operated)
    kept = {name for name in before if not name.startswith(f"{old}.")}
    assert set(after) == kept | {"head.weight", "head.bias"}
    assert all((before[name] == after[name]).all() for name in kept)
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(operated)(x), cut_at_codes(network)(x))


def test_a_new_head_finds_every_class_equally_likely(build):
    operated = replace_head(build(SQUEEZE), at="conv10", classes=4)
    assert torch.equal(operated(torch.rand(2, 3, 6, 6)), torch.full((2, 4), 0.25))


def test_the_operated_network_does_not_change(build):
    network = build(ALEX)
    code, names = network.code, set(network.state_dict())
    replace_head(network, classes=2)
    assert (network.code, set(network.state_dict())) == (code, names)


def test_a_new_head_can_be_replaced_again(build):
    once = replace_head(build(SQUEEZE), classes=3)
    twice = replace_head(once, at="head", classes=2)
    assert find_head(twice).classes == 2
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(twice)(x), cut_at_codes(once)(x))


def test_dropout_below_a_head_is_gone_and_elsewhere_stays(build):
    deeper = (
        BODY
        + layer("drop0", "Dropout", "conv", "conv")
        + dense("fc1", "conv", 8)
        + layer("relu1", "ReLU", "fc1", "fc1")
        + layer("drop1", "Dropout", "fc1", "fc1")
        + dense("fc2", "fc1", 5)
    )
    operated = replace_head(build(deeper), classes=2)
    assert "drop0" in operated.state_dict().keys() | dict(operated.named_modules()).keys()
    assert "drop1" not in dict(operated.named_modules())


def test_a_cut_may_be_at_an_earlier_layer(build):
    network = build(ALEX)
    operated = replace_head(network, at="fc1", classes=2)
    assert find_head(operated).in_features == get_head(network, "fc1").in_features == 64


def test_each_output_s_head_is_found_in_their_order(build):
    heads = find_heads(build(GOOGLE))
    assert [(head.layer, head.in_features, head.classes) for head in heads] == [
        ("loss1/classifier", 4, 5),
        ("loss2/classifier", 7, 5),
        ("loss3/classifier", 6, 5),
    ]


def test_the_heads_of_a_network_of_one_are_that_one(build):
    network = build(SQUEEZE)
    assert find_heads(network) == (find_head(network),)


def test_a_head_that_several_outputs_come_from_is_found_once(build):
    text = BODY + dense("fc", "conv", 5) + layer("a", "Softmax", "fc") + layer("b", "ReLU", "fc")
    assert [head.layer for head in find_heads(build(text))] == ["fc"]


def test_outputs_of_no_head_are_passed_and_all_of_them_refused(build):
    text = BODY + dense("fc", "conv", 5) + layer("maps", "Sigmoid", "conv")
    assert [head.layer for head in find_heads(build(text))] == ["fc"]
    text = BODY + layer("maps", "Sigmoid", "conv") + layer("more", "TanH", "conv")
    with pytest.raises(NoHead, match="layer 'maps'"):
        find_heads(build(text))


def test_the_main_head_is_replaced_and_the_others_are_dropped(build):
    network = build(GOOGLE)
    operated = replace_head(network, at=MAIN, classes=3)
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(operated(x), torch.full((2, 3), 1 / 3))
    assert set(weights_of(operated)) == {
        f"{name}.{field}" for name in ("conv", "mixed", "head") for field in ("weight", "bias")
    }
    assert torch.equal(cut_at_codes(operated)(x), run_blobs(network, x)["pool5"].flatten(1))


def test_other_heads_are_replaced_too_and_the_main_one_comes_first(build):
    network = build(GOOGLE)
    operated = replace_head(network, at=MAIN, classes=3, also=AUXILIARY)
    x = torch.rand(2, 3, 6, 6)
    assert [tuple(rows.shape) for rows in operated(x)] == [(2, 3)] * 3
    torch.testing.assert_close(torch.stack(operated(x)), torch.full((3, 2, 3), 1 / 3))
    heads = find_heads(operated)
    assert [head.layer for head in heads] == ["head", "head_2", "head_3"]
    assert [head.in_features for head in heads] == [6, 4, 7]
    kept = {name for name in weights_of(network) if "classifier" not in name}
    new = {f"{head.layer}.{field}" for head in heads for field in ("weight", "bias")}
    assert set(weights_of(operated)) == kept | new


@pytest.mark.parametrize(
    ("old", "new"), [(MAIN, "head"), (AUXILIARY[0], "head_2"), (AUXILIARY[1], "head_3")]
)
def test_each_new_head_reads_the_codes_of_the_old_one(build, old, new):
    network = build(GOOGLE)
    operated = replace_head(network, at=MAIN, classes=3, also=AUXILIARY)
    x = torch.rand(2, 3, 6, 6)
    expected = cut_at_codes(network, old)(x)
    assert torch.equal(cut_at_codes(operated, new)(x), expected)
    torch.nn.init.eye_(operated.get_submodule(new).weight)
    rows = dict(zip(("head", "head_2", "head_3"), operated(x), strict=True))
    torch.testing.assert_close(rows[new], expected[:, :3].softmax(1))


def test_several_new_heads_can_be_replaced_again(build):
    once = replace_head(build(GOOGLE), at=MAIN, classes=3, also=AUXILIARY)
    twice = replace_head(once, at="head_3", classes=2, also=("head",))
    assert [head.layer for head in find_heads(twice)] == ["head", "head_2"]
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(cut_at_codes(twice, "head")(x), cut_at_codes(once, "head_3")(x))
    assert torch.equal(cut_at_codes(twice, "head_2")(x), cut_at_codes(once, "head")(x))


def test_heads_of_one_source_get_each_their_own_new_one(build):
    text = BODY + dense("a", "conv", 5) + dense("b", "conv", 2)
    operated = replace_head(build(text), at="b", classes=4, also=("a",))
    assert [tuple(rows.shape) for rows in operated(torch.rand(2, 3, 6, 6))] == [(2, 4)] * 2


def test_convolutional_heads_are_replaced_beside_fully_connected_ones(build):
    network = build(SQUEEZE + dense("side", "join", 3))
    operated = replace_head(network, at="conv10", classes=4, also=("side",))
    x = torch.rand(2, 3, 6, 6)
    assert [tuple(rows.shape) for rows in operated(x)] == [(2, 4)] * 2
    assert torch.equal(cut_at_codes(operated, "head")(x), cut_at_codes(network, "conv10")(x))
    assert torch.equal(cut_at_codes(operated, "head_2")(x), cut_at_codes(network, "side")(x))


def test_of_several_heads_the_main_one_has_to_be_named(build):
    with pytest.raises(Unsupported, match=r"loss1/classifier, loss2/classifier, loss3/") as no:
        replace_head(build(GOOGLE), classes=3)
    assert no.value.detail["heads"] == ["loss1/classifier", "loss2/classifier", "loss3/classifier"]
    assert "Name the main one" in no.value.hint


def test_a_head_that_is_named_twice_is_refused(build):
    for also in ((MAIN,), (AUXILIARY[0], AUXILIARY[0])):
        with pytest.raises(Invalid, match="named twice"):
            replace_head(build(GOOGLE), at=MAIN, classes=3, also=also)


def test_what_is_named_beside_the_main_head_has_to_be_one(build):
    with pytest.raises(NoHead, match=r"layer 'pool5' \(AdaptiveAvgPool2d\)"):
        replace_head(build(GOOGLE), at=MAIN, classes=3, also=("pool5",))
    with pytest.raises(LayerNotFound, match="'loss1/klassifier'") as raised:
        replace_head(build(GOOGLE), at=MAIN, classes=3, also=("loss1/klassifier",))
    assert raised.value.detail["near"][0] == "loss1/classifier"


def test_a_recipe_names_the_heads_that_are_replaced_too(build, tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(GOOGLE)
    surgery = ReplaceHead(at=MAIN, classes=3, also=AUXILIARY)
    recipe = Recipe(source=Source(kind="caffe", path=path.name), surgeries=(surgery,))
    network = build_network(recipe, {path.name: path})
    expected = replace_head(build(GOOGLE), at=MAIN, classes=3, also=AUXILIARY)
    assert set(network.state_dict()) == set(expected.state_dict())
    assert network.code == expected.code


def test_a_network_that_ends_in_something_else_has_no_head(build):
    with pytest.raises(NoHead, match=r"has layer 'conv' \(Conv2d\), which is neither"):
        find_head(build(INPUT + filters("conv", "data", 4, 3)))


def test_a_network_without_layers_of_weight_has_no_head(build):
    with pytest.raises(NoHead, match="has the input 'data'"):
        find_head(build(INPUT + layer("relu", "ReLU", "data")))


def test_joined_classifiers_are_no_head(build):
    text = BODY + filters("a", "conv", 2) + filters("b", "conv", 3) + layer("c", "Concat", "a b")
    with pytest.raises(NoHead, match=r"has layer 'c' \(cat\)"):
        find_head(build(text))


def test_several_outputs_are_refused_by_name(build):
    with pytest.raises(Unsupported, match=r"2 outputs \(a, b\)"):
        find_head(build(BODY + filters("a", "conv", 2) + filters("b", "conv", 2)))


def test_a_layer_that_is_not_there_is_refused(build):
    with pytest.raises(LayerNotFound, match="no layer 'fc9'"):
        replace_head(build(ALEX), at="fc9", classes=2)


def test_a_body_that_has_the_name_of_a_new_layer_is_refused(build):
    with pytest.raises(Unsupported, match="'head' cannot be added"):
        replace_head(build(BODY + dense("head", "conv", 4) + dense("fc", "head", 2)), classes=2)


class Branches(nn.Module):
    """Two branches that meet in functions, then what is to be tested, then a classifier."""

    def __init__(self, last):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.last = last
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        met = torch.relu(self.left(x)) + torch.relu(self.right(x)) * 2
        return self.fc(self.last(met.mean([2, 3])))


@pytest.mark.parametrize(
    ("last", "is_rectified", "gets_relu"),
    [
        (nn.Identity(), True, False),
        (nn.ReLU6(), True, False),
        (nn.Linear(4, 4), False, True),
        (nn.BatchNorm1d(4), False, True),
        (nn.LayerNorm(4), False, False),
        (nn.Hardswish(), False, False),
        (nn.GELU(), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_only_bare_sums_of_a_weighted_layer_are_rectified(last, is_rectified, gets_relu):
    network = trace_network(Branches(last), shape=(3, 6, 6))
    assert find_head(network).is_rectified is is_rectified
    codes = cut_at_codes(network)
    assert ("codes_relu" in dict(codes.named_modules())) is gets_relu
    assert codes(torch.rand(2, 3, 6, 6)).shape == (2, 4)


def test_a_head_is_found_behind_functions_that_mix_no_classes():
    class Ended(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 1)

        def forward(self, x):
            return torch.squeeze(self.conv(x).mean([2, 3], keepdim=True), dim=(2, 3))

    network = trace_network(Ended(), shape=(3, 6, 6))
    assert find_head(network).layer == "conv"
    assert replace_head(network, classes=2)(torch.rand(2, 3, 6, 6)).shape == (2, 2)
