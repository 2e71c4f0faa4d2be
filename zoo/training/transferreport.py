"""The report of a transfer study: means over its seeds beside the published ones."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.training.transfer import Treatment

BASES = ("base A", "base B")
AT_CHANCE = 1.2  # times chance, up to which a base is said to have learned nothing
TREATMENTS = tuple(Treatment)

# Top-1 of Yosinski et al. 2014 on random halves of ImageNet by the number of layers taken over,
# from the logs published with the paper: the mean of the ten best validations of each network, then
# over networks. Frozen random layers were trained on all 1000 classes, where the base has .576.
PAPER_BASE, PAPER_BASE_OF_RANDOM = 0.6251, 0.576
PAPER: Mapping[Treatment, tuple[float, ...]] = {
    Treatment.BNB: (0.627, 0.624, 0.621, 0.605, 0.594, 0.619, 0.623),
    Treatment.ANB: (0.628, 0.624, 0.619, 0.600, 0.578, 0.581, 0.543),
    Treatment.BNB_PLUS: (0.618, 0.622, 0.631, 0.629, 0.630, 0.628, 0.627),
    Treatment.ANB_PLUS: (0.637, 0.636, 0.643, 0.640, 0.645, 0.646, 0.647),
    Treatment.RANDOM: (0.492, 0.403, 0.001, 0.019, 0.050, 0.014, 0.015),
}


def tell_transfer(about: Mapping[str, Any], runs: Mapping[str, float]) -> dict[str, Any]:
    """Give all figures with plain JSON types.

    ``about`` tells stages and seeds; ``runs`` are accuracies by ``run_name``. What was not run yet
    is left out.
    """
    seeds, count = about["seeds"], len(about["stages"])
    return {
        **about,
        "bases": {base: _over(runs, base, 0, seeds) for base in BASES},
        "treatments": {
            treatment.value: [_over(runs, treatment, n, seeds) for n in range(1, count + 1)]
            for treatment in TREATMENTS
        },
    }


def run_name(kind: str, stages: int, seed: int) -> str:
    """Name one training: ``AnB 3 0``; bases take 0 stages over."""
    return f"{kind} {stages} {seed}"


def accuracy_rows(told: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Give the head and the rows of the table of accuracies by what was taken over."""
    rows = [
        ["0", "base B: nothing", _tell(told["bases"]["base B"]), *[""] * (len(TREATMENTS) - 1)],
        *(
            [
                str(n),
                "up to " + ", ".join(stage["layers"]),
                *(_tell(told["treatments"][treatment][n - 1]) for treatment in TREATMENTS),
            ]
            for n, stage in enumerate(told["stages"], 1)
        ),
    ]
    return ["n", "taken over", *TREATMENTS], rows


def paper_rows() -> tuple[list[str], list[list[str]]]:
    """Give the head and the rows of the published table."""
    rows = [
        [str(n), *(f"{PAPER[treatment][n - 1]:.3f}" for treatment in TREATMENTS)]
        for n in range(1, len(PAPER[Treatment.BNB]) + 1)
    ]
    return ["n", *TREATMENTS], rows


def write_markdown(told: Mapping[str, Any], *, plot: str) -> str:
    """Write the report down; ``plot`` is the name of the picture beside it."""
    course = told["course"]
    paragraphs = [
        f"# How transferable the layers of {told['model'].partition('@')[0]} are",
        (
            f"Network of `{told['model']}`, begun by {told['init']}, reading pictures of mean 0 "
            f"and deviation 1. Task A: {told['tasks']['A']}. Task B: {told['tasks']['B']}. Every "
            f"network was trained for {course['epochs']} epochs in batches of {course['batch']}, "
            f"highest rate {course['rate']:g}, over {told['seeds']} seed(s). Accuracies are those "
            "on B's validation pictures after the last epoch; nothing was chosen by them. What "
            "stands behind +- is the standard deviation over the seeds."
        ),
        _table(*accuracy_rows(told)),
        f"![Accuracy by the number of stages taken over]({plot})",
        f"Base A has {_tell(told['bases']['base A'])} on its own task.",
        "## What it says",
        "\n".join(f"- {sentence}" for sentence in say(told)),
        "## The published experiment",
        (
            "AlexNet on random halves of ImageNet, 500 classes each (Yosinski et al., *How "
            f"transferable are features in deep neural networks?*, 2014). Base B: "
            f"{PAPER_BASE:.3f}; random layers were frozen below a network of 1000 classes, base "
            f"{PAPER_BASE_OF_RANDOM:.3f}. From the logs published with the paper."
        ),
        _table(*paper_rows()),
    ]
    return "\n\n".join(paragraphs) + "\n"


def say(told: Mapping[str, Any]) -> list[str]:
    """Say what the figures show, each sentence with its numbers."""
    base = told["bases"]["base B"]["mean"]
    means = {
        treatment: [one["mean"] for one in told["treatments"][treatment]]
        for treatment in TREATMENTS
    }
    if base is None or any(None in values for values in means.values()):
        return ["Not all networks are trained yet; run the same command again to go on."]
    if base <= AT_CHANCE * told["chance"]:
        found = f"The base has learned nothing: {base:.3f}, where chance is {told['chance']:.3f}."
        return [f"{found} Try a lower rate (--lr) or more epochs."]
    gain = statistics.fmean(means[Treatment.ANB_PLUS]) - base
    half = 1.96 * (base * (1 - base) / told["validation_pictures"]) ** 0.5
    count = len(told["stages"])
    between, stages, random, average = (
        ("{:.3f}", "the first stage", "come to {:.3f}", "")
        if count == 1
        else (
            "between {:.3f} and {:.3f}",
            f"the first {count} stages",
            "go from {:.3f} to {:.3f}",
            ", on average",
        )
    )
    sentences = (
        (
            f"Layers that stay frozen where they came from (BnB) come to {between};"
            " the base has {:.3f}. What is lost had been adapted to the layers above it."
        ),
        (
            f"With {stages} of A frozen (AnB) {{:.3f}} are left, with {stages} of B {{:.3f}}:"
            " the difference is what was particular to A."
        ),
        f"Layers of A that are trained on (AnB+) come to {{:+.3f}} beside the base{average}.",
        f"Random layers, frozen, {random}.",
        "An accuracy of {:.3f} on {} validation pictures is known to +- {:.3f} (95 %).",
    )
    figures: tuple[tuple[float, ...], ...] = (
        (*_ends(sorted(means[Treatment.BNB])), base),
        (means[Treatment.ANB][-1], means[Treatment.BNB][-1]),
        (gain,),
        _ends(means[Treatment.RANDOM]),
        (base, told["validation_pictures"], half),
    )
    return [text.format(*values) for text, values in zip(sentences, figures, strict=True)]


def _ends(values: Sequence[float]) -> tuple[float, ...]:
    """Give the first and the last of several values, or the only one."""
    return (values[0], values[-1]) if len(values) > 1 else tuple(values)


def _over(runs: Mapping[str, float], kind: str, stages: int, seeds: int) -> dict[str, Any]:
    found = [runs.get(run_name(kind, stages, seed)) for seed in range(seeds)]
    values = [value for value in found if value is not None]
    is_whole = len(values) == seeds
    return {
        "mean": statistics.fmean(values) if is_whole else None,
        "sd": statistics.stdev(values) if is_whole and seeds > 1 else None,
        "runs": values,
    }


def _tell(one: Mapping[str, Any]) -> str:
    if one["mean"] is None:
        return "-"
    return f"{one['mean']:.3f}" + (f" +- {one['sd']:.3f}" if one["sd"] is not None else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
