"""Jobs that are queued on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.commands.here.opened import OverZoo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo.domain.job import Job
    from zoo.domain.plan import Classifier, CodesPrecision, Strategy
    from zoo.domain.surgery import Cut, FoldBatchNorm, ReplaceHead
    from zoo.domain.training import Overrides
    from zoo.operations.advise import Kept
    from zoo.operations.create import CreateOptions
    from zoo.operations.import_ import Begun, ImportOptions
    from zoo.operations.quantize import QuantizeOptions
    from zoo.operations.reproduce import Repetition
    from zoo.operations.surgery import DenseOptions
    from zoo.operations.verbs import StepReport


class Enqueueing(OverZoo):
    """What jobs are asked for, and what came of them."""

    __slots__ = ()

    def enqueue_finetune(
        self,
        model: str,
        dataset: str,
        *,
        name: str | None,
        seed: int,
        layer: str,
        classifier: Classifier,
        strategy: Strategy,
        overrides: Overrides,
        int8: bool,
        precision: CodesPrecision,
    ) -> Job:
        """Queue a fine-tune."""
        from zoo.operations.finetune import enqueue_finetune  # noqa: PLC0415

        return enqueue_finetune(
            self.zoo,
            model,
            dataset,
            name=name,
            seed=seed,
            layer=layer,
            classifier=classifier,
            strategy=strategy,
            overrides=overrides,
            int8=int8,
            precision=precision,
        )

    def check_finetune(
        self,
        model: str,
        dataset: str,
        *,
        name: str | None,
        strategy: Strategy,
        overrides: Overrides,
    ) -> None:
        """Refuse a fine-tune that would be refused when it is queued."""
        from zoo.operations.finetune import check_request  # noqa: PLC0415

        check_request(self.zoo, model, dataset, name=name, strategy=strategy, overrides=overrides)

    def enqueue_quantize(self, model: str, dataset: str, options: QuantizeOptions) -> Job:
        """Queue a graph of fewer bits."""
        from zoo.operations.quantize import enqueue_quantize  # noqa: PLC0415

        return enqueue_quantize(self.zoo, model, dataset, options)

    def enqueue_alias(self, model: str, alias: str) -> Job:
        """Queue an alias."""
        from zoo.operations.alias import enqueue_alias  # noqa: PLC0415

        return enqueue_alias(self.zoo, model, alias)

    def begin_import(
        self, files: Mapping[str, Path], options: ImportOptions, *, report: StepReport
    ) -> Begun:
        """Read files, by their names, as a checkpoint; keeping them takes no time to tell of."""
        from zoo.operations.import_ import begin_import, stage_files  # noqa: PLC0415

        del report
        return begin_import(self.zoo, stage_files(self.zoo, files), options)

    def enqueue_dense(self, model: str, options: DenseOptions) -> Job:
        """Queue the job that has a classifier read pictures of any size."""
        from zoo.operations.surgery import enqueue_dense  # noqa: PLC0415

        return enqueue_dense(self.zoo, model, options)

    def enqueue_surgery(
        self,
        model: str,
        surgery: ReplaceHead | Cut | FoldBatchNorm,
        *,
        name: str | None,
        labels: tuple[str, ...] | None,
    ) -> Job:
        """Queue a surgery."""
        from zoo.operations.surgery import enqueue_surgery  # noqa: PLC0415

        return enqueue_surgery(self.zoo, model, surgery, name=name, labels=labels)

    def enqueue_create(self, options: CreateOptions) -> Job:
        """Queue an architecture whose first numbers are drawn."""
        from zoo.operations.create import enqueue_create  # noqa: PLC0415

        return enqueue_create(self.zoo, options)

    def enqueue_reproduce(self, address: str, *, name: str | None) -> Job:
        """Queue the fine-tune that a revision came of once more."""
        from zoo.operations.reproduce import enqueue_reproduce  # noqa: PLC0415

        return enqueue_reproduce(self.zoo, address, name=name)

    def compare_repetition(self, address: str, model: str) -> Repetition:
        """Compare a revision with what came of its repetition."""
        from zoo.operations.reproduce import compare_repetition  # noqa: PLC0415

        return compare_repetition(self.zoo, address, model)

    def enqueue_advise(self, model: str, dataset: str, *, seed: int) -> Job:
        """Queue advice on a model, or on which model suits a dataset."""
        from zoo.operations.advise import enqueue_advise  # noqa: PLC0415

        return enqueue_advise(self.zoo, model, dataset, seed=seed)

    def read_record(self) -> list[Kept]:
        """Hold the fine-tunes against the advice that preceded them."""
        from zoo.operations.advise import read_record  # noqa: PLC0415

        return read_record(self.zoo)
