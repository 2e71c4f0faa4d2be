"""config.pbtxt says what the graph reads and gives, read by protobuf's own parser."""

import onnx
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from onnx import TensorProto, helper

from zoo.errors import Unsupported
from zoo.serving.triton import read_ends, write_config, write_labels

FIELD = descriptor_pb2.FieldDescriptorProto
KINDS = {"string": FIELD.TYPE_STRING, "int32": FIELD.TYPE_INT32, "int64": FIELD.TYPE_INT64}
# The part of Triton's model_config.proto that is written, by its own names and numbers.
ENUM = [
    "TYPE_INVALID",
    "TYPE_BOOL",
    "TYPE_UINT8",
    "TYPE_UINT16",
    "TYPE_UINT32",
    "TYPE_UINT64",
    "TYPE_INT8",
    "TYPE_INT16",
    "TYPE_INT32",
    "TYPE_INT64",
    "TYPE_FP16",
    "TYPE_FP32",
    "TYPE_FP64",
    "TYPE_STRING",
    "TYPE_BF16",
]
MESSAGES = {
    "ModelTensorReshape": [("shape", 1, "int64", True)],
    "ModelDynamicBatching": [],
    "ModelInput": [
        ("name", 1, "string", False),
        ("data_type", 2, "DataType", False),
        ("dims", 4, "int64", True),
        ("reshape", 5, "ModelTensorReshape", False),
    ],
    "ModelOutput": [
        ("name", 1, "string", False),
        ("data_type", 2, "DataType", False),
        ("dims", 3, "int64", True),
        ("label_filename", 4, "string", False),
        ("reshape", 5, "ModelTensorReshape", False),
    ],
    "ModelConfig": [
        ("name", 1, "string", False),
        ("platform", 2, "string", False),
        ("max_batch_size", 4, "int32", False),
        ("input", 5, "ModelInput", True),
        ("output", 6, "ModelOutput", True),
        ("dynamic_batching", 11, "ModelDynamicBatching", False),
    ],
}


@pytest.fixture(scope="module")
def parse():
    """A function that reads a config.pbtxt strictly: fields that are unknown are an error."""
    file = descriptor_pb2.FileDescriptorProto(name="m.proto", package="t", syntax="proto3")
    file.enum_type.add(name="DataType").value.extend(
        descriptor_pb2.EnumValueDescriptorProto(name=name, number=number)
        for number, name in enumerate(ENUM)
    )
    for message, fields in MESSAGES.items():
        made = file.message_type.add(name=message)
        for name, number, kind, is_repeated in fields:
            label = FIELD.LABEL_REPEATED if is_repeated else FIELD.LABEL_OPTIONAL
            field = made.field.add(name=name, number=number, label=label)
            if kind in KINDS:
                field.type = KINDS[kind]
            else:
                field.type = FIELD.TYPE_ENUM if kind == "DataType" else FIELD.TYPE_MESSAGE
                field.type_name = f".t.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.ModelConfig"))
    return lambda text: text_format.Parse(text, kind())


@pytest.fixture
def ends(tmp_path):
    """A function that writes a graph with these inputs and outputs, and reads its ends."""

    def read(inputs, outputs):
        made = [
            [helper.make_tensor_value_info(name, kind, sides) for name, kind, sides in one]
            for one in (inputs, outputs)
        ]
        first, batch = inputs[0][0], ["shape", "zero"]
        nodes = [
            helper.make_node("Shape", [first], ["shape"]),
            helper.make_node("Gather", batch, ["free"]),
        ]
        for name, kind, sides in outputs:
            told = [str(side) if isinstance(side, int) else "free" for side in sides]
            nodes.append(helper.make_node("Concat", told, [f"{name} sides"], axis=0))
            value = helper.make_tensor("value", kind, [1], [0])
            nodes.append(
                helper.make_node("ConstantOfShape", [f"{name} sides"], [name], value=value)
            )
        numbers = {side for *_, sides in outputs for side in sides if isinstance(side, int)}
        constants = [helper.make_tensor(str(n), TensorProto.INT64, [1], [n]) for n in numbers]
        constants.append(helper.make_tensor("zero", TensorProto.INT64, [1], [0]))
        graph = helper.make_graph(nodes, "ends", *made, constants)
        path = tmp_path / "model.onnx"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)
        path.write_bytes(model.SerializeToString())
        return read_ends(path)

    return read


