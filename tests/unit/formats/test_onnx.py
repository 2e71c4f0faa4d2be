"""What an ONNX file says is read as the onnx package reads it; what harms is refused."""

import json
import tracemalloc

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from zoo.errors import MalformedCheckpoint, UnknownFormat, Unsupported, UnsupportedLayers
from zoo.formats.onnx import reading
from zoo.formats.onnx.external import beside
from zoo.formats.onnx.own import find_own
from zoo.formats.onnx.plan import (
    find_unconvertible,
    onnx_weights,
    plan_layers,
    weights_of_model,
)
from zoo.formats.onnx.reading import read_onnx
from zoo.formats.onnx.tensor import decode_varints

FLOAT = TensorProto.FLOAT
VERSIONS = b"\x08\x0a\x42\x02\x10\x14"  # of the format and of the operations


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def make(nodes=None, tensors=(), *, shape=("N", 3), outputs=("y",), **options):
    value = helper.make_tensor_value_info
    chosen = [helper.make_node("Relu", ["x"], ["y"])] if nodes is None else nodes
    graph = helper.make_graph(
        chosen,
        "net",
        [value("x", FLOAT, shape)],
        [value(name, FLOAT, None) for name in outputs],
        list(tensors),
    )
    return helper.make_model(graph, ir_version=10, **options)


@pytest.fixture
def read(tmp_path):
    def read_model(model, **external):
        path = tmp_path / "net.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        files = {name.replace("__", "."): local for name, local in external.items()}
        return read_onnx(path, external=files)

    return read_model


def test_a_model_says_what_it_says(read):
    model = make(
        [helper.make_node("Relu", ["x"], ["y"], name="the/node")],
        producer_name="theirs",
        opset_imports=[helper.make_opsetid("ai.onnx", 17), helper.make_opsetid("own", 2)],
    )
    helper.set_model_props(model, {"key": "value", "größe": "µ"})
    found = read(model)
    assert (found.ir_version, found.producer, found.name) == (10, "theirs", "net")
    assert (found.opsets, found.opset) == ({"": 17, "own": 2}, 17)
    assert found.metadata == {"key": "value", "größe": "µ"}
    (one,), (other,) = found.inputs, found.outputs
    assert (one.name, one.kind, one.shape) == ("x", "float32", ("N", 3))
    assert (other.name, other.shape) == ("y", None)
    (node,) = found.nodes
    assert (node.op_type, node.domain, node.name) == ("Relu", "", "the/node")
    assert (node.inputs, node.outputs, node.title) == (("x",), ("y",), "Relu 'the/node'")


def test_attributes_of_every_kind_are_read(read):
    branch = helper.make_graph([], "branch", [], [])
    given_attributes = {
        "number": 2.5,
        "whole": -3,
        "text": "größe",
        "tensor": numpy_helper.from_array(draw(2, 3), "t"),
        "numbers": [1.5, -2.0, 3.0],
        "wholes": [1, -2, 2**40],
        "texts": ["a", "b"],
        "branch": branch,
        "tensors": [numpy_helper.from_array(draw(1), "a")],
    }
    model = make([helper.make_node("Own", ["x"], ["y"], domain="own", **given_attributes)])
    found = read(model).nodes[0].attributes
    assert found["tensor"].array().tolist() == draw(2, 3).tolist()
    assert found["tensors"][0].array().tolist() == draw(1).tolist()
    assert found["branch"].end > found["branch"].start - 1
    plain = {
        name: found[name] for name in ("number", "whole", "text", "numbers", "wholes", "texts")
    }
    assert plain == {
        "number": 2.5,
        "whole": -3,
        "text": "größe",
        "numbers": (1.5, -2.0, 3.0),
        "wholes": (1, -2, 2**40),
        "texts": ("a", "b"),
    }


KINDS = ["f4", "f8", "f2", "u1", "i1", "u2", "i2", "i4", "i8", "u4", "u8", "?"]


