"""The Open Inference Protocol's own shapes: what its clients read, in its words."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ProtocolShape(BaseModel):
    """What the shapes of the protocol share: they are only ever written."""

    model_config = ConfigDict(protected_namespaces=())


class ProtocolError(ProtocolShape):
    """What went wrong and what to do next, as the one text that clients of Triton show."""

    error: str


class LiveAnswer(ProtocolShape):
    """The server is up."""

    live: bool


class ReadyAnswer(ProtocolShape):
    """Requests are answered."""

    ready: bool


class ModelReadyAnswer(ProtocolShape):
    """Requests for a model are answered."""

    name: str
    ready: bool


class ServerAnswer(ProtocolShape):
    """Which server this is, and which extensions of the protocol it has."""

    name: str
    version: str
    extensions: list[str]


class TensorAnswer(ProtocolShape):
    """An input or an output of a model."""

    name: str
    datatype: str
    shape: list[int] = Field(description="-1 is any length")


class ModelMetadataAnswer(ProtocolShape):
    """What a model takes and gives."""

    name: str
    versions: list[str] = Field(description="its revisions that can be served, the newest first")
    platform: str
    inputs: list[TensorAnswer]
    outputs: list[TensorAnswer]
    properties: dict[str, str] = Field(
        description="the revision that answers, the execution provider that really runs, how it"
        " runs on a GPU, and how pictures are prepared for it"
    )


class ModelConfigAnswer(ProtocolShape):
    """A model's configuration in Triton's words: what of it is true here."""

    name: str
    platform: str
    backend: str
    version_policy: dict[str, Any]
    max_batch_size: int = Field(description="0: the shapes of inputs and outputs tell all axes")
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]
    dynamic_batching: dict[str, Any]
    instance_group: list[dict[str, Any]]
    parameters: dict[str, dict[str, str]]


class IndexEntry(ProtocolShape):
    """A model that can be served, and a revision of it that is loaded or was."""

    name: str
    version: str | None = None
    state: str | None = Field(default=None, description="READY, LOADING or UNAVAILABLE")
    reason: str | None = None


class RequestedTensor(ProtocolShape):
    """An input: its data in JSON, or their length in bytes behind it."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] = Field(default={}, description="binary_data_size")


class RequestedResult(ProtocolShape):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = Field(default={}, description="binary_data, classification")


class InferenceBody(ProtocolShape):
    """A request for inference; binary tensors may follow, see docs/serving.md."""

    id: str | None = None
    inputs: list[RequestedTensor]
    outputs: list[RequestedResult] = []
    parameters: dict[str, Any] = Field(
        default={}, description="timeout in microseconds, priority, binary_data_output"
    )


class ResultTensor(ProtocolShape):
    """An output: its data in JSON, or their length in bytes behind it."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class InferenceAnswer(ProtocolShape):
    """What a model gives; binary tensors may follow."""

    id: str | None = None
    model_name: str
    model_version: str
    outputs: list[ResultTensor]


class ModelStatsAnswer(ProtocolShape):
    """What was asked of models since the server started, as Triton counts it."""

    model_stats: list[dict[str, Any]]
