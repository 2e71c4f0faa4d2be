"""The report of an evaluation: figures as JSON and Markdown, and sheets of pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zoo.domain.unequal import tell_unequal
from zoo.images.confusion import draw_confusion
from zoo.images.contact_sheet import MOST, Tile, draw_sheet
from zoo.operations.evaluate import OTHER, Evaluation, Said, compare_models, read_for
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo
from zoo.operations.predict import find_predictor, open_service
from zoo.training.metrics import Accuracy

LISTED = 20  # wrong pictures in the Markdown
EVALUATION = "eval.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """All figures of an evaluation, and the files that tell of them."""

    told: dict[str, Any]  # with plain JSON types
    files: Mapping[str, bytes] = field(default_factory=dict)  # by name; none where none are wanted
    notes: tuple[str, ...] = ()  # what could not be drawn, a sentence each


def tell_evaluation(evaluation: Evaluation, against: Evaluation | None) -> dict[str, Any]:
    """Give all figures with plain JSON types; ``against`` is another model on the same pictures."""
    told = evaluation.as_json()
    if against is not None:
        comparison, sentence = compare_models(evaluation, against)
        told["comparison"] = {
            **asdict(comparison),
            "against": against.model,
            "accuracy": asdict(against.metrics.accuracy),
            "told": sentence,
        }
    return told


def write_evaluation(told: dict[str, Any], evaluation: Evaluation) -> dict[str, bytes]:
    """Write the report's files but for the sheets, by their names."""
    metrics = evaluation.metrics
    columns = [*evaluation.classes, OTHER][: len(metrics.confusion[0])]
    return {
        EVALUATION: json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n",
        "eval.md": _markdown(told, evaluation).encode(),
        "confusion.png": draw_confusion(
            np.array(metrics.confusion), list(evaluation.classes), columns
        ),
    }


def read_wrong(zoo: Zoo, evaluation: Evaluation) -> tuple[list[Said], list[Any]]:
    """Give the wrong pictures that a sheet has room for, and their pixels as the model saw them."""
    wrong = evaluation.wrong[:MOST]
    revision = get_revision(zoo, evaluation.model)
    predictor = find_predictor(zoo, open_service(zoo), revision)
    return wrong, [read_for(zoo, predictor, one.picture) for one in wrong]


def draw_wrong(wrong: Sequence[Said], pixels: Sequence[Any]) -> bytes:
    """Draw wrong pictures as one sheet, with what they are and what was said."""
    return draw_sheet(
        [
            Tile(
                pixels=seen,
                lines=(
                    f"is {one.picture.label} ({one.truth_probability:.2f})",
                    f"said {one.label} ({one.probability:.2f})",
                ),
            )
            for one, seen in zip(wrong, pixels, strict=True)
        ]
    )


def _markdown(told: dict[str, Any], evaluation: Evaluation) -> str:
    metrics, unequal = evaluation.metrics, tell_unequal(told.get("unequal"))
    paragraphs = [
        f"# {evaluation.model.partition('@')[0]} on {evaluation.dataset.partition('@')[0]}",
        (
            f"`{evaluation.model}` on the {evaluation.split.value} pictures of "
            f"`{evaluation.dataset}`, by its ONNX graph ({evaluation.provider})."
        ),
        _table(
            ["measure", "value"],
            [
                ["accuracy", _share(metrics.accuracy)],
                *([["top-5", _share(evaluation.top5)]] if evaluation.top5 else []),
                ["log loss", f"{metrics.log_loss:.4f}"],
                ["expected calibration error", f"{metrics.calibration_error:.4f}"],
            ],
        ),
        *([f"The classes are of unequal size: {unequal}."] if unequal else []),
        *([told["comparison"]["told"]] if "comparison" in told else []),
        "## Classes",
        _table(
            ["class", "right"],
            [[_cell(label), _share(one)] for label, one in metrics.per_class.items()],
        ),
        "## Wrong pictures, the surest first",
        _table(
            ["picture", "is", "said", "probability"],
            [
                [
                    _cell(one.picture.path),
                    _cell(one.picture.label),
                    _cell(one.label),
                    f"{one.probability:.3f}",
                ]
                for one in evaluation.wrong[:LISTED]
            ],
        ),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _share(one: Accuracy) -> str:
    return f"{one.value:.3f} ({one.low:.3f}..{one.high:.3f}), {one.right} of {one.total}"


def _cell(text: str) -> str:
    """Give a name as a cell of a table holds it."""
    shown = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
    return shown.replace("|", "\\|")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
