"""What laying fewer bits over a graph came to: every try, what was kept, and how that is told."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.config import WEIGHTS, ModelConfig
from zoo.domain.dataset import Dataset
from zoo.domain.quantization import PER_CENT, Precision, Setting
from zoo.domain.revision import Revision
from zoo.domain.unequal import carry_weighed
from zoo.export.cost import Cost
from zoo.export.int8 import LAYOUT
from zoo.export.ranges import Range
from zoo.operations.card import tell_preprocessing, write_card
from zoo.training.metrics import Accuracy, Comparison, compare, fall_interval, wilson

PACKAGES = ("zoo", "onnx", "numpy", "pillow", "cykooz-resizer")
CHEAPER = 1.1  # times, from which a graph is called cheaper than another
ABOUT_EQUAL = 1e-9  # points: what rounding may add to a fall
CARRIED = (
    "architecture",
    "classes",
    "parameters",
    "license",
    "source",
    "runs",
    "preprocessing",
    "dense",
)
KINDS = {
    Precision.INT8: "8-bit integers",
    Precision.FP16: "16-bit floating point",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What a graph says of the held-out pictures."""

    probabilities: NDArray[np.float32]  # N x K
    right: NDArray[np.bool_]

    @property
    def accuracy(self) -> Accuracy:
        """Give the share of right ones."""
        return wilson(int(self.right.sum()), len(self.right))


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One way of laying fewer bits over a graph, and how good what comes of it is."""

    setting: Setting | None  # 16 bits know one way only
    accuracy: Accuracy
    comparison: Comparison  # of the graph as it was, first, and this one
    top1_equal: int
    largest_difference: float  # of a probability
    mean_difference: float  # of a picture's largest one

    @classmethod
    def of(cls, setting: Setting | None, before: Answers, after: Answers) -> "Try":
        """Compare the answers of two graphs."""
        differences = np.abs(before.probabilities - after.probabilities).max(axis=1)
        best = before.probabilities.argmax(axis=1), after.probabilities.argmax(axis=1)
        return cls(
            setting=setting,
            accuracy=after.accuracy,
            comparison=compare(before.right, after.right),
            top1_equal=int((best[0] == best[1]).sum()),
            largest_difference=float(differences.max()),
            mean_difference=float(differences.mean()),
        )

    @property
    def fall_points(self) -> float:
        """Give how many points of accuracy it costs."""
        found = self.comparison
        return PER_CENT * (found.only_first - found.only_second) / self.accuracy.total

    @property
    def fall_interval_points(self) -> tuple[float, float]:
        """Give the 95 % interval of that."""
        low, high = fall_interval(self.comparison)
        return PER_CENT * low, PER_CENT * high

    def is_within(self, gate_points: float) -> bool:
        """Tell whether it costs no more than is allowed."""
        return self.fall_points <= gate_points + ABOUT_EQUAL

    def __str__(self) -> str:
        """Say it."""
        found = self.comparison
        what = f"{self.setting}: " if self.setting else ""
        return (
            f"{what}{self.accuracy.right} of {self.accuracy.total} right,"
            f" {_points(self.fall_points)}; alone right: {found.only_second}, before"
            f" {found.only_first} (McNemar's exact p = {found.p:.2g}); the same best class on"
            f" {self.top1_equal}"
        )

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {
            "setting": self.setting.as_json() if self.setting else None,
            "accuracy": asdict(self.accuracy),
            "fall_points": self.fall_points,
            "fall_interval_points": list(self.fall_interval_points),
            "mcnemar": asdict(self.comparison),
            "top1_equal": self.top1_equal,
            "largest_difference": self.largest_difference,
            "mean_difference": self.mean_difference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Which pictures ranges were measured on, and what they came to."""

    pictures: int
    digest: str  # sha256 of the pictures' digests, in order
    seed: int
    ranges: dict[str, Range]  # of the setting that was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """A graph of fewer bits that stayed within the gate, and all there is to tell of it."""

    parent: Revision
    dataset: Dataset
    config: ModelConfig
    precision: Precision
    gate_points: float
    before: Accuracy
    tries: tuple[Try, ...]  # the last one was kept
    calibration: Calibration | None  # None where no ranges are needed
    costs: tuple[Cost, ...]
    made_of: str  # digest of the graph it was made of
    sizes_bytes: tuple[int, int]  # of both graphs

    @property
    def kept(self) -> Try:
        """The try that stayed within the gate."""
        return self.tries[-1]

    @property
    def title(self) -> str:
        """Name it for people."""
        return f"{self.parent.model}, {self.precision.value}"

    def notes(self) -> list[str]:
        """Tell what is not as one might expect."""
        return [*tell_doubt(self.kept, self.gate_points), *self._told_speed()]

    def as_json(self) -> dict[str, Any]:
        """Give the content of quantization.json."""
        return {
            "precision": self.precision.value,
            "parent": self.parent.address,
            "dataset": self.dataset.address,
            "graph_made_of": self.made_of,
            "layout": LAYOUT,
            "gate_points": self.gate_points,
            "held_out_pictures": self.before.total,
            "accuracy_before": asdict(self.before),
            **{key: value for key, value in self.kept.as_json().items() if key != "setting"},
            "setting": self.kept.setting.as_json() if self.kept.setting else None,
            "tried": [one.as_json() for one in self.tries],
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "size_bytes": {"before": self.sizes_bytes[0], "after": self.sizes_bytes[1]},
            "cost": [cost.as_json() for cost in self.costs],
            "weights": f"{WEIGHTS} holds the parent's numbers of 32 bits, which the graph's were"
            " computed from.",
            "notes": self.notes(),
            "versions": {
                **{name: version(name) for name in PACKAGES},
                "onnxruntime": runtime_version(),
            },
        }

    def summary(self) -> dict[str, Any]:
        """Give what lists and searches show."""
        carried = {key: self.parent.summary[key] for key in CARRIED if key in self.parent.summary}
        return {
            **carried,
            **carry_weighed(self.parent.summary),
            "precision": self.precision.value,
            "accuracy": asdict(self.kept.accuracy),
            "accuracy_before": asdict(self.before),
            "size_bytes": self.sizes_bytes[1],
            "size_bytes_before": self.sizes_bytes[0],
            "cost": [cost.as_json() for cost in self.costs],
            "notes": self.notes(),
        }

    def card(self) -> str:
        """Write the card."""
        front = {
            "license": self.parent.summary.get("license"),
            "base_model": self.parent.address,
            "datasets": [self.dataset.address],
            "tags": ["image-classification", self.precision.value],
            "pipeline_tag": "image-classification",
            "metrics": [{"accuracy": asdict(self.kept.accuracy)}],
            "labels": list(self.config.label_names),
        }
        notes = "\n".join(f"- {note}" for note in self.notes())
        body = [
            self._told_files(),
            self._told_accuracy(),
            *self._told_calibration(),
            self._told_cost(),
            f"What to know:\n\n{notes}" if notes else "",
            tell_preprocessing(self.config.preprocessing),
        ]
        return write_card(front, self.title, body)

    def _told_files(self) -> str:
        return (
            f"`model.onnx` is the graph of `{self.parent.address}` in {KINDS[self.precision]}."
            f" `{WEIGHTS}` holds the parent's numbers of 32 bits, which the graph's were computed"
            " from; fine-tuning goes on from those."
        )

    def _told_accuracy(self) -> str:
        kept, before = self.kept, self.before
        low, high = kept.fall_interval_points
        return (
            f"On {before.total} held-out pictures of `{self.dataset.name}` {kept.accuracy.right}"
            f" are right ({kept.accuracy.value:.3f}, {kept.accuracy.low:.3f} to"
            f" {kept.accuracy.high:.3f} at 95 %), {before.right} before ({before.value:.3f}):"
            f" {_points(kept.fall_points)}, where {self.gate_points:g} were allowed; the interval"
            f" of the loss is {low:.2f} to {high:.2f} points. {kept.comparison.only_first} pictures"
            f" are right only before, {kept.comparison.only_second} only now (McNemar's exact p ="
            f" {kept.comparison.p:.2g}). The best class is the same on {kept.top1_equal}; the"
            f" largest probability of a picture moves by {kept.mean_difference:.1e} on average."
        )

    def _told_calibration(self) -> list[str]:
        if self.calibration is None:
            return []
        failed = "".join(f"\n- {one}" for one in self.tries[:-1])
        drawn = (
            f"Ranges were measured on {self.calibration.pictures} training pictures drawn with seed"
            f" {self.calibration.seed}; none of them is among those held out. Kept:"
            f" {self.kept.setting}."
        )
        return [drawn, f"Tried before, and beyond the gate:\n{failed}" if failed else ""]

    def _told_cost(self) -> str:
        rows = [
            f"| {cost.threads} | {cost.before_cpu_ms:.2f} | {cost.after_cpu_ms:.2f}"
            f" | {cost.ratio:.2f} |"
            for cost in self.costs
        ]
        before, after = self.sizes_bytes
        head = [
            "| threads | CPU ms before | CPU ms now | times fewer |",
            "| --- | --- | --- | --- |",
        ]
        return (
            f"The graph has {after:,} bytes, {before:,} before. A picture costs:\n\n"
            + "\n".join([*head, *rows])
        )

    def _told_speed(self) -> list[str]:
        ratio = self.costs[0].ratio
        if self.precision is Precision.FP16:
            return ["16 bits are for GPUs: on a CPU the graph is computed in 32 bits all the same."]
        if ratio >= CHEAPER:
            return []
        slower = f"the graph costs {1 / ratio:.2f} times what it did in 32 bits"
        note = f"On the CPU that measured it {slower}: 8 bits pay on CPUs with VNNI or AMX."
        return [note]


def tell_doubt(kept: Try, gate_points: float) -> list[str]:
    """Tell where the held-out pictures are too few to say that the gate is kept."""
    _, high = kept.fall_interval_points
    if high <= gate_points:
        return []
    total = kept.accuracy.total
    one = f"one picture is {PER_CENT / total:.2g}"
    told = f"{total} held-out pictures are too few to tell a loss of {gate_points:g} points"
    return [f"{told}: {one}, and with 95 % the loss may be up to {high:.2g}."]


def tell_tries(tries: Sequence[Try]) -> str:
    """List what was tried, for an error."""
    return "; ".join(str(one) for one in tries)


def runtime_version() -> str:
    """Tell the version of ONNX Runtime, whichever of its builds is installed."""
    import onnxruntime  # noqa: PLC0415  # slow to import

    told: str = onnxruntime.__version__
    return told


def _points(fall: float) -> str:
    if fall > 0:
        return f"{fall:.2f} points fewer"
    return f"{-fall:.2f} points more" if fall < 0 else "as many as before"