@pytest.mark.parametrize("is_raw", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_tensors_of_every_type_have_their_numbers(read, kind, is_raw):
    array = np.array([[0, 1, 5], [127, 1, 100]]).astype(kind)
    if np.dtype(kind).kind in "if":
        array[0, 0] = -3
    element = helper.np_dtype_to_tensor_dtype(array.dtype)
    values = array.tobytes() if is_raw else array.reshape(-1)
    tensor = helper.make_tensor("t", element, array.shape, values, raw=is_raw)
    found = read(make(tensors=[tensor])).initializers["t"]
    assert found.array().tolist() == numpy_helper.to_array(tensor).tolist()
    widened = np.float32 if kind == "f2" else array.dtype
    assert (found.array().dtype, found.shape) == (widened, array.shape)


@pytest.mark.parametrize("is_raw", [True, False])
def test_bfloat16_is_read_as_float32(read, is_raw):
    values = np.float32([1.5, -2, 0.25, 2**100])
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    tensor = TensorProto(name="t", data_type=TensorProto.BFLOAT16, dims=[4])
    if is_raw:
        tensor.raw_data = bits.tobytes()
    else:
        tensor.int32_data.extend(int(bit) for bit in bits)
    found = read(make(tensors=[tensor])).initializers["t"].array()
    assert (found.tolist(), found.dtype) == (values.tolist(), np.float32)


def test_raw_numbers_are_views_of_the_file(read):
    array = read(make(tensors=[numpy_helper.from_array(draw(100), "t")])).initializers["t"].array()
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_texts_and_tiny_numbers_are_seen_and_not_read(read):
    texts = TensorProto(name="s", data_type=TensorProto.STRING, dims=[1], string_data=[b"a"])
    tiny = TensorProto(name="t", data_type=TensorProto.INT4, dims=[4], raw_data=b"\0\0")
    found = read(make(tensors=[texts, tiny]))
    assert weights_of_model(found) == {}
    for name in "st":
        with pytest.raises(Unsupported, match="not read"):
            found.initializers[name].array()


def test_weights_are_the_floats_under_names_that_files_can_have(read):
    tensors = [
        numpy_helper.from_array(draw(2), "conv.weight"),
        numpy_helper.from_array(draw(3).astype(np.float16), "a\nb"),
        numpy_helper.from_array(draw(4), "a\tb"),
        numpy_helper.from_array(np.array([1]), "shape"),
    ]
    found = weights_of_model(read(make(tensors=tensors)))
    assert {name: (value.shape, value.dtype.name) for name, value in found.items()} == {
        "conv.weight": ((2,), "float32"),
        "a_b": ((3,), "float32"),
        "a_b_2": ((4,), "float32"),
    }


def test_inputs_that_have_numbers_are_none(read):
    model = make(tensors=[numpy_helper.from_array(draw(2), "w")])
    model.graph.input.append(helper.make_tensor_value_info("w", FLOAT, [2]))
    assert [one.name for one in read(model).inputs] == ["x"]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_varints_are_decoded_as_they_were_written(values):
    octets = bytearray()
    for value in values:
        left = value
        while left > 0x7F:
            octets.append(left & 0x7F | 0x80)
            left >>= 7
        octets.append(left)
    numbers, used = decode_varints(np.frombuffer(bytes(octets) + b"\x80", np.uint8))
    assert numbers.view(np.uint64).tolist() == values
    assert used == len(octets)


def test_a_file_that_is_cut_anywhere_is_refused_or_whole(read):
    tensors = [numpy_helper.from_array(draw(3, 5), "w"), helper.make_tensor("b", 1, [5], draw(5))]
    model = make([helper.make_node("Gemm", ["x", "w", "b"], ["y"])], tensors)
    helper.set_model_props(model, {"key": "value"})
    octets = model.SerializeToString()
    whole, told = 0, set()
    for length in range(len(octets)):
        try:
            found = read(octets[:length])
        except MalformedCheckpoint as error:
            told.add("net.onnx" in str(error) and "byte" in str(error))
        else:
            whole += 1
            assert len(found.nodes) == 1
            assert found.initializers["w"].array().tolist() == draw(3, 5).tolist()
    assert whole <= 2
    assert told == {True}


def test_a_file_with_any_byte_changed_is_refused_or_read(read):
    tensors = [numpy_helper.from_array(draw(3, 5), "w"), helper.make_tensor("b", 1, [5], draw(5))]
    model = make([helper.make_node("Gemm", ["x", "w", "b"], ["y"], alpha=0.5)], tensors)
    octets = model.SerializeToString()
    for place in range(len(octets)):
        for bits in (0x01, 0x80, 0xFF):
            changed = bytearray(octets)
            changed[place] ^= bits
            try:
                find_unconvertible(read(bytes(changed)))
            except (MalformedCheckpoint, UnknownFormat):
                continue


def refuse(read, model, reason):
    with pytest.raises(MalformedCheckpoint, match=reason) as caught:
        read(model)
    assert caught.value.detail["offset"] >= 0


def test_a_circle_is_refused_and_its_node_named(read):
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    refuse(read, make(nodes), r"node Add 'first' reads 'b'.*\(Relu 'second' does, after it\)")
    own = [helper.make_node("Add", ["x", "y"], ["y"])]
    refuse(read, make(own), "reads 'y', which nothing before it gives")


def test_a_value_that_comes_from_nowhere_or_twice_is_refused(read):
    refuse(read, make([helper.make_node("Relu", ["q"], ["y"])]), "reads 'q', which nothing")
    twice = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])]
    refuse(read, make(twice), "writes 'y', which is there already")
    refuse(read, make(outputs=("y", "z")), "no node gives the output 'z'")


