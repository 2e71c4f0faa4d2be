"""/v2/models/NAME: what a model takes and gives, and whether it answers."""

import json
from typing import Any

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.domain.config import GRAPH
from zoo.domain.revision import split_address
from zoo.errors import BadRequest, ModelNotFound, NotRunnable, RevisionNotFound
from zoo.operations.fetch import list_revisions
from zoo.operations.repository import check_ready
from zoo.operations.serve import MOST_PICTURES, Description, describe
from zoo.serving.network import Port
from zoo.serving.predictor import CUDA
from zoo.web.access import Need, needs
from zoo.web.context import current_service, current_zoo
from zoo.web.inference import errors
from zoo.web.inference.addresses import address_of
from zoo.web.inference.datatypes import name_of
from zoo.web.reference import tells
from zoo.web.shapes.inference import (
    ModelConfigAnswer,
    ModelMetadataAnswer,
    ModelReadyAnswer,
    ProtocolError,
    TensorAnswer,
)

PLATFORM = "onnxruntime_onnx"
UNKNOWN = (ModelNotFound, RevisionNotFound, NotRunnable)

bp = Blueprint("inference_models", __name__, url_prefix="/v2/models")
errors.install(bp)


@bp.get("/<served:name>", defaults={"version": ""})
@bp.get("/<served:name>/versions/<version>", endpoint="get_version")
@needs(Need.READ)
@tells(ModelMetadataAnswer, error=ProtocolError, refuses=UNKNOWN)
def get_metadata(name: str, version: str) -> ResponseReturnValue:
    """Tell what a model takes and gives; it is loaded if need be.

    A classifier's `images` may also be given as BYTES of the shape [N] or [N, 1]: picture files.
    """
    found = describe(current_zoo(), current_service(), address_of(name, version))
    told = ModelMetadataAnswer(
        name=name,
        versions=_versions(found, name, version),
        platform=PLATFORM,
        inputs=[_tensor(port) for port in found.inputs],
        outputs=[_tensor(port) for port in found.outputs],
        properties=_properties(found),
    )
    return jsonify(told.model_dump())


@bp.get("/<served:name>/ready", defaults={"version": ""})
@bp.get("/<served:name>/versions/<version>/ready", endpoint="get_version_ready")
@needs(Need.READ)
@tells(ModelReadyAnswer, error=ProtocolError, refuses=(*UNKNOWN, BadRequest))
def get_model_ready(name: str, version: str) -> ResponseReturnValue:
    """Say that requests for a model are answered: it is loaded, or is at the first of them.

    400 where it was unloaded by hand, or could not be loaded.
    """
    try:
        check_ready(current_zoo(), current_service(), address_of(name, version))
    except NotRunnable as error:
        raise BadRequest(f"Not ready: {error}", hint=error.hint) from error
    return jsonify(ModelReadyAnswer(name=name, ready=True).model_dump())


@bp.get("/<served:name>/config", defaults={"version": ""})
@bp.get("/<served:name>/versions/<version>/config", endpoint="get_version_config")
@needs(Need.READ)
@tells(ModelConfigAnswer, error=ProtocolError, refuses=UNKNOWN)
def get_config(name: str, version: str) -> ResponseReturnValue:
    """Tell a model's configuration in Triton's words; it is loaded if need be."""
    zoo = current_zoo()
    found = describe(zoo, current_service(), address_of(name, version))
    device = "KIND_GPU" if found.provider == CUDA else "KIND_CPU"
    told = ModelConfigAnswer(
        name=name,
        platform=PLATFORM,
        backend="onnxruntime",
        version_policy={"specific": {"versions": [found.target.revision]}},
        max_batch_size=MOST_PICTURES if found.is_classifier else 0,
        input=[_config(port, found) for port in found.inputs],
        output=[_config(port, found) for port in found.outputs],
        dynamic_batching={
            "preferred_batch_size": [found.most_together] if found.most_together > 1 else [],
            "max_queue_delay_microseconds": 0,
            "default_queue_policy": {
                "timeout_action": "REJECT",
                "default_timeout_microseconds": 0,
                "allow_timeout_override": True,
                "max_queue_size": zoo.settings.queue_pictures,
            },
        },
        instance_group=[{"name": name, "kind": device, "count": 1}],
        parameters={key: {"string_value": one} for key, one in _properties(found).items()},
    )
    return jsonify(told.model_dump())


def _versions(found: Description, name: str, version: str) -> list[str]:
    """List a model's revisions that have a graph; only the one that is asked for, where one is."""
    if version or split_address(name)[0] != name:
        return [found.target.revision]
    return [
        revision.id
        for revision in list_revisions(current_zoo(), found.target.model)
        if revision.find_file(GRAPH) is not None
    ]


def _tensor(port: Port) -> TensorAnswer:
    shape = [-1 if side is None else side for side in port.shape]
    return TensorAnswer(name=port.name, datatype=name_of(port.dtype), shape=shape)


def _config(port: Port, found: Description) -> dict[str, Any]:
    """Tell a tensor as a configuration does: of a classifier without the axis of pictures."""
    shape = [-1 if side is None else side for side in port.shape]
    kind = name_of(port.dtype).replace("BYTES", "STRING")
    told: dict[str, Any] = {"name": port.name, "data_type": f"TYPE_{kind}", "dims": shape}
    if not found.is_classifier:
        return told
    more = {"format": "FORMAT_NHWC"} if port in found.inputs else {}
    return told | more | {"dims": shape[1:]}


def _properties(found: Description) -> dict[str, str]:
    """Tell what of a model the protocol has no words for."""
    told = {"revision": found.target.address, "provider": found.provider}
    if found.way:
        told["runs"] = found.way
    if found.preprocessing is None:
        return told
    return told | {
        "labels": json.dumps(found.labels, ensure_ascii=False),
        "preprocessing": json.dumps(found.preprocessing.as_json()),
    }
