"""A classifier as one ONNX file: preprocessing inside, labels beside, written node by node.

Every module of the graph has its ONNX equal in ``zoo.export.modules``. Writing them down, instead
of tracing, takes milliseconds, keeps LRN one node and rounding-up pooling exact, and gives the same
bytes for the same network.
"""

import json
import math
from collections.abc import Mapping

from torch.fx import GraphModule, Node

from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Array
from zoo.errors import Unsupported, WeightsMismatch
from zoo.export.file import assemble, check_size, describe_blob
from zoo.export.nodes import write_nodes
from zoo.export.pictures import IMAGES, write_preprocessing
from zoo.export.sheet import Shape, Sheet, Values
from zoo.networks.blobs import run_shapes
from zoo.networks.classifier import ends_in_softmax, takes_any_size, with_probabilities
from zoo.networks.graph import get_input, get_output

PROBABILITIES = "probabilities"
TWO = 2  # pictures, to see what depends on how many there are


def write_onnx(
    network: GraphModule,
    preprocessing: Preprocessing,
    mean_image: Array | None,
    labels: tuple[str, ...],
    *,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Write a classifier down as ONNX bytes; the same ones for the same network.

    Input ``images``: uint8, N x H x W x 3, RGB, resized and cropped. N is free; H and W are too
    where the network takes any size. Output ``probabilities``: float32, N x K, in the order of the
    labels. A network that does not end in a softmax is given one, and ``zoo.softmax`` says so.

    Raises:
        Unsupported: a layer has no equal in ONNX, there are several inputs or outputs, or the file
            would be larger than 2 GiB.
        WeightsMismatch: there are not as many labels as scores, or the mean image does not fit.
    """
    check_size(network)
    complete = with_probabilities(network)
    shapes = _try(complete, preprocessing)
    check_labels(shapes[get_output(complete)], labels)
    sheet = Sheet()
    values: dict[Node, Values] = {
        get_input(complete): write_preprocessing(sheet, preprocessing, mean_image)
    }
    write_nodes(sheet, complete, values, shapes)
    if sheet.has_fixed_batch:
        raise _fixed_batch()
    sheet.add("Flatten", [str(values[get_output(complete)])], PROBABILITIES, axis=1)
    has_any_size = takes_any_size(complete) and not sheet.has_fixed_sizes
    is_free = preprocessing.mean_tensor is None and has_any_size
    height, width = ("height", "width") if is_free else preprocessing.crop_px
    properties = {
        "zoo.labels": json.dumps(labels, ensure_ascii=False),
        "zoo.preprocessing": json.dumps(preprocessing.as_json(), sort_keys=True),
        "zoo.softmax": "its own" if ends_in_softmax(network) else "added",
        **(metadata or {}),
    }
    images = describe_blob(IMAGES, ["batch", height, width, 3], is_picture=True)
    probabilities = describe_blob(PROBABILITIES, ["batch", len(labels)])
    return assemble(sheet, [images], [probabilities], properties, name="classifier")


def _try(network: GraphModule, preprocessing: Preprocessing) -> Mapping[Node, Shape]:
    """Give the shapes that each node of a classifier gives for two pictures.

    Raises:
        Unsupported: it cannot read two, or mixes them.
    """
    shape = (TWO, preprocessing.channel_count, *preprocessing.crop_px)
    try:
        shapes = run_shapes(network, shape)
    except RuntimeError as error:
        raise _fixed_batch() from error
    if shapes[get_output(network)][:1] != (TWO,):
        raise _fixed_batch()
    return shapes


def _fixed_batch() -> Unsupported:
    return Unsupported(
        "The network does not read any number of pictures at once: it has a size for it built in.",
        hint="Write a 0 or a -1 where its Reshape layers state how many pictures there are.",
    )


def check_labels(shape: Shape, labels: tuple[str, ...]) -> None:
    """Refuse labels that are more or fewer than the scores a picture gets.

    Raises:
        WeightsMismatch: they are.
    """
    classes = math.prod(shape[1:])
    if classes != len(labels):
        raise WeightsMismatch(
            f"The network gives {classes} scores for a picture; there are {len(labels)} labels.",
            hint="Give one label per score, in the network's order.",
            scores=classes,
            labels=len(labels),
        )
