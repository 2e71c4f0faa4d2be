"""Queueing a fine-tune, after everything that can be checked beforehand."""

from dataclasses import replace
from typing import Any

from zoo.domain.config import GRAPH, WEIGHTS, ModelConfig
from zoo.domain.dataset import Dataset
from zoo.domain.job import Job, JobKind
from zoo.domain.plan import ALL, BEST, CODES, Classifier, CodesPrecision, Strategy
from zoo.domain.revision import Revision, check_model_name
from zoo.domain.training import Overrides
from zoo.errors import NotRunnable, Unsupported
from zoo.operations.access import check_target
from zoo.operations.datasets import get_dataset
from zoo.operations.draft import NETWORK, SERVED_AS_IT_IS
from zoo.operations.fetch import get_file, get_revision, read_config
from zoo.operations.later import Request, enqueue_request
from zoo.operations.layers import check_freeze, check_layers
from zoo.operations.opening import Zoo
from zoo.operations.surgery import check_trainable, join_name
from zoo.planning import check_dataset, check_overrides

NOTHING = Overrides()


def enqueue_finetune(  # noqa: PLR0913  # what is fitted to what, and how
    zoo: Zoo,
    model: str,
    dataset: str,
    *,
    name: str | None = None,
    seed: int = 0,
    layer: str = "codes",
    classifier: Classifier = Classifier.LOGISTIC,
    strategy: Strategy = Strategy.PROBE,
    overrides: Overrides = NOTHING,
    precision: CodesPrecision = CodesPrecision.AUTO,
    int8: bool = False,
    is_anew: bool = False,
) -> Job:
    """Queue a fine-tune of a model on a dataset; the same one, not finished, is taken up again.

    ``model`` may be ``job:NUMBER``, what that job publishes.
    ``layer`` is where codes are taken: ``codes``, what the model's own classifier reads; a layer by
    name; ``best`` for the one that cross-validation chooses; ``all`` for layers along the depth.
    ``overrides`` are decisions of a training that the plan would make otherwise. ``precision`` is
    what the codes of training pictures are computed in. ``int8`` has the job lay 8 bits over the
    result's graph too, as ``zoo quantize`` does. ``is_anew`` has the network built and proven once
    more even where what a fine-tune before it kept would do.

    Raises:
        Invalid: an option has no meaning for the strategy, or what is to stay frozen is replaced.
        ModelNotFound, RevisionNotFound, DatasetNotFound, JobNotFound: there is no such thing.
        NotRunnable: the revision has no network that could be built.
        LayerNotFound: it has no such layer as codes are to be taken at, or frozen up to.
        Unsupported: it has several inputs or outputs, or is dense without the cells that see
            padding.
        OneClass, TooFewPictures, ClassesDiffer: nothing can be learned from the dataset.
        BadName: the new model cannot be called so.
        Forbidden: the caller may not write what belongs to its owner.
    """
    check_options(strategy, overrides, layer, classifier)
    pictures = get_dataset(zoo, dataset)
    check_dataset(pictures)
    if overrides.devices is not None and zoo.terms.needs.gpus is None:
        needs = replace(zoo.terms.needs, gpus=overrides.devices)
        zoo = replace(zoo, terms=replace(zoo.terms, needs=needs))
    request = {
        "model": model,
        "dataset": pictures.address,
        "name": name,
        "seed": seed,
        "layer": layer,
        "classifier": classifier.value,
        "strategy": strategy.value,
        "training": overrides.as_json(),
        **({} if precision is CodesPrecision.AUTO else {"precision": precision.value}),
        **({"int8": True} if int8 else {}),
        **({"anew": True} if is_anew else {}),
    }
    return enqueue_request(zoo, JobKind.FINETUNE, request, settle_finetune)


def check_request(  # noqa: PLR0913  # what would be fitted to what, and how
    zoo: Zoo,
    model: str,
    dataset: str,
    *,
    name: str | None = None,
    layer: str = CODES,
    classifier: Classifier = Classifier.LOGISTIC,
    strategy: Strategy = Strategy.PROBE,
    overrides: Overrides = NOTHING,
) -> dict[str, Any]:
    """Check a fine-tune as ``enqueue_finetune`` does, and queue nothing.

    Returns:
        The model, the dataset and the name of the result, for good.

    Raises:
        As ``enqueue_finetune``.
    """
    request = {
        "model": model,
        "dataset": dataset,
        "name": name,
        "layer": layer,
        "classifier": classifier.value,
        "strategy": strategy.value,
        "training": overrides.as_json(),
    }
    settled = settle_finetune(zoo, request)
    return {key: settled[key] for key in ("model", "dataset", "name")}


