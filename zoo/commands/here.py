"""The zoo of this machine: every verb that can be asked of one, by the operations."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.domain.revision import RefKind
from zoo.operations import (
    access,
    accounts,
    fetch,
    jobs,
    logs,
    models,
    quotas,
    refs,
    statistics,
    steering,
    sweep,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from zoo.domain.access import Account, AuditEntry, Role, Token
    from zoo.domain.comparison import Comparison, Lineage
    from zoo.domain.dataset import ArchiveKind, DatasetDescription, DatasetSummary, Split
    from zoo.domain.filters import KernelStatistics, Scaling
    from zoo.domain.job import Job, JobEvent, JobWish
    from zoo.domain.layers import Inventory
    from zoo.domain.plan import Classifier, CodesPrecision, Strategy
    from zoo.domain.quota import Quota, Usage
    from zoo.domain.revision import Model, Ref, RefMove, Revision
    from zoo.domain.search import Found, ModelWish
    from zoo.domain.statistics import ModelStatistics, Totals
    from zoo.domain.surgery import Cut, FoldBatchNorm, ReplaceHead
    from zoo.domain.training import Overrides
    from zoo.operations.advise import Kept
    from zoo.operations.create import CreateOptions
    from zoo.operations.evaluation_report import EvaluationReport
    from zoo.operations.filters import FilterPicture, FilterReport
    from zoo.operations.heat import HeatOptions, HeatReport
    from zoo.operations.import_ import Begun, ImportOptions
    from zoo.operations.measuring import InitStudy, KeptReference, TransferStudy
    from zoo.operations.opening import Zoo
    from zoo.operations.pack import PackedDataset
    from zoo.operations.quantize import QuantizeOptions
    from zoo.operations.reproduce import Repetition
    from zoo.operations.scrub import Fault, Repaired, Verified
    from zoo.operations.surgery import DenseOptions
    from zoo.operations.verbs import StepReport

# Operations that compute are imported where they are used: numpy, Pillow and ONNX Runtime take
# longer to come than most commands take.


@dataclass(frozen=True, slots=True)
class Here:
    """The keeper of ``zoo.operations.verbs.Verbs`` over an open zoo."""

    zoo: Zoo

    def search_models(self, wish: ModelWish, *, limit: int, most_values: int) -> Found:
        """Search models by name; ``most_values`` of each facet are counted, none where it is 0."""
        return fetch.search_models(self.zoo, wish, limit=limit, most_values=most_values)

    def get_model(self, name: str) -> Model:
        """Give a model."""
        return fetch.get_model(self.zoo, name)

    def get_revision(self, address: str) -> Revision:
        """Give the revision at an address."""
        return fetch.get_revision(self.zoo, address)

    def list_revisions(self, name: str) -> list[Revision]:
        """List the revisions of a model, the newest first."""
        return fetch.list_revisions(self.zoo, name)

    def read_file(self, revision: Revision, path: str) -> bytes:
        """Give the bytes of a small file of a revision."""
        return fetch.get_file(self.zoo, revision, path)[1].read_bytes()

    def write_file(self, revision: Revision, path: str, goal: Path) -> None:
        """Write a file of a revision to a path where there is none yet."""
        shutil.copyfile(fetch.get_file(self.zoo, revision, path)[1], goal)

    def rename_model(self, name: str, new_name: str) -> Model:
        """Give a model another name."""
        return models.rename_model(self.zoo, name, new_name)

    def set_private(self, name: str, *, is_private: bool) -> Model:
        """Have a model seen by few, or by everyone."""
        return models.set_private(self.zoo, name, is_private=is_private)

    def delete_model(self, name: str) -> Model:
        """Delete a model until it is swept."""
        return models.delete_model(self.zoo, name)

    def restore_model(self, name: str) -> Model:
        """Take a deleted model back."""
        return models.restore_model(self.zoo, name)

    def list_refs(self, name: str) -> list[Ref]:
        """List the refs of a model by name."""
        return refs.list_refs(self.zoo, name)

    def list_moves(self, name: str) -> list[RefMove]:
        """List every move of a model's refs, the newest first."""
        return fetch.list_moves(self.zoo, name)

    def add_tag(self, name: str, ref: str, *, target: str) -> Revision:
        """Add a tag."""
        return refs.add_ref(self.zoo, name, ref, target=target, kind=RefKind.TAG)

    def move_alias(self, name: str, ref: str, *, target: str, expected: str | None) -> Revision:
        """Point an alias to a revision."""
        return refs.move_alias(self.zoo, name, ref, target=target, expected=expected)

    def protect_ref(self, name: str, ref: str, *, is_protected: bool) -> Ref:
        """Have a ref moved by admins only, or by writers again."""
        return refs.protect_ref(self.zoo, name, ref, is_protected=is_protected)

    def delete_ref(self, name: str, ref: str) -> Ref:
        """Take a ref away."""
        return refs.delete_ref(self.zoo, name, ref)

    def list_layers(self, revision: Revision) -> Inventory:
        """List the layers of a revision's network, built where it does not tell them itself."""
        from zoo.operations.layers import find_layers  # noqa: PLC0415

        found = find_layers(self.zoo, revision)
        if found is not None:
            return found
        # Only here torch is needed, which takes seconds to load.
        from zoo.worker.layers import list_built_layers

        return list_built_layers(self.zoo, revision)

    def describe_filters(self, address: str, *, against: str | None = None) -> FilterReport:
        """Say what filters hold, and how far they moved."""
        from zoo.operations.filters import describe_filters  # noqa: PLC0415

        return describe_filters(self.zoo, address, against=against)

    def draw_filters(self, address: str, layer: str | None, *, scaling: Scaling) -> FilterPicture:
        """Draw the filters of a layer, or of the first one."""
        from zoo.operations.filters import draw_filters  # noqa: PLC0415

        return draw_filters(self.zoo, address, layer, scaling=scaling)

    def get_kernel(self, address: str, layer: str | None, index: int) -> KernelStatistics:
        """Tell the numbers of one filter of a layer, or of the first one."""
        from zoo.operations.kernels import get_kernel  # noqa: PLC0415

        return get_kernel(self.zoo, address, layer, index)

    def draw_kernel(
        self, address: str, layer: str | None, index: int, *, is_spectrum: bool
    ) -> FilterPicture:
        """Draw one filter channel by channel, or its gain for waves."""
        from zoo.operations.filters import find_view  # noqa: PLC0415
        from zoo.operations.kernels import KernelView, Shows, draw_kernel_view  # noqa: PLC0415

        shows = Shows.SPECTRUM if is_spectrum else Shows.PLANES
        view = find_view(self.zoo, address, layer)
        return draw_kernel_view(KernelView(view=view, index=index, shows=shows))

    def compare(self, old: str, new: str) -> Comparison:
        """Say what differs between two revisions."""
        from zoo.operations.compare import compare  # noqa: PLC0415

        return compare(self.zoo, old, new)

    def get_lineage(self, address: str) -> Lineage:
        """Give the tree that a revision stands in."""
        from zoo.operations.lineage import get_lineage  # noqa: PLC0415

        return get_lineage(self.zoo, address)

    def get_totals(self) -> Totals:
        """Count what the zoo holds."""
        return statistics.get_totals(self.zoo)

    def get_model_statistics(self, name: str) -> ModelStatistics:
        """Count the downloads of a model's files."""
        return statistics.get_model_statistics(self.zoo, name)

    def list_tokens(self) -> list[Token]:
        """List everyone's tokens."""
        return accounts.list_tokens(self.zoo)

    def create_token(
        self, account: str, *, role: Role, owner: str | None, label: str, days: float | None
    ) -> accounts.NewToken:
        """Make a token."""
        return accounts.create_token(
            self.zoo, account, role=role, owner=owner, label=label, days=days
        )

    def revoke_token(self, number: int) -> Token:
        """End a token."""
        return accounts.revoke_token(self.zoo, number)

    def list_accounts(self) -> list[Account]:
        """List all accounts."""
        return accounts.list_accounts(self.zoo)

    def grant_role(self, account: str, owner: str, role: Role) -> Account:
        """Give an account a role for an owner."""
        return accounts.grant_role(self.zoo, account, owner, role)

    def withdraw_role(self, account: str, owner: str) -> Account:
        """Take an account's role for an owner away."""
        return accounts.withdraw_role(self.zoo, account, owner)

    def list_usage(self) -> list[Usage]:
        """Say what all owners have, and may have."""
        return quotas.list_usage(self.zoo)

    def set_quota(self, owner: str, quota: Quota | None) -> Usage:
        """Set what an owner may have."""
        return quotas.set_quota(self.zoo, owner, quota)

    def list_audit(self, *, subject: str | None, limit: int) -> list[AuditEntry]:
        """List who changed what, the newest first."""
        return access.list_audit(self.zoo, subject=subject, limit=limit)

    def sweep(self, *, is_dry: bool) -> sweep.Swept:
        """Remove deleted models and unreferenced bytes that are old enough."""
        return sweep.sweep(self.zoo, is_dry=is_dry)

    def list_jobs(self) -> list[Job]:
        """List the newest jobs."""
        return jobs.list_jobs(self.zoo)

    def go_through_jobs(self, wish: JobWish) -> Iterator[Job]:
        """Go through all jobs that are as ``wish`` says, the newest first."""
        return jobs.go_through_jobs(self.zoo, wish)

    def get_job(self, number: int) -> Job:
        """Give a job with its events."""
        return jobs.get_job(self.zoo, number)

    def cancel_job(self, number: int) -> Job:
        """Cancel a job."""
        return steering.cancel(self.zoo, number)

    def pause_job(self, number: int) -> Job:
        """Put a job aside."""
        return steering.pause(self.zoo, number)

    def resume_job(self, number: int) -> Job:
        """Queue a job again that was put aside."""
        return steering.resume(self.zoo, number)

    def set_priority(self, number: int, priority: int) -> Job:
        """Have a job come earlier, or later."""
        return steering.set_priority(self.zoo, number, priority)

    def rerun_job(self, number: int, changes: Mapping[str, str]) -> Job:
        """Queue once more what a job was to do, with changes."""
        from zoo.operations.rerun import rerun  # noqa: PLC0415

        return rerun(self.zoo, number, changes)

    def read_log(self, number: int, *, attempt: int | None, offset: int) -> logs.LogPart:
        """Give a part of what an attempt printed."""
        return logs.read_log(self.zoo, number, attempt=attempt, offset=offset)

    def finish_job(self, number: int, listen: Callable[[JobEvent], None]) -> Job:
        """Run a job to its end, or follow it where another worker was quicker."""
        # The job's process is started from here; torch stays out of this one.
        from zoo.worker.supervisor import run_job

        return run_job(self.zoo, number, listen)

    def finish_jobs(self, numbers: Sequence[int], look: Callable[[Job], None]) -> None:
        """Run jobs to their ends, as many at once as a worker would, or follow others' workers."""
        from zoo.worker.several import run_jobs

        run_jobs(self.zoo, numbers, look)

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

    def list_datasets(self) -> list[DatasetSummary]:
        """List all datasets by name."""
        from zoo.operations.datasets import list_datasets  # noqa: PLC0415

        return list_datasets(self.zoo)

    def get_dataset(self, address: str) -> DatasetDescription:
        """Describe the newest dataset of a name, or the one at ``name@id``."""
        from zoo.operations.datasets import get_dataset  # noqa: PLC0415

        return get_dataset(self.zoo, address).describe()

    def add_dataset(
        self, path: Path, *, name: str | None = None, report: StepReport
    ) -> DatasetDescription:
        """Add the folder or archive at a path."""
        from zoo.operations.datasets import add_dataset  # noqa: PLC0415

        added = add_dataset(
            self.zoo, path, name=name, report=lambda *far: report("read", "pictures", *far)
        )
        return added.describe()

    def pack_dataset(self, address: str, kind: ArchiveKind) -> PackedDataset:
        """Give the pictures of a dataset as an archive."""
        from zoo.operations.pack import pack_dataset  # noqa: PLC0415

        return pack_dataset(self.zoo, address, kind)

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