U8, F32 = TensorProto.UINT8, TensorProto.FLOAT


@pytest.mark.parametrize("is_dense", [False, True])
def test_sides_that_only_the_preprocessing_closes_are_told_closed(tmp_path, graph, ours, is_dense):
    more = {"zoo.dense": "{}"} if is_dense else {}
    model = onnx.load_from_string(graph(metadata=ours | more))
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side {axis}"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    (images,) = read_ends(path).inputs
    assert images.sides == ((-1, -1, -1, 3) if is_dense else (-1, 2, 2, 3))


def test_a_classifier(parse, ends):
    found = ends([("images", U8, ["batch", 224, 224, 3])], [("probabilities", F32, ["batch", 2])])
    config = parse(write_config("ants", found, ("ant", "bee"), max_batch=16))
    assert (config.name, config.platform) == ("ants", "onnxruntime_onnx")
    assert config.max_batch_size == 16
    assert config.HasField("dynamic_batching")
    (images,), (probabilities,) = config.input, config.output
    assert (images.name, list(images.dims)) == ("images", [224, 224, 3])
    assert images.data_type == ENUM.index("TYPE_UINT8")
    assert (probabilities.name, list(probabilities.dims)) == ("probabilities", [2])
    assert probabilities.data_type == ENUM.index("TYPE_FP32")
    assert probabilities.label_filename == "labels.txt"


def test_a_graph_of_one_picture_tells_every_side_and_is_not_batched(parse, ends):
    found = ends([("images", U8, [1, 28, 28, 3])], [("probabilities", F32, [1, 10])])
    config = parse(write_config("one", found, ("a",), max_batch=16))
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert list(config.input[0].dims) == [1, 28, 28, 3]
    assert list(config.output[0].dims) == [1, 10]


def test_a_dense_network_has_free_sides_and_no_labels_of_cells(parse, ends):
    found = ends(
        [("images", U8, ["batch", "height", "width", 3])],
        [("probabilities", F32, ["batch", 5, "rows", "columns"])],
    )
    config = parse(write_config("dense", found, ("a",) * 5, max_batch=4))
    assert list(config.input[0].dims) == [-1, -1, 3]
    assert list(config.output[0].dims) == [5, -1, -1]
    assert config.output[0].label_filename == ""


def test_several_outputs_one_of_which_has_no_batch(parse, ends):
    found = ends(
        [("data", F32, ["batch", 3, 24, 24])],
        [("conv5-1", F32, ["batch", 2]), ("score", F32, ["batch"]), ("fixed", F32, [4])],
    )
    config = parse(write_config("net", found, (), max_batch=4))
    assert config.max_batch_size == 0
    assert [list(one.dims) for one in config.output] == [[-1, 2], [-1], [4]]


def test_one_number_a_picture_is_reshaped(parse, ends):
    found = ends([("data", F32, ["batch", 3])], [("score", F32, ["batch"])])
    (score,) = parse(write_config("net", found, (), max_batch=4)).output
    assert list(score.dims) == [1]
    assert score.HasField("reshape")
    assert list(score.reshape.shape) == []


def test_names_are_quoted(parse, ends):
    found = ends([('a"b\\c\n', F32, ["n", 3])], [("ü/é", F32, ["n", 3])])
    config = parse(write_config("net", found, (), max_batch=1))
    assert config.input[0].name == 'a"b\\c\n'
    assert config.output[0].name == "ü/é"


def test_values_that_triton_does_not_know_are_refused(tmp_path):
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT8E4M3FN, ["n"]) for name in ("x", "y")
    ]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "8", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(Unsupported, match="'x'"):
        read_ends(tmp_path / "model.onnx")


def test_labels_are_one_a_line():
    assert write_labels(["a", "two words", "a\nbreak", ""]) == "a\ntwo words\na break\n\n"
