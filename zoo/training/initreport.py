"""The report of a study of schemes: figures over its seeds, as JSON, as Markdown, as lines."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoo.filters.scheme import parse_scheme
from zoo.filters.table import DRAWN, FROM_PICTURES, FROM_SOURCE
from zoo.training.initstudy import BATCH, LAYERS, MOMENTUM, WIDTHS, Run, Study

SHOWN_EPOCHS = (1, 3, 5, 10, 20, 50, 100)  # and the last one


def tell_study(
    study: Study, runs: Mapping[str, Sequence[Run]], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Give all figures with plain JSON types; ``about`` is what the pictures are.

    Standard deviations over one seed are None.
    """
    return {
        **about,
        "network": f"3 convolutions of {', '.join(map(str, WIDTHS))} filters of 3 x 3 with ReLU, "
        "2 poolings, 1 fully connected layer",
        "training": {
            "epochs": study.epochs,
            "seeds": study.seeds,
            "rate": study.rate,
            "momentum": MOMENTUM,
            "batch": BATCH,
        },
        "schemes": [_tell_scheme(scheme, runs[str(scheme)]) for scheme in study.schemes],
    }


def accuracy_rows(told: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Give the head and the rows of the table of accuracies by epoch: ``0.926 +- 0.011``."""
    epochs = shown_epochs(told["training"]["epochs"])
    head = ["scheme", *(f"epoch {epoch}" for epoch in epochs)]
    rows = []
    for one in told["schemes"]:
        accuracy = one["accuracy"]
        pairs = ((accuracy["mean"][at - 1], accuracy["sd"][at - 1]) for at in epochs)
        rows.append([one["scheme"], *(_with_spread(*pair) for pair in pairs)])
    return head, rows


def spread_rows(told: Mapping[str, Any], key: str) -> tuple[list[str], list[list[str]]]:
    """Give the head and the rows of a table of deviations by layer."""
    rows = [
        [one["scheme"], *(f"{value:.2g}" for value in one[key].values())] for one in told["schemes"]
    ]
    return ["scheme", *LAYERS], rows


def shown_epochs(epochs: int) -> list[int]:
    """Choose the epochs that a table shows."""
    return [*(epoch for epoch in SHOWN_EPOCHS if epoch < epochs), epochs]


def write_markdown(told: Mapping[str, Any], *, plot: str) -> str:
    """Write the report down; ``plot`` is the name of the picture beside it."""
    training = told["training"]
    paragraphs = [
        f"# How filters may begin: {told['dataset'].partition('@')[0]}",
        (
            f"Dataset `{told['dataset']}`: {told['training_pictures']} training pictures, "
            f"{told['validation_pictures']} validation pictures, {told['classes']} classes, "
            f"{told['side_px']} x {told['side_px']} pixels, {told['channels']}. "
            f"Chance is {told['chance']:.3f}."
        ),
        (
            f"Network: {told['network']}. Trained by gradient descent, rate {training['rate']:g}, "
            f"momentum {training['momentum']:g}, batches of {training['batch']}, "
            f"{training['epochs']} epochs, {training['seeds']} seeds; only the beginning differs."
        ),
        "## Accuracy on the validation pictures, by epoch",
        _table(*accuracy_rows(told)),
        f"![Accuracy by epoch]({plot})",
        "## Standard deviation of activations before training, behind each layer's ReLU",
        _table(*spread_rows(told, "activation_std")),
        "## Standard deviation of each weight's gradient, at the first step",
        _table(*spread_rows(told, "gradient_std")),
        "## The schemes",
        _table(["scheme", "filters begin as"], [[o["scheme"], o["told"]] for o in told["schemes"]]),
    ]
    diverged = [one["scheme"] for one in told["schemes"] if one["diverged"]]
    if diverged:
        paragraphs.append(f"Numbers overflowed while training from: {', '.join(diverged)}.")
    return "\n\n".join(paragraphs) + "\n"


def _tell_scheme(scheme: object, runs: Sequence[Run]) -> dict[str, Any]:
    epochs = list(zip(*(run.accuracies for run in runs), strict=True))
    return {
        "scheme": str(scheme),
        "told": _formula(str(scheme)),
        "accuracy": {
            "mean": [statistics.fmean(values) for values in epochs],
            "sd": [statistics.stdev(values) if len(values) > 1 else None for values in epochs],
            "runs": [list(run.accuracies) for run in runs],
        },
        "activation_std": _means(run.activations for run in runs),
        "gradient_std": _means(run.gradients for run in runs),
        "diverged": sum(not run.is_finite for run in runs),
    }


def _formula(text: str) -> str:
    scheme = parse_scheme(text)
    row = DRAWN.get(scheme.name)
    told = row.told if row else (FROM_PICTURES | FROM_SOURCE)[scheme.name]
    return told + "; each layer scaled to outputs of variance 1 (LSUV)" * scheme.has_lsuv


def _means(runs: Iterator[Mapping[str, float]]) -> dict[str, float]:
    listed = list(runs)
    return {layer: statistics.fmean(run[layer] for run in listed) for layer in LAYERS}


def _with_spread(mean: float, deviation: float | None) -> str:
    return f"{mean:.3f}" if deviation is None else f"{mean:.3f} +- {deviation:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