def settle_finetune(zoo: Zoo, request: Request) -> dict[str, Any]:
    """Check a request for a fine-tune, and name revision, dataset and result for good.

    Raises:
        As ``enqueue_finetune``.
    """
    overrides = Overrides(**request.get("training", {}))
    strategy, classifier = Strategy(request["strategy"]), Classifier(request["classifier"])
    check_options(strategy, overrides, request["layer"], classifier)
    revision = get_revision(zoo, request["model"])
    config = read_config(zoo, revision)
    check_finetune(zoo, revision, config)
    named = [request["layer"]] if request["layer"] not in {CODES, BEST, ALL} else []
    check_layers(zoo, revision, config, [*named, *([overrides.freeze] if overrides.freeze else [])])
    if overrides.freeze:
        check_freeze(zoo, revision, config, overrides.freeze, layer=request["layer"])
    pictures = get_dataset(zoo, request["dataset"])
    check_dataset(pictures)
    called = check_model_name(request["name"] or finetuned_name(revision, pictures))
    check_target(zoo, called, parent=revision.address)
    settled = {"model": revision.address, "dataset": pictures.address, "name": called}
    return {**request, **settled}


def check_options(
    strategy: Strategy,
    overrides: Overrides,
    layer: str = "codes",
    classifier: Classifier = Classifier.LOGISTIC,
) -> None:
    """Check what is asked of a fine-tune as far as that takes no model and no dataset.

    Raises:
        Invalid: an option is out of its range, or has no meaning for the strategy.
    """
    check_overrides(strategy, overrides, layer, classifier)
    if overrides.init is not None:
        # Schemes draw filters, for which NumPy has to come.
        from zoo.filters.scheme import parse_scheme  # noqa: PLC0415

        parse_scheme(overrides.init)


def check_finetune(zoo: Zoo, revision: Revision, config: ModelConfig) -> None:
    """Check that a revision has a network which can be built, gives codes and can be trained.

    Raises:
        NotRunnable: it has none, or one that reads no picture.
        Unsupported: it has several inputs or outputs, or is dense without the cells that see
            padding.
    """
    if config.recipe.source.kind in SERVED_AS_IT_IS:
        raise NotRunnable(
            f"{revision.address} is served as it came and cannot be trained.",
            hint="Its card names the operations that are in the way: zoo show MODEL --card",
            revision=revision.address,
        )
    if revision.find_file(WEIGHTS) is None:
        raise NotRunnable(f"{revision.address} has no {WEIGHTS}.", revision=revision.address)
    check_trainable(revision, config)
    check_ends(zoo, revision)


def check_ends(zoo: Zoo, revision: Revision) -> None:
    """Refuse a network that reads or gives several things, as far as its graph tells.

    Raises:
        Unsupported: it does; what could be done is told.
    """
    # Classifiers have one of each. Others may, too: a map of scores, say.
    if revision.summary.get("runs") != NETWORK or revision.find_file(GRAPH) is None:
        return
    # It brings NumPy, which queueing does without for classifiers.
    from zoo.formats.onnx.reading import read_onnx  # noqa: PLC0415

    graph = read_onnx(get_file(zoo, revision, GRAPH)[1], name=GRAPH)
    inputs = [one.name for one in graph.inputs]
    outputs = [one.name for one in graph.outputs]
    if len(inputs) > 1:
        raise Unsupported(
            f"{revision.address} has {len(inputs)} inputs ({', '.join(inputs)}), not one picture.",
            hint="Use a network that reads one picture: zoo list --filter runs=classifier",
            revision=revision.address,
            inputs=inputs,
        )
    if len(outputs) > 1:
        raise Unsupported(
            f"{revision.address} has {len(outputs)} outputs ({', '.join(outputs)}), not one, so no"
            " one classifier that codes could be taken below.",
            hint="Keep the network up to one of them, and use that: zoo surgery cut"
            f" {revision.address} --layer {outputs[-1]}",
            revision=revision.address,
            outputs=outputs,
        )


def finetuned_name(revision: Revision, dataset: Dataset) -> str:
    """Name the model that comes of a fine-tune: the parent's name and the dataset's."""
    return join_name(revision.model, dataset.name.rpartition("/")[2], otherwise="fine-tuned")
