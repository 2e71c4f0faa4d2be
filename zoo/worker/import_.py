"""The body of an import: build the network, export its graph, prove it, publish the revision."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.fx import GraphModule

from zoo.domain.config import CARD, CONFIG, WEIGHTS, ModelConfig
from zoo.domain.job import Job
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.revision import Blob
from zoo.domain.weights import Weights
from zoo.errors import Invalid, NotRunnable, Unsupported
from zoo.export.wrap import wrap_onnx
from zoo.formats.onnx.external import beside
from zoo.formats.safetensors import read_safetensors, write_safetensors
from zoo.networks.build import build_network, load_weights
from zoo.networks.classifier import output_shape
from zoo.networks.vision import fit_weights
from zoo.operations.draft import CLASSIFIER, NETWORK, SERVED_AS_IT_IS, Draft, get_draft
from zoo.operations.filters import warm_filters
from zoo.operations.opening import Zoo
from zoo.operations.prints import warm_prints
from zoo.operations.publish import Publication, publish, put_json, put_text
from zoo.serving.external import refuse_external_data
from zoo.worker.built import Result
from zoo.worker.check import check_accuracy
from zoo.worker.create import draw_weights
from zoo.worker.described import NAMED, as_described
from zoo.worker.exported import (
    Dense,
    export_classifier,
    export_dense,
    export_network,
)
from zoo.worker.progress import Progress
from zoo.worker.undone import build_original, find_convolutionalize

Paths = Mapping[str, Path]

TRANSFORMERS = "transformers"  # whose versions call the parts of a network otherwise


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Make a prepared checkpoint run, and publish it.

    Raises:
        WeightsMismatch: the weights are not those of the architecture.
        ParityBroken: the graph does not compute what the network computes.
    """
    files = {
        path: Blob(digest=digest, size_bytes=size_bytes)
        for path, (digest, size_bytes) in job.params["files"].items()
    }
    paths = {path: zoo.blobs.local_path(blob.digest) for path, blob in files.items()}
    draft = get_draft(zoo, job.params["draft"])
    progress.say("build", f"building the network of {job.params['model']}")
    told: dict[str, Any] = {}
    if WEIGHTS not in files:
        drawn = draw_weights(zoo, draft, job.params, paths, progress)
        draft, files[WEIGHTS], told = drawn.draft, drawn.weights, drawn.summary
        paths[WEIGHTS] = zoo.blobs.local_path(files[WEIGHTS].digest)
    if draft.recipe and draft.recipe.source.kind == TRANSFORMERS:
        files[WEIGHTS] = _renamed(zoo, draft.recipe.source, paths)
        paths[WEIGHTS] = zoo.blobs.local_path(files[WEIGHTS].digest)
    result = complete(draft, paths, files[WEIGHTS].digest, progress)
    checked, extra = check_accuracy(zoo, job.params.get("check"), draft, result, progress)
    progress.check()
    notes = (*result.notes, *checked)
    config = draft.config(result.recipe, labels=result.labels, pictures=result.pictures)
    data = job.params.get("data")  # what the first numbers of a creation were drawn from
    if data is not None:
        config = replace(config, lineage={"dataset": data})
    card = draft.card(
        labels=result.labels,
        pictures=result.pictures,
        notes=notes,
        paragraphs=result.paragraphs,
    )
    files |= {CONFIG: put_json(zoo, config.as_json()), CARD: put_text(zoo, card)}
    files |= result.files(zoo)
    summary = draft.summary(runs=result.runs, labels=result.labels, pictures=result.pictures)
    warm_filters(zoo, files[WEIGHTS].digest)
    warm_prints(zoo, files[WEIGHTS].digest)
    publish(
        zoo,
        Publication(
            model=job.params["model"],
            files=files,
            message="import",
            summary=summary | result.summary | told | extra | {"notes": list(notes)},
            dataset=data,
            tag=job.params["tag"],
            attempt=progress.attempt,
        ),
    )


def _renamed(zoo: Zoo, source: Source, paths: Paths) -> Blob:
    """Give weights the names that the installed transformers has for their parts."""
    weights = fit_weights(source, read_safetensors(paths[WEIGHTS]), paths)
    return zoo.blobs.put(write_safetensors(weights))


