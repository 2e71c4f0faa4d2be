"""The body of an import: build the network, export its graph, prove it, publish the revision."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.fx import GraphModule

from zoo.domain.config import CARD, CONFIG, GRAPH, WEIGHTS, ModelConfig
from zoo.domain.job import Job
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.revision import Blob, RefKind, Revision
from zoo.domain.weights import Weights
from zoo.errors import (
    Conflict,
    Interrupted,
    Invalid,
    LeaseLost,
    NotRunnable,
    RefMoved,
    Unsupported,
    ZooError,
)
from zoo.export.wrap import wrap_onnx
from zoo.formats.onnx.external import beside
from zoo.formats.safetensors import read_safetensors, write_safetensors
from zoo.networks.build import build_network, load_weights
from zoo.networks.classifier import output_shape
from zoo.networks.vision import fit_weights
from zoo.operations import jobs
from zoo.operations.committed import COMMITTED, files_of, queue_import
from zoo.operations.draft import (
    CLASSIFIER,
    NETWORK,
    NO_GRAPH,
    SERVED_AS_IT_IS,
    Draft,
    get_draft,
)
from zoo.operations.fetch import get_revision
from zoo.operations.filters import warm_filters
from zoo.operations.import_ import GENERATED, ImportOptions, is_importable, prepare_import
from zoo.operations.opening import Zoo
from zoo.operations.prints import warm_prints
from zoo.operations.publish import Publication, publish, put_json, put_text
from zoo.operations.refs import list_refs
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
SERVED = "served"  # the branch of what runs, where main has to stay as it was committed
MOST_TRIES = 20  # at a branch that others commit to at the same time


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Make a prepared checkpoint run, and publish it.

    Raises:
        WeightsMismatch: the weights are not those of the architecture.
        ParityBroken: the graph does not compute what the network computes.
    """
    if COMMITTED in job.params:
        _run_committed(zoo, job, progress)
        return
    files = {
        path: Blob(digest=digest, size_bytes=size_bytes)
        for path, (digest, size_bytes) in job.params["files"].items()
    }
    made = _make(zoo, job.params, get_draft(zoo, job.params["draft"]), files, progress)
    publish(
        zoo,
        replace(made, tag=job.params["tag"], attempt=progress.attempt),
    )


def _run_committed(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Make what a branch points to run, and publish it on top of that.

    Where the branch moves meanwhile, what it points to then is taken, so that no commit is missed
    and none is made able to predict that is there no more.
    """
    for _ in range(MOST_TRIES):
        head = get_revision(zoo, f"{job.params['model']}:{job.params[COMMITTED]}")
        try:
            _import_head(zoo, job, head, progress)
        except (Interrupted, LeaseLost):
            raise
        except ZooError:
            if _is_head(zoo, job, head):
                raise
            progress.say("build", f"{head.id[:12]} is there no more")
        else:
            return
    raise RefMoved(f"{job.params[COMMITTED]!r} of {job.params['model']!r} moves too fast.")


def _import_head(zoo: Zoo, job: Job, head: Revision, progress: Progress) -> None:
    """Import a revision, and end the job.

    Raises:
        RefMoved: the branch points to another one by now.
        Invalid, Unsupported: it cannot be right, or not be built.
    """
    files = files_of(head)
    reason = "There is nothing that could be made able to predict."
    if head.find_file(GRAPH) is None and is_importable(zoo, files):
        prepared = prepare_import(zoo, files, ImportOptions(name=head.model))
        reason = f"Stored, not runnable: {prepared.draft.reason}"
        if prepared.is_runnable:
            made = _make(zoo, {"model": head.model}, prepared.draft, dict(prepared.files), progress)
            _publish_on(zoo, head, made, prepared.draft, progress)
            return
    jobs.succeed(zoo, progress.attempt, {"revision": head.address, "note": reason})
    after = get_revision(zoo, f"{head.model}:{job.params[COMMITTED]}")
    # A commit that came while this job ended was told that there is one already.
    queue_import(zoo, head, after, ref=job.params[COMMITTED])


def _publish_on(
    zoo: Zoo, head: Revision, made: Publication, draft: Draft, progress: Progress
) -> None:
    """Publish what was made of a commit; the card stays as it was committed.

    transformers reads its own config.json and calls parts of a network otherwise, so main stays
    what its clients can read, and what runs has a branch of its own.
    """
    card = head.find_file(CARD)
    files = {path: blob for path, blob in made.files.items() if path != GENERATED[CARD.lower()]}
    if card is not None:
        files[CARD] = Blob(digest=card.digest, size_bytes=card.size_bytes)
    made = replace(made, files=files, attempt=progress.attempt)
    if draft.recipe is None or draft.recipe.source.kind != TRANSFORMERS:
        publish(zoo, replace(made, on_top_of=head.id))
        return
    for ref in list_refs(zoo, head.model):
        if ref.name == SERVED and ref.kind is not RefKind.BRANCH:
            raise Conflict(
                f"{SERVED!r} of {head.model!r} is a {ref.kind.value}, no branch.",
                hint=f"Give it another name: zoo refs delete {head.model} {SERVED}",
            )
    publish(zoo, replace(made, refs=(SERVED,), parent=head.address))


def _is_head(zoo: Zoo, job: Job, head: Revision) -> bool:
    return get_revision(zoo, f"{job.params['model']}:{job.params[COMMITTED]}").id == head.id


def _make(
    zoo: Zoo,
    params: Mapping[str, Any],
    draft: Draft,
    files: dict[str, Blob],
    progress: Progress,
) -> Publication:
    """Build the network of a draft, export its graph, prove it; give what is to be published.

    Raises:
        WeightsMismatch: the weights are not those of the architecture.
        ParityBroken: the graph does not compute what the network computes.
    """
    paths = {path: zoo.blobs.local_path(blob.digest) for path, blob in files.items()}
    progress.say("build", f"building the network of {params['model']}")
    told: dict[str, Any] = {}
    if WEIGHTS not in files:
        drawn = draw_weights(zoo, draft, params, paths, progress)
        draft, files[WEIGHTS], told = drawn.draft, drawn.weights, drawn.summary
        paths[WEIGHTS] = zoo.blobs.local_path(files[WEIGHTS].digest)
    if draft.recipe and draft.recipe.source.kind == TRANSFORMERS:
        files[WEIGHTS] = _renamed(zoo, draft.recipe.source, paths)
        paths[WEIGHTS] = zoo.blobs.local_path(files[WEIGHTS].digest)
    result = complete(draft, paths, files[WEIGHTS].digest, progress)
    checked, extra = check_accuracy(zoo, params.get("check"), draft, result, progress)
    progress.check()
    notes = (*result.notes, *checked)
    config = draft.config(result.recipe, labels=result.labels, pictures=result.pictures)
    data = params.get("data")  # what the first numbers of a creation were drawn from
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
    return Publication(
        model=params["model"],
        files=files,
        message="import",
        summary=summary | result.summary | told | extra | {"notes": list(notes)},
        dataset=data,
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
        return replace(result, notes=(*result.notes, f"{NO_GRAPH} {error}"))
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
