"""ONNX files as checkpoints: trainable, or served as they are."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoo.domain.checkpoint import Wishes
from zoo.domain.preprocessing import Channels, Resize
from zoo.domain.recipe import Source
from zoo.errors import IncompletePackage, Invalid
from zoo.formats.onnx.checkpoint import is_onnx, read_onnx_checkpoint
from zoo.formats.onnx.picture import PictureInput, find_picture_input
from zoo.formats.onnx.reading import read_onnx

FLOAT = TensorProto.FLOAT


def make(*nodes, shape=("N", 3, 32, 32), kind=FLOAT, given=None, scores=("N", 3)):
    value = helper.make_tensor_value_info
    chosen = nodes or [
        helper.make_node("GlobalAveragePool", ["x"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "fc.weight"], ["y"]),
    ]
    graph = helper.make_graph(
        chosen,
        "",
        given or [value("x", kind, shape)],
        [value("y", FLOAT, scores)],
        [numpy_helper.from_array(np.ones((3, 3), np.float32), "fc.weight")],
    )
    return helper.make_model(graph, ir_version=10)


@pytest.fixture
def files(tmp_path):
    def write(model, name="net.onnx"):
        (tmp_path / "0123").write_bytes(model.SerializeToString())
        return {name: tmp_path / "0123"}

    return write


def test_onnx_files_are_known_by_their_ending(tmp_path):
    assert is_onnx({"a/Net.ONNX": tmp_path})
    assert not is_onnx({"net.onnx.data": tmp_path, "model.pt": tmp_path})


def test_a_graph_of_layers_that_torch_has_can_be_trained(files):
    found = read_onnx_checkpoint(files(make()), Wishes())
    assert (found.kind, found.architecture) == ("onnx", "net")
    assert found.source == Source(kind="onnx", path="net.onnx")
    assert {name: value.shape for name, value in found.weights.items()} == {"fc.weight": (3, 3)}
    assert (found.labels, found.notes, found.renamed) == (None, (), {})


def test_any_other_graph_is_served_as_it_is_and_says_why(files):
    nodes = [
        helper.make_node("NonZero", ["x"], ["a"], name="one"),
        helper.make_node("Own", ["a", "fc.weight"], ["y"], domain="own"),
    ]
    found = read_onnx_checkpoint(files(make(*nodes)), Wishes(labels=("a", "b", "c")))
    assert found.source == Source(kind="onnx-graph", path="net.onnx")
    assert list(found.weights) == ["fc.weight"]
    assert found.labels == ("a", "b", "c")
    assert "cannot be fine-tuned: NonZero 'one'" in found.notes[0]


def test_the_name_of_the_served_graph_is_left_free(files):
    found = read_onnx_checkpoint(files(make(), "model.onnx"), Wishes())
    assert found.renamed == {"model.onnx": "original.onnx"}
    assert found.source.path == "original.onnx"


def test_preprocessing_that_nothing_states_is_assumed(files):
    found = read_onnx_checkpoint(files(make(shape=("N", 3, 224, 192))), Wishes()).preprocessing
    assert (found.crop_px, found.resize_px, found.resize) == ((224, 192), 256, Resize.SHORT_SIDE)
    assert (found.channels, found.mean) == (Channels.RGB, (0.485, 0.456, 0.406))
    assert found.source.startswith("assumed")
    small = read_onnx_checkpoint(files(make()), Wishes()).preprocessing
    assert (small.resize, small.resize_px) == (Resize.SQUASH, 32)
    gray = read_onnx_checkpoint(files(make(shape=("N", 1, "h", "w"))), Wishes()).preprocessing
    assert (gray.channels, gray.mean, gray.std) == (Channels.GRAY, (0.0,), (1.0,))
    assert gray.crop_px == (224, 224)


def test_preprocessing_that_is_wished_for_wins(files):
    wishes = Wishes(preprocessing={"mean": [0.5, 0.5, 0.5]})
    found = read_onnx_checkpoint(files(make()), wishes).preprocessing
    assert (found.mean, found.source) == ((0.5, 0.5, 0.5), "given at the import")
    with pytest.raises(Invalid, match="no field"):
        read_onnx_checkpoint(files(make()), Wishes(preprocessing={"whatever": 1}))


def test_a_graph_that_gives_no_row_of_scores_has_no_preprocessing(files):
    assert read_onnx_checkpoint(files(make(scores=("N", 3, 7, 7))), Wishes()).preprocessing is None
    found = read_onnx_checkpoint(files(make(shape=("N", 7))), Wishes())
    assert found.preprocessing is None
    assert "not those of pictures" in found.notes[-1]


def test_several_graphs_or_none_are_refused(tmp_path):
    with pytest.raises(IncompletePackage, match="2 ONNX graphs"):
        read_onnx_checkpoint({"a.onnx": tmp_path, "b.onnx": tmp_path}, Wishes())
    with pytest.raises(IncompletePackage, match="0 ONNX graphs"):
        read_onnx_checkpoint({"a.txt": tmp_path}, Wishes())


def test_weights_beside_the_graph_are_found_in_its_folder(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(make(), path, save_as_external_data=True, location="w.data", size_threshold=0)
    files = {"onnx/net.onnx": path, "onnx/w.data": tmp_path / "w.data"}
    found = read_onnx_checkpoint(files, Wishes())
    assert found.weights["fc.weight"].tolist() == np.ones((3, 3)).tolist()
    assert found.source.path == "onnx/net.onnx"


VALUE = helper.make_tensor_value_info


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("N", 3, 224, 192), ("NCHW", 3, 224, 192, None)),
        ((1, 1, 28, 28), ("NCHW", 1, 28, 28, 1)),
        ((None, 3, None, None), ("NCHW", 3, None, None, None)),
        (("N", 224, 192, 3), ("NHWC", 3, 224, 192, None)),
        (("N", 28, 28, 1), ("NHWC", 1, 28, 28, None)),
        (("N", 1, 28, 3), ("NHWC", 3, 1, 28, None)),
        (("a", "b", "c", "d"), ("NCHW", 3, None, None, None)),
    ],
)
def test_where_a_picture_enters_is_found(files, shape, expected):
    (path,) = files(make(helper.make_node("Relu", ["x"], ["y"]), shape=shape)).values()
    found = find_picture_input(read_onnx(path))
    assert isinstance(found, PictureInput)
    size = (found.layout, found.channels, found.height, found.width, found.batch)
    assert size == expected
    assert (found.name, found.kind) == ("x", "float32")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([VALUE("x", FLOAT, [1, 7])], "2 axes"),
        ([VALUE("x", FLOAT, None)], "unknown number of axes"),
        ([VALUE("x", FLOAT, [1, 7, 8, 9])], "no axis of 1 or 3 channels"),
        ([VALUE("x", TensorProto.INT64, [1, 3, 8, 8])], "type int64"),
        ([VALUE("x", FLOAT, [1, 3, 9000, 8])], "more than 8192 a side"),
        ([VALUE("x", FLOAT, [1, 3, 8, 8]), VALUE("z", FLOAT, [1])], "2 inputs"),
    ],
)
def test_why_a_graph_reads_no_picture_is_told(files, given, reason):
    (path,) = files(make(helper.make_node("Relu", ["x"], ["y"]), given=given)).values()
    assert reason in find_picture_input(read_onnx(path))


@pytest.mark.parametrize(
    ("operation", "kind", "count"),
    [("Div", TensorProto.INT64, 2), ("Identity", TensorProto.STRING, 1)],
)
def test_a_graph_of_other_numbers_than_floats_is_left_as_it_is(tmp_path, operation, kind, count):
    names = ["x", "z"][:count]
    given = [helper.make_tensor_value_info(name, kind, ["n"]) for name in names]
    node = helper.make_node(operation, names, ["y"])
    result = helper.make_tensor_value_info("y", kind, ["n"])
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(helper.make_graph([node], "other", given, [result])), path)
    found = read_onnx_checkpoint({path.name: path}, Wishes())
    assert found.source.kind == "onnx-graph"
    assert any("no floating-point numbers" in note for note in found.notes)