def complete(draft: Draft, paths: Paths, weights_digest: str, progress: Progress) -> Result:
    """Build the network of a draft and find out what is still unknown of it.

    Raises:
        Invalid: there is no recipe, or the labels are more or fewer than the scores.
    """
    if draft.recipe is None:
        raise Invalid(f"There is nothing to build: {draft.reason}", hint="It is stored as it came.")
    if draft.recipe.source.kind in SERVED_AS_IT_IS:
        return _wrapped(draft, draft.recipe, paths, progress)
    return _built(draft, draft.recipe, paths, weights_digest, progress)


def _wrapped(draft: Draft, recipe: Recipe, paths: Paths, progress: Progress) -> Result:
    """Serve a foreign graph as it is, with the preprocessing put before it."""
    path = paths[recipe.source.path]
    external = beside(paths, recipe.source.path)
    result = Result(
        runs=NETWORK, recipe=recipe, labels=(), pictures=draft.pictures, graph=None, parity=None
    )
    if draft.pictures is None:
        return _as_it_is(result, path)
    progress.say("export", "putting the preprocessing before the graph, and comparing the two")
    try:
        wrapped = wrap_onnx(
            path, preprocessing=draft.pictures, labels=draft.labels, external=external
        )
    except Unsupported as error:
        return _as_it_is(replace(result, notes=(f"It is no classifier: {error}",)), path)
    return replace(
        result,
        runs=CLASSIFIER,
        labels=wrapped.labels,
        graph=wrapped.graph,
        notes=wrapped.notes,
    )


def _as_it_is(result: Result, path: Path) -> Result:
    """Let the graph itself be the one that is served, where it is one file."""
    try:
        refuse_external_data(path)
    except NotRunnable as error:
        return replace(result, notes=(*result.notes, f"There is no model.onnx: {error}"))
    return replace(result, graph=path.read_bytes())


def _built(
    draft: Draft, recipe: Recipe, paths: Paths, weights_digest: str, progress: Progress
) -> Result:
    """Build the network, load its weights, and export it."""
    weights = read_safetensors(paths[WEIGHTS])
    if recipe.source.kind in NAMED:
        draft, recipe = as_described(draft, recipe, weights)
    config = draft.config(recipe, labels=draft.labels or (), pictures=draft.pictures)
    progress.say("export", "writing the graph and comparing it with the network")
    if find_convolutionalize(recipe) is not None:
        return _dense(config, paths, weights, weights_digest, progress)
    network = build_network(recipe, paths)
    load_weights(network, weights)
    scores = count_scores(network, draft.pictures)
    if scores is None:
        return export_network(network, config, weights)
    config = replace(config, label_names=_labels(draft, scores))
    return export_classifier(network, config, weights, digest=weights_digest)


def _dense(
    config: ModelConfig, paths: Paths, weights: Weights, weights_digest: str, progress: Progress
) -> Result:
    """Measure a dense network again that another zoo had made, against what it was made of."""
    surgery = find_convolutionalize(config.recipe)
    assert surgery is not None
    original = build_original(config.recipe, paths, weights)
    dense = Dense.of(original, surgery, config.preprocessing, None)
    return export_dense(dense, config, progress, digest=weights_digest)


def count_scores(network: GraphModule, pictures: Preprocessing | None) -> int | None:
    """Count the scores that a picture gets; None where the network is no classifier."""
    inputs = network.graph.find_nodes(op="placeholder")
    outputs = network.graph.output_node().all_input_nodes
    if pictures is None or len(inputs) != 1 or len(outputs) != 1:
        return None
    shape = output_shape(network, 1, pictures.channel_count, *pictures.crop_px)
    is_row = len(shape) > 1 and math.prod(shape[2:]) == 1
    return shape[1] if is_row else None


def _labels(draft: Draft, scores: int) -> tuple[str, ...]:
    """Give one label per score: as given or packed, or the numbers of the classes.

    Raises:
        Invalid: labels were given, more or fewer than the scores.
    """
    if draft.labels is None:
        return tuple(str(index) for index in range(scores))
    if len(draft.labels) != scores:
        raise Invalid(
            f"The network has {scores} outputs, but {len(draft.labels)} labels were given.",
            hint="Give one label a line, in the order of the outputs: --labels FILE",
            outputs=scores,
            labels=len(draft.labels),
        )
    return draft.labels