@pytest.mark.parametrize(
    ("dims", "data", "reason"),
    [
        ([3], b"\0" * 8, "a tensor of 3 holds 2 numbers"),
        ([2], b"\0" * 7, "3 bytes are left over"),
        ([2**40, 2**40], b"", "has the shape"),
        ([2**62, 4], b"\0" * 4, "has the shape"),
        ([-1], b"\0" * 4, "has the shape"),
        ([2**31], b"\0" * 4, "holds 1 numbers"),
        ([1] * 33, b"\0" * 4, "more than 32 axes"),
    ],
)
def test_numbers_that_do_not_fill_their_shape_are_refused(read, dims, data, reason):
    tensor = TensorProto(name="t", data_type=FLOAT, dims=dims, raw_data=data)
    refuse(read, make(tensors=[tensor]), reason)


def test_integers_that_do_not_fill_their_shape_are_refused(read):
    for count in (0, 1, 3):
        tensor = TensorProto(name="t", data_type=7, dims=[2], int64_data=[300] * count)
        refuse(read, make(tensors=[tensor]), "a tensor of 2")
    huge = TensorProto(name="t", data_type=7, dims=[2**40], int64_data=[1])
    refuse(read, make(tensors=[huge]), "has its numbers in 1 bytes")


def test_integers_far_larger_than_the_file_are_refused(read):
    tensor = TensorProto(name="t", data_type=7, dims=[2**20], int64_data=[1] * 2**20)
    refuse(read, make(tensors=[tensor]), "far larger than the file")


def test_a_million_nodes_are_refused_before_they_are_read(read):
    graph = b"\x0a\x00" * 10**6
    refuse(read, VERSIONS + b"\x3a" + _sized(graph), "more than 65536 of field 1")


def test_a_million_empty_fields_are_refused(read):
    graph = b"\x08\x01" * 2 * 10**6
    refuse(read, VERSIONS + b"\x3a" + _sized(graph), "more than")


def test_names_and_lists_without_end_are_refused(read):
    refuse(read, make([helper.make_node("Relu" * 2000, ["x"], ["y"])]), "a name of more than")
    many = helper.make_node("Own", ["x"], ["y"], a=[0] * (reading.LONGEST_LIST + 1))
    refuse(read, make([many]), "more than 262144")


def test_branches_in_branches_are_not_descended_into(read):
    branch = helper.make_graph([], "branch", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    attribute = node.attribute[0].SerializeToString()
    content = b""
    for _ in range(5000):
        graph = b"\x0a" + _sized(b"\x2a" + _sized(b"\x32" + _sized(content)))
        content = graph
    assert len(attribute) < len(content)
    inner = helper.make_node("If", ["x"], ["y"]).SerializeToString()
    inner += b"\x2a" + _sized(b"\x0a\x01a\x32" + _sized(content) + b"\xa0\x01\x05")
    octets = make([]).SerializeToString()
    whole = onnx.load_from_string(octets)
    graph = whole.graph.SerializeToString() + b"\x0a" + _sized(inner)
    found = read(VERSIONS + b"\x3a" + _sized(graph))
    assert find_unconvertible(found) == (
        "If 'y' has no equal among the layers that can be trained",
    )


def _sized(content):
    length, size = len(content), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*size, length]) + content


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"", MalformedCheckpoint),
        (b"version https://git-lfs.github.com/spec/v1\n", UnknownFormat),
        (b"<!DOCTYPE html>", UnknownFormat),
        (b"PK\x03\x04" + b"\0" * 100, MalformedCheckpoint),
        (b"\x08\x0a", MalformedCheckpoint),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, MalformedCheckpoint),
    ],
)
def test_other_files_are_refused(read, octets, error):
    with pytest.raises(error):
        read(octets)


def test_two_graphs_in_one_file_are_refused(read):
    octets = make().SerializeToString()
    refuse(read, octets + octets, "the file has 2 graphs")


