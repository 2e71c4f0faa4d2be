"""ONNX graphs of others, loaded whole and made fit to stand inside a graph of the zoo's.

Nothing of a file is trusted before ``zoo.formats.onnx`` has read it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto, NodeProto, TensorProto, compose, numpy_helper, version_converter

from zoo.domain.weights import Array
from zoo.errors import MalformedCheckpoint, NotRunnable, Unsupported
from zoo.export.file import LARGEST
from zoo.export.parity import RUNTIME_ERRORS, open_session
from zoo.formats.onnx.model import OnnxModel
from zoo.formats.onnx.picture import PictureInput, find_picture_input
from zoo.formats.onnx.reading import read_onnx

OLDEST = 13  # the version of operations that the zoo's own nodes need
IR_VERSION = 8
PREFIX = "original/"  # before every name of the foreign graph, so that none is a name of the zoo's
PROVIDERS = ["CPUExecutionProvider"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A graph of others that reads one picture, all its numbers inside."""

    model: ModelProto
    picture: PictureInput
    read: OnnxModel
    notes: tuple[str, ...] = ()

    def run(self, x: Array) -> dict[str, Array]:
        """Run it on a batch as it stands, and give every output by name."""
        return run_graph(self.model.SerializeToString(), {self.picture.name: x})


def load_foreign(path: Path, external: Mapping[str, Path] | None = None) -> Foreign:
    """Load a graph with the tensors that lie in the files beside it.

    Raises:
        MalformedCheckpoint: the file is damaged.
        Unsupported: it does not read one picture, is larger than one file can be, or its operations
            are of a version that cannot be converted.
    """
    read = read_onnx(path, external=external)
    picture = find_picture_input(read)
    if isinstance(picture, str):
        raise Unsupported(
            f"The graph cannot classify pictures. {picture}",
            hint="It is kept as it came; only graphs that read one picture are served.",
        )
    if read.size_bytes > LARGEST:
        raise Unsupported(
            f"The graph has {read.size_bytes} bytes, more than one ONNX file can hold ({LARGEST}).",
            hint="Serve a smaller model, or one with numbers of 16 bits.",
            size_bytes=read.size_bytes,
        )
    model = _parse(path)
    _put_inside(model, read)
    _drop_inputs_of_weights(model)
    model.ir_version = max(model.ir_version, IR_VERSION)
    if read.opset >= OLDEST:
        return Foreign(model=model, picture=picture, read=read)
    note = f"Its operations were converted from version {read.opset} to {OLDEST}."
    return Foreign(model=_convert(model, read), picture=picture, read=read, notes=(note,))


def with_prefix(model: ModelProto) -> ModelProto:
    """Give the same graph with every name of it behind a prefix."""
    prefixed: ModelProto = compose.add_prefix(model, PREFIX)
    return prefixed


def run_graph(graph: bytes, given: Mapping[str, Array]) -> dict[str, Array]:
    """Run a graph once.

    Raises:
        NotRunnable: ONNX Runtime does not take it, or fails.
    """
    try:
        session = open_session(graph, PROVIDERS)
        names = [one.name for one in session.get_outputs()]
        found = session.run(names, dict(given))
    except RUNTIME_ERRORS as error:
        raise NotRunnable(f"ONNX Runtime cannot run the graph: {error}") from error
    return dict(zip(names, found, strict=True))


def _parse(path: Path) -> ModelProto:
    try:
        return onnx.load_model(str(path), load_external_data=False)
    except DecodeError as error:
        raise MalformedCheckpoint(
            f"{path.name} cannot be read as ONNX: {error}.", file=path.name
        ) from error


def _put_inside(model: ModelProto, read: OnnxModel) -> None:
    """Put the numbers of other files, which were read and checked, into the graph.

    Raises:
        Unsupported: a tensor of a branch or function lies in another file.
    """
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.raw_data = read.initializers[tensor.name].stored.tobytes()
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise Unsupported(
                f"The graph keeps {tensor.name!r}, which is no initializer, in another file.",
                hint="Write it as one file: onnx.save(onnx.load('model.onnx'), 'one.onnx')",
            )


def _tensors(message: Message) -> Iterator[TensorProto]:
    """Walk all tensors of a message, wherever in it they are; protobuf bounds how deep."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in value if isinstance(value, list) or hasattr(value, "add") else [value]:
            if isinstance(inner, TensorProto):
                yield inner
            else:
                yield from _tensors(inner)


def _convert(model: ModelProto, read: OnnxModel) -> ModelProto:
    """Convert the operations to the version that the zoo's own nodes need.

    Raises:
        Unsupported: they cannot be.
    """
    try:
        return version_converter.convert_version(model, OLDEST)
    except (RuntimeError, ValueError, version_converter.ConvertError) as error:
        raise Unsupported(
            f"The graph's operations are of version {read.opset}, and cannot be converted to"
            f" {OLDEST}: {error}",
            hint=f"Export it again with opset {OLDEST} or later.",
        ) from error


def _drop_inputs_of_weights(model: ModelProto) -> None:
    """Files of old versions list every weight as an input; only the picture is one."""
    weights = {tensor.name for tensor in model.graph.initializer}
    kept = [one for one in model.graph.input if one.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def find_maker(nodes: list[NodeProto], name: str) -> NodeProto | None:
    """Find the node that writes a value, past those that only hand one on."""
    makers = {written: node for node in nodes for written in node.output}
    maker = makers.get(name)
    for _ in nodes:
        if maker is None or maker.op_type not in HANDING_ON:
            return maker
        maker = makers.get(maker.input[0])
    return maker


HANDING_ON = {"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}


def free_batch(model: ModelProto, batch: int) -> ModelProto:
    """Give the graph with a batch of any size, where only its shapes had one written in.

    The caller has to see whether it then computes the same.
    """
    free = ModelProto()
    free.CopyFrom(model)
    del free.graph.value_info[:]
    for end in (*free.graph.input, *free.graph.output):
        if end.type.tensor_type.shape.dim:
            end.type.tensor_type.shape.dim[0].dim_param = "batch"
    constants = {
        node.output[0]: node.attribute[0].t
        for node in free.graph.node
        if node.op_type == "Constant"
    } | {tensor.name: tensor for tensor in free.graph.initializer}
    for node in free.graph.node:
        tensor = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if tensor is not None:
            _open(tensor, batch)
    return free


def _open(tensor: TensorProto, batch: int) -> None:
    """Let the first size of a shape be what is left, or what it was before."""
    sizes = numpy_helper.to_array(tensor).copy()
    if sizes.ndim == 1 and sizes.size and sizes[0] == batch:
        sizes[0] = 0 if -1 in sizes else -1
        tensor.CopyFrom(numpy_helper.from_array(sizes, tensor.name))
