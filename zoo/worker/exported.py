"""Networks with their graphs written and proven, ready to be published."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch.fx import GraphModule

from zoo.domain.config import ModelConfig
from zoo.domain.geometry import Geometry
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.surgery import Convolutionalize, Pads
from zoo.domain.weights import Array, Weights
from zoo.errors import Unsupported
from zoo.export.dense import write_dense
from zoo.networks.classifier import Classifier
from zoo.networks.dense import convolutionalize, measure_geometry
from zoo.networks.preprocess import find_mean_image
from zoo.operations.draft import CLASSIFIER, DENSE, NETWORK, NO_GRAPH
from zoo.worker.built import Result
from zoo.worker.certificate import Size
from zoo.worker.dense import certify, check_sizes
from zoo.worker.layers import describe_layers
from zoo.worker.measuring import Means, Subject
from zoo.worker.network import check_on_noise, export, export_plain
from zoo.worker.progress import Progress

NUMBERS = "numbers per channel, the averages of its mean image"


def export_classifier(
    network: GraphModule, config: ModelConfig, weights: Weights, *, digest: str
) -> Result:
    """Write a classifier's graph and compare it with the network; ``digest`` is its weights'.

    Raises:
        ParityBroken: graph and network differ.
    """
    mean = find_mean_image(config.preprocessing, weights)
    classifier = Classifier(network, config.preprocessing, mean)
    result = replace(_result(network, config, CLASSIFIER), classifier=classifier)
    try:
        graph = export(classifier, config, weights_digest=digest)
    except Unsupported as error:
        return _without_graph(result, error)
    return replace(result, graph=graph, parity=check_on_noise(classifier, graph, config))


def export_network(network: GraphModule, config: ModelConfig, weights: Weights) -> Result:
    """Write a network that is no classifier down with its own inputs and outputs.

    Raises:
        ParityBroken: graph and network differ.
    """
    result = _result(network, replace(config, label_names=()), NETWORK)
    try:
        graph, parity = export_plain(network, config.pictures, weights)
    except Unsupported as error:
        return _without_graph(result, error)
    return replace(result, graph=graph, parity=parity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A network that was made dense, and what it was made of."""

    original: GraphModule
    network: GraphModule
    surgery: Convolutionalize
    geometry: Geometry
    pictures: Preprocessing
    means: Means | None = None  # the original's, where it had a mean image

    @classmethod
    def of(
        cls,
        original: GraphModule,
        surgery: Convolutionalize,
        pictures: Preprocessing,
        mean_image: Array | None,
    ) -> "Dense":
        """Make a classifier dense.

        Raises:
            BoundToOneSize, NoHead, Unsupported: it cannot be.
        """
        network = convolutionalize(original, surgery)
        geometry = measure_geometry(network, surgery)
        means = None
        if mean_image is not None:
            means = Means(preprocessing=pictures, image=mean_image)
            pictures = _with_numbers(pictures, mean_image)
        if surgery.pads is Pads.REMOVE:
            pictures = _at_least(pictures, geometry.smallest_px)
        return cls(
            original=original,
            network=network,
            surgery=surgery,
            geometry=geometry,
            pictures=pictures,
            means=means,
        )


def export_dense(
    dense: Dense,
    config: ModelConfig,
    progress: Progress,
    *,
    digest: str,
    sizes_px: Sequence[Size] = (),
) -> Result:
    """Write a dense network's graph and measure its certificate; ``digest`` is its weights'.

    Raises:
        PictureTooSmall: one of the sizes to measure at gives no cell.
        ParityBroken: it is not what it was made of, or the graph is not the network.
    """
    check_sizes(dense.geometry, sizes_px)
    result = _result(dense.network, config, DENSE)
    metadata = {"zoo.architecture": config.architecture, "zoo.weights": digest}
    try:
        graph = write_dense(
            dense.network,
            dense.pictures,
            config.label_names,
            geometry=dense.geometry,
            metadata=metadata,
        )
    except Unsupported as error:
        result, graph = _without_graph(result, error), None
    subject = Subject(
        original=dense.original,
        dense=dense.network,
        surgery=dense.surgery,
        geometry=dense.geometry,
        preprocessing=dense.pictures,
    )
    certificate = certify(subject, graph, progress, sizes_px=sizes_px, means=dense.means)
    parity = certificate.sizes.parity if certificate.sizes else None
    return replace(result, graph=graph, parity=parity, certificate=certificate)


def _with_numbers(pictures: Preprocessing, mean_image: Array) -> Preprocessing:
    """Put a mean image's averages per channel in its place, as Caffe's net surgery example does."""
    return replace(
        pictures,
        mean=tuple(float(number) for number in mean_image.mean(axis=(1, 2), dtype=np.float64)),
        mean_tensor=None,
        source=f"{pictures.source.rstrip('.')}; {NUMBERS}",
    )


def _at_least(pictures: Preprocessing, smallest_px: Size) -> Preprocessing:
    """Have pictures be large enough for a cell where they are read one by one."""
    height, width = (max(sides) for sides in zip(pictures.crop_px, smallest_px, strict=True))
    resize_px = max(pictures.resize_px, height, width)
    return replace(pictures, crop_px=(height, width), resize_px=resize_px)


def _result(network: GraphModule, config: ModelConfig, runs: str) -> Result:
    return Result(
        runs=runs,
        recipe=config.recipe,
        labels=config.label_names,
        pictures=config.pictures,
        graph=None,
        parity=None,
        layers=describe_layers(network, config.pictures),
    )


def _without_graph(result: Result, error: Unsupported) -> Result:
    return replace(result, notes=(f"{NO_GRAPH} {error}",))
