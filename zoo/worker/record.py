"""What is written down about a fine-tune: training.json, the summary, the card."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from zoo.domain.config import WEIGHTS, ModelConfig
from zoo.domain.dataset import Dataset, Split
from zoo.domain.plan import Plan
from zoo.domain.revision import Revision
from zoo.domain.unequal import tell_unequal
from zoo.export.parity import Parity
from zoo.operations.card import tell_preprocessing, write_card
from zoo.operations.training_report import write_report
from zoo.training.finetune import Fit
from zoo.training.metrics import Accuracy, Metrics, find_unequal
from zoo.worker.gallery import Wrong
from zoo.worker.tapped import Tapped
from zoo.worker.unchanged import Unchanged

if TYPE_CHECKING:
    from zoo.worker.outcome import Trained  # with torch, which a record does without

PACKAGES = ("zoo", "torch", "onnx", "scikit-learn", "numpy", "pillow", "cykooz-resizer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything a fine-tune has to tell."""

    parent: Revision
    dataset: Dataset
    plan: Plan
    tapped: Tapped
    config: ModelConfig
    fit: Fit
    parity: Parity
    parameters: int
    cpu_s: float
    digest: str  # of the weights
    unchanged: Unchanged
    request: Mapping[str, Any]  # what was asked for
    trained: "Trained | None" = None
    wrong: tuple[Wrong, ...] = ()  # validation pictures, the surest first
    gallery: bytes | None = None  # a sheet of them, as JPEG

    def training(self) -> dict[str, Any]:
        """Give the content of training.json."""
        return {
            "request": dict(self.request),
            "plan": self.plan.as_json(),
            "parent": self.parent.address,
            "dataset": self.dataset.address,
            "classes": list(self.dataset.classes),
            "counts": self.dataset.counts(),
            "split_source": self.dataset.split_source,
            "codes": self.tapped.as_json(),
            "head": self.fit.probe.as_json(),
            "outcome": self.trained.as_json() if self.trained else None,
            "unchanged": asdict(self.unchanged),
            "metrics": {
                split.value: metrics.as_json() | self._unequal(metrics)
                for split, metrics in self.fit.metrics.items()
            },
            "wrong": [one.as_json() for one in self.wrong],
            "parity": self.parity.as_json(),
            "digests": self._digests(),
            "cost": {"cpu_s": round(self.cpu_s, 2)},
            "versions": {
                **{name: version(name) for name in PACKAGES},
                "onnxruntime": self.parity.onnxruntime,
            },
        }

    def summary(self) -> dict[str, Any]:
        """Give what lists and searches show.

        Where classes are of unequal size, here or in the fit, it tells whether they were weighed.
        """
        unequal = self._unequal(self.fit.metrics[Split.VAL])
        is_told = bool(unequal) or self.plan.balanced
        return {
            "architecture": self.config.architecture,
            "classes": len(self.config.label_names),
            "parameters": self.parameters,
            "license": self.parent.summary.get("license"),
            "source": self.config.recipe.source.kind,
            "strategy": self.plan.strategy.value,
            "accuracy": asdict(self.accuracy),
            **unequal,
            **({"balanced": self.plan.balanced} if is_told else {}),
            "parity": self.parity.max_abs_difference,
            **({"verdict": str(self.trained.verdict)} if self.trained else {}),
        }

    def _digests(self) -> dict[str, str | None]:
        before = self.parent.find_file(WEIGHTS)
        return {"parent": before.digest if before else None, "result": self.digest}

    @property
    def accuracy(self) -> Accuracy:
        """The accuracy on the validation pictures."""
        return self.fit.metrics[Split.VAL].accuracy

    def _unequal(self, metrics: Metrics) -> dict[str, Any]:
        """Give what an accuracy is to be read beside, where classes are of unequal size."""
        found = find_unequal(metrics, is_weighed=self.plan.balanced)
        return {"unequal": found.as_json()} if found else {}

    @property
    def title(self) -> str:
        """Name it for people."""
        return f"{self.parent.model} fine-tuned on {self.dataset.name}"

    def report(self) -> str:
        """Give the content of the report."""
        return write_report(self.training(), self.title, self.gallery)

    def _index(self) -> dict[str, Any]:
        """Give the results as the Hub's cards tell them."""
        found = self.fit.metrics[Split.VAL]
        interval = f"{found.accuracy.low:.3f} to {found.accuracy.high:.3f} at 95 %"
        name, _, revision = self.dataset.address.partition("@")
        return {
            "name": self.title,
            "results": [
                {
                    "task": {"type": "image-classification"},
                    "dataset": {
                        "name": name,
                        "type": name,
                        "revision": revision,
                        "split": Split.VAL.value,
                    },
                    "metrics": [
                        {
                            "type": "accuracy",
                            "value": found.accuracy.value,
                            "name": f"accuracy ({interval})",
                        },
                        *self._balanced(),
                        {"type": "log_loss", "value": found.log_loss},
                        {"type": "expected_calibration_error", "value": found.calibration_error},
                    ],
                }
            ],
        }

    def _balanced(self) -> list[dict[str, Any]]:
        """Give the balanced accuracy as a metric of the card, where classes are unequal."""
        found = self._unequal(self.fit.metrics[Split.VAL]).get("unequal")
        if found is None:
            return []
        always = f"always {found['label']!r}: accuracy {found['share']:.3f}"
        name = f"balanced accuracy ({always})"
        return [{"type": "balanced_accuracy", "value": found["balanced_accuracy"], "name": name}]

    def card(self) -> str:
        """Give the content of the card."""
        front = {
            "license": self.parent.summary.get("license"),
            "base_model": self.parent.address,
            "datasets": [self.dataset.address],
            "tags": ["image-classification", self.plan.strategy.value],
            "pipeline_tag": "image-classification",
            "metrics": [{"accuracy": asdict(self.accuracy)}],
            "model-index": [self._index()],
            "labels": list(self.config.label_names),
        }
        paragraphs = [
            self._told_accuracy(),
            "\n".join(f"- {reason}" for reason in self.plan.because),
            *self._told_depth(),
            *self._told_outcome(),
            self._told_classes(),
            f"{self._told_parity()} {self.unchanged}.",
            tell_preprocessing(self.config.preprocessing),
        ]
        return write_card(front, self.title, paragraphs)

    def _told_accuracy(self) -> str:
        accuracy = self.accuracy
        return (
            f"Accuracy {accuracy.value:.3f}: {accuracy.right} of {accuracy.total} validation "
            f"pictures, none of which took part in any choice. The 95 % interval (Wilson) is "
            f"{accuracy.low:.3f} to {accuracy.high:.3f}.{self._told_unequal()} Its probabilities "
            f"are off by {self.fit.metrics[Split.VAL].calibration_error:.3f} on average (expected "
            f"calibration error){self._told_temperature()}."
        )

    def _told_unequal(self) -> str:
        told = tell_unequal(self._unequal(self.fit.metrics[Split.VAL]).get("unequal"))
        return f" The classes are of unequal size: {told}." if told else ""

    def _told_temperature(self) -> str:
        calibration = self.fit.probe.calibration
        if calibration is None:
            return ""
        return (
            f"; scores are divided by a temperature of {calibration.temperature:.2g}, found on "
            "training pictures held out in turn"
        )

    def _told_depth(self) -> list[str]:
        """Tell what the choice of a layer rests on, where one was chosen."""
        if not self.tapped.depth:
            return []
        rows = [
            f"| {point.layer} | {point.codes} | {point.judged:.3f} +- {point.judged_error:.3f} |"
            for point in self.tapped.depth
        ]
        what = "balanced accuracy" if self.plan.balanced else "accuracy"
        head = [f"| codes of | numbers | held-out {what} |", "| --- | --- | --- |"]
        return ["\n".join([*head, *rows]), f"Codes are taken at: {', '.join(self.tapped.taps)}."]

    def _told_outcome(self) -> list[str]:
        """Tell how a training went, and whether it paid."""
        if self.trained is None:
            return []
        trained, verdict = self.trained, str(self.trained.verdict)
        rows = [
            f"| {one.epoch} | {one.rate:.2f} "
            f"| {'' if one.training_loss is None else format(one.training_loss, '.3f')} "
            f"| {one.held_out_loss:.3f} | {one.held_out_accuracy:.3f} |"
            for one in trained.curve
        ]
        head = [
            "| epoch | share of the rates | training loss | held-out loss | held-out accuracy |",
            "| --- | --- | --- | --- | --- |",
        ]
        kept = f"{trained.share:.0%} of the way from the first weights to the trained ones"
        return [
            f"{verdict[0].upper()}{verdict[1:]}.",
            "\n".join([*head, *rows]),
            f"Kept: {kept}.",
        ]

    def _told_classes(self) -> str:
        rows = [
            f"| {label} | {one.right} of {one.total} | {one.low:.3f} to {one.high:.3f} |"
            for label, one in self.fit.metrics[Split.VAL].per_class.items()
        ]
        return "\n".join(["| class | right | 95 % interval |", "| --- | --- | --- |", *rows])

    def _told_parity(self) -> str:
        parity, total = self.parity, self.accuracy.total
        pictures = f"{parity.pictures} validation pictures"
        if parity.pictures < total:
            pictures = f"{pictures}, evenly from all {total}"
        told = (
            f"`model.onnx` was compared with the network in torch on "
            f"{'all ' if parity.pictures == total else ''}{pictures}{self._told_whole()}: "
            f"the best class is the same on {parity.top1_equal}, and no probability differs by "
            f"more than {parity.max_abs_difference:.1e} "
            f"(ONNX Runtime {parity.onnxruntime}, {parity.provider})."
        )
        if parity.pictures < total:
            told += " What is told of the validation pictures is what `model.onnx` says of them."
        return told

    def _told_whole(self) -> str:
        """Tell how many pictures went through the whole graph, where not all did."""
        parity = self.parity
        if parity.whole == parity.pictures:
            return ""
        return (
            f", by the codes that its unchanged body gave of them in both before, and for "
            f"{parity.whole} of them by the whole graph again"
        )
