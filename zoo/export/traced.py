"""A classifier as ONNX by whichever way there is: written node by node, else traced by torch.

Networks of libraries have functions beyond those ``zoo.export.functions`` lists. torch's own
exporter knows more, is slower by seconds, and fixes the size of the pictures. Both ways give the
same inputs, outputs and metadata, and both are to be proven by ``zoo.export.parity``.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping

import torch
from onnx import ModelProto, helper
from torch.fx import GraphModule

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Array
from zoo.errors import Unsupported
from zoo.export.file import OPSET, check_size
from zoo.export.onnx import PROBABILITIES, write_onnx
from zoo.export.pictures import IMAGES
from zoo.networks.classifier import Classifier, ends_in_softmax

EXAMPLES = 2  # pictures; one alone would be taken for a fixed number of them
BATCH = "batch"


def write_any_onnx(
    network: GraphModule,
    preprocessing: Preprocessing,
    mean_image: Array | None,
    labels: tuple[str, ...],
    *,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Write a classifier down as ONNX bytes, as ``write_onnx`` does, or traced where it cannot.

    A traced graph says so: ``zoo.exporter`` among its metadata is ``torch``.

    Raises:
        Unsupported: neither way knows all its layers, or the file would be larger than 2 GiB.
        WeightsMismatch: there are not as many labels as scores, or the mean image does not fit.
    """
    try:
        return write_onnx(network, preprocessing, mean_image, labels, metadata=metadata)
    except Unsupported as refusal:
        check_size(network)
        classifier = Classifier(network, preprocessing, mean_image)
        try:
            model = _trace(classifier, preprocessing)
        except (RuntimeError, ValueError, TypeError) as error:
            raise refusal from error
    properties = {
        "zoo.labels": json.dumps(labels, ensure_ascii=False),
        "zoo.preprocessing": json.dumps(preprocessing.as_json(), sort_keys=True),
        "zoo.softmax": "its own" if ends_in_softmax(network) else "added",
        "zoo.exporter": "torch",
        **(metadata or {}),
    }
    return _finish(model, properties)


def _trace(classifier: Classifier, preprocessing: Preprocessing) -> ModelProto:
    """Let torch's exporter follow the classifier on pictures of its own size, any number of them.

    Raises:
        RuntimeError, ValueError, TypeError: it cannot; torch's exporter has many ways to say so.
    """
    device = classifier.preprocess.scale.device
    height, width = preprocessing.crop_px
    images = torch.zeros((EXAMPLES, height, width, 3), dtype=torch.uint8, device=device)
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            classifier,
            (images,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[IMAGES],
            output_names=[PROBABILITIES],
            dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch's exporter gave no graph")
    return program.model_proto


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporter prints, warns and logs from whoever runs the zoo."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def _finish(model: ModelProto, properties: Mapping[str, str]) -> bytes:
    """Take out what tells of the machine it was traced on, and put in what every graph tells."""
    for part in (model.graph, *model.graph.node, *model.graph.initializer, *model.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.ClearField("metadata_props")
    model.producer_name, model.producer_version = "zoo", ""
    helper.set_model_props(model, dict(sorted(properties.items())))
    written: bytes = model.SerializeToString(deterministic=True)
    return written