def test_reading_takes_no_more_memory_than_twice_the_file(tmp_path):
    path = tmp_path / "big.onnx"
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = make([node], [numpy_helper.from_array(draw(2000, 2000), "w")], shape=("N", 2000))
    path.write_bytes(model.SerializeToString())
    tracemalloc.start()
    weights = onnx_weights(read_onnx(path))
    total = weights["MatMul_y.weight"].sum()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(total)
    assert peak < 2**20 < path.stat().st_size


# Tensors in other files


def outside(location="weights.bin", dims=(3,), **entries):
    tensor = TensorProto(name="w", data_type=FLOAT, dims=dims)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_numbers_of_a_file_beside_are_read_from_their_place(read, tmp_path):
    (tmp_path / "0123").write_bytes(b"\0" * 16 + draw(3).tobytes())
    entries = {"offset": "16", "length": "12", "checksum": "whatever"}
    found = read(make(tensors=[outside(**entries)]), weights__bin=tmp_path / "0123")
    assert found.initializers["w"].array().tolist() == draw(3).tolist()
    assert found.size_bytes > 28


def test_files_are_looked_up_from_the_folder_of_the_graph(tmp_path):
    files = {"a/net.onnx": tmp_path, "a/w.bin": tmp_path, "a/b/c.bin": tmp_path, "d": tmp_path}
    assert set(beside(files, "a/net.onnx")) == {"w.bin", "b/c.bin"}


@pytest.mark.parametrize(
    "location",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "C:\\x",
        "C:/x",
        "a\\b",
        "",
        ".",
        "./weights.bin",
        "other.bin",
        "weights.bin\0",
    ],
)
def test_a_place_that_is_no_file_beside_the_graph_is_refused(read, tmp_path, location):
    (tmp_path / "weights.bin").write_bytes(draw(3).tobytes())
    with pytest.raises(MalformedCheckpoint, match="keeps numbers in") as caught:
        read(make(tensors=[outside(location)]), weights__bin=tmp_path / "weights.bin")
    assert caught.value.detail["offset"] > 0


def test_a_link_is_not_followed(read, tmp_path):
    (tmp_path / "secret").write_bytes(draw(3).tobytes())
    (tmp_path / "weights.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(MalformedCheckpoint, match="did not come with it"):
        read(make(tensors=[outside()]), weights__bin=tmp_path / "weights.bin")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"offset": "4"}, "ends at byte 16 of 'weights.bin', which has 12"),
        ({"offset": "-4"}, "offset is '-4', not a number"),
        ({"offset": "9" * 30}, "not a number"),
        ({"length": "8"}, "a tensor of 12 bytes has 8"),
        ({"length": "1e1"}, "length is '1e1'"),
        ({"dims": (2**40,)}, "ends at byte"),
    ],
)
def test_a_place_beyond_the_file_is_refused(read, tmp_path, entries, reason):
    (tmp_path / "weights.bin").write_bytes(draw(3).tobytes())
    with pytest.raises(MalformedCheckpoint, match=reason):
        read(make(tensors=[outside(**entries)]), weights__bin=tmp_path / "weights.bin")


# Plans


def test_what_cannot_be_converted_is_told_by_node(read):
    nodes = [
        helper.make_node("NonZero", ["x"], ["a"], name="one"),
        helper.make_node("Relu", ["x"], ["b"]),
        helper.make_node("Own", ["b", "a"], ["y"], name="two", domain="of.others"),
        helper.make_node("NonZero", ["x"], ["c"], name="not needed"),
    ]
    found = read(make(nodes))
    assert find_unconvertible(found) == (
        "NonZero 'one' has no equal among the layers that can be trained",
        "Own 'two' is an operation of of.others itself",
    )
    with pytest.raises(UnsupportedLayers, match="cannot be made trainable") as caught:
        plan_layers(found)
    assert len(caught.value.detail["layers"]) == 2


def test_a_function_of_the_file_is_not_taken_for_the_operation_of_its_name(read):
    own = helper.make_function(
        "", "Relu", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], []
    )
    (reason,) = find_unconvertible(read(make(functions=[own])))
    assert "is an operation of the file itself" in reason


def test_operations_before_broadcasting_are_not_converted(read):
    found = read(make(opset_imports=[helper.make_opsetid("", 6)]))
    assert find_unconvertible(found) == ("Its operations are of version 6, before 7",)


def test_constants_that_grow_without_end_are_not_computed(read):
    nodes = [helper.make_node("Concat", ["w", "w"], ["c0"], axis=0)]
    nodes += [
        helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(60)
    ]
    nodes += [helper.make_node("Add", ["x", "c60"], ["y"])]
    found = read(make(nodes, [numpy_helper.from_array(draw(3), "w")]))
    reasons = find_unconvertible(found)
    assert "more than 4194304" in reasons[0]


