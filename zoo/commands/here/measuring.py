"""What is measured on this machine and waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.commands.here.opened import OverZoo
from zoo.operations import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import Any

    from zoo.domain.dataset import Split
    from zoo.operations.evaluation_report import EvaluationReport
    from zoo.operations.heat import HeatOptions, HeatReport
    from zoo.operations.measuring import InitStudy, KeptReference, TransferStudy
    from zoo.operations.scrub import Fault, Repaired, Verified
    from zoo.operations.verbs import StepReport


class Measuring(OverZoo):
    """Pictures in, what is seen where out; and what measures and is waited for."""

    __slots__ = ()

    def draw_heat(
        self, address: str, picture: tuple[str, Path], options: HeatOptions
    ) -> HeatReport:
        """Draw where on a picture, given as (name, file), a class is, and tell of it."""
        from zoo.operations.heat import report_heat  # noqa: PLC0415
        from zoo.operations.predict import open_service  # noqa: PLC0415

        return report_heat(self.zoo, open_service(self.zoo), address, picture, options)

    def evaluate(
        self,
        model: str,
        dataset: str,
        *,
        split: Split,
        against: str | None,
        is_written: bool,
        report: StepReport,
    ) -> EvaluationReport:
        """Measure a model, with ``is_written`` also as files."""
        from zoo.operations.evaluation_report import (  # noqa: PLC0415
            EvaluationReport,
            tell_evaluation,
        )
        from zoo.worker.evaluate import evaluate_both, report_evaluation

        found, other = evaluate_both(
            self.zoo,
            model,
            against,
            dataset=dataset,
            split=split,
            report=lambda *far: report("predict", "pictures", *far),
        )
        if not is_written:
            return EvaluationReport(told=tell_evaluation(found, other))
        return report_evaluation(self.zoo, found, other, has_pictures=True)

    def take_codes(
        self,
        model: str,
        dataset: str,
        *,
        layers: Sequence[str],
        is_all: bool,
        splits: Sequence[Split],
        report: StepReport,
    ) -> tuple[bytes, list[tuple[str, int]]]:
        """Give codes as the bytes of an .npz, and how many each layer has."""
        # It needs torch, and takes seconds to come.
        from zoo.worker.codes import write_codes

        return write_codes(
            self.zoo,
            model,
            dataset,
            layers=layers,
            is_all=is_all,
            splits=splits,
            report=lambda *far: report("codes", "pictures", *far),
        )

    def keep_reference(self, model: str, pictures: Path, *, report: StepReport) -> KeptReference:
        """Keep what a folder or archive of pictures is to a model's network."""
        # It needs torch, and takes seconds to come.
        from zoo.worker.reference import keep_reference

        return keep_reference(
            self.zoo,
            model,
            pictures,
            lambda done, total: report("codes", "files", done, total),
            source=pictures.absolute().name,
        )

    def study_init(
        self, dataset: str, study: InitStudy, folder: Path, *, report: StepReport
    ) -> dict[str, Any]:
        """Compare how filters may begin; the report is written into an empty folder."""
        from zoo.worker.init_study import options_of, study_schemes, write_study

        told = study_schemes(self.zoo, dataset, options_of(study), report)
        write_study(told, folder)
        return told

    def study_transfer(
        self,
        model: str,
        datasets: tuple[str, str],
        study: TransferStudy,
        folder: Path,
        *,
        report: StepReport,
    ) -> dict[str, Any]:
        """Measure how far layers transfer; a folder that was begun is gone on with."""
        from zoo.worker.transfer_study import options_of, study_transfer

        return study_transfer(self.zoo, model, datasets, options_of(study), folder, report=report)

    def verify(self, address: str, *, reference: Path | None, report: StepReport) -> Verified:
        """Prove once more that a revision is what it says; no step of it takes long."""
        from zoo.operations.scrub import Verified  # noqa: PLC0415
        from zoo.worker.verify import verify  # needs torch

        del report
        revision = fetch.get_revision(self.zoo, address)
        checks = tuple(verify(self.zoo, revision, reference=reference))
        return Verified(revision=revision.address, checks=checks)

    def verify_all(self, *, quarantines: bool, report: StepReport) -> list[Fault]:
        """Read every byte, and give what is missing or damaged."""
        from zoo.operations.scrub import scrub  # noqa: PLC0415

        return scrub(
            self.zoo,
            quarantines=quarantines,
            report=lambda *far: report("verify", "blobs", *far),
        )

    def repair(self, paths: Iterable[Path], *, report: StepReport) -> Repaired:
        """Put bytes that are missing or damaged back from files."""
        from zoo.operations.scrub import repair  # noqa: PLC0415

        del report
        return repair(self.zoo, paths)