@pytest.mark.parametrize(
    ("operator", "wanted"),
    [("ConstantOfShape", [2**40]), ("Expand", [2**20, 2**20])],
)
def test_constants_larger_than_any_are_not_computed(read, operator, wanted):
    reads = ["s"] if operator == "ConstantOfShape" else ["w", "s"]
    nodes = [helper.make_node(operator, reads, ["c"]), helper.make_node("Add", ["x", "c"], ["y"])]
    tensors = [
        numpy_helper.from_array(np.array(wanted), "s"),
        numpy_helper.from_array(draw(1), "w"),
    ]
    assert "more than 4194304" in find_unconvertible(read(make(nodes, tensors)))[0]


def test_weights_that_are_used_many_times_over_are_not_copied_as_often(read):
    count, size = 40, 200
    nodes = [
        helper.make_node("Gemm", [f"v{i}", "w"], [f"v{i + 1}"], transB=i % 2, alpha=i / 7)
        for i in range(count)
    ]
    nodes[0].input[0] = "x"
    model = make(
        nodes,
        [numpy_helper.from_array(draw(size, size), "w")],
        shape=("N", size),
        outputs=(f"v{count}",),
    )
    (reason,) = find_unconvertible(read(model))
    assert "many times over" in reason


def test_a_plan_is_written_without_torch(read):
    nodes = [
        helper.make_node("Gemm", ["x", "layer1.0.fc.weight"], ["a"], transB=1),
        helper.make_node("Relu", ["a"], ["y"], name="/layer1/layer1.0/relu/Relu"),
    ]
    found = read(make(nodes, [numpy_helper.from_array(draw(4, 3), "layer1.0.fc.weight")]))
    plan = plan_layers(found)
    assert [(layer.name, layer.kind) for layer in plan.layers] == [
        ("layer1.0.fc", "Linear"),
        ("layer1/layer1_0/relu", "ReLU"),
    ]
    assert plan.shapes == {"x": (1, 3)}
    assert json.loads(json.dumps(plan.layers[0].options)) == {
        "in_features": 3,
        "out_features": 4,
        "bias": False,
    }


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Softmax", {"axis": "one"}),
        ("Softmax", {"axis": 2.5}),
        ("Softmax", {"axis": 9}),
        ("Transpose", {"perm": [0, 0]}),
        ("Transpose", {"perm": "ab"}),
        ("Flatten", {"axis": [1]}),
        ("Split", {"axis": 7}),
        ("Concat", {"axis": -9}),
        ("LRN", {"size": 2**40 + 1}),
        ("Dropout", {"ratio": 3.5}),
        ("Constant", {"value_ints": "a"}),
    ],
)
def test_attributes_that_make_no_sense_are_a_reason(read, operator, attributes):
    reads = [] if operator == "Constant" else ["x"]
    nodes = [helper.make_node(operator, reads, ["a"], **attributes)]
    nodes += [helper.make_node("Add", ["x", "a"], ["y"])]
    reasons = find_unconvertible(read(make(nodes)))
    assert reasons[0].startswith(f"{operator} 'a' ")


def test_values_larger_than_any_network_has_are_refused(read):
    nodes = [
        helper.make_node("Resize", ["x", "", "s"], ["a"], mode="nearest"),
        helper.make_node("Resize", ["a", "", "s"], ["y"], mode="nearest"),
    ]
    scales = numpy_helper.from_array(np.float32([1, 1, 8000, 8000]), "s")
    found = find_unconvertible(read(make(nodes, [scales], shape=("N", 3, 8, 8))))
    assert "more than 268435456 for a picture" in found[0]


def test_a_graph_says_that_it_is_the_zoos_own_only_where_it_is(read):
    model = make()
    helper.set_model_props(model, {"zoo.preprocessing": "{}", "zoo.labels": "[]"})
    assert find_own(read(model)) is None
    nodes = [
        helper.make_node("Relu", ["x"], ["preprocessing/div"]),
        helper.make_node("Relu", ["preprocessing/div"], ["probabilities"]),
    ]
    for text in ("{}", "[" * 10**5, "nothing", '{"channels": "RGB"}'):
        model = make(nodes, outputs=("probabilities",))
        helper.set_model_props(model, {"zoo.preprocessing": text, "zoo.labels": '["a"]'})
        assert find_own(read(model)) is None
