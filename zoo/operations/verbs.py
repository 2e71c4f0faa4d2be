"""What can be asked of a zoo, wherever it is: the one shape that commands speak to.

Two keep it: ``zoo.commands.here.Here`` is the zoo of this machine, by the operations;
``zoo.client.there.There`` is one on another machine, over REST. Both answer with the same values
and refuse with the same errors; ``tests/integration/test_verbs.py`` asks both the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # Most of these rooms are slow to import, and here they are only named.
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

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
    from zoo.operations.accounts import NewToken
    from zoo.operations.advise import Kept
    from zoo.operations.create import CreateOptions
    from zoo.operations.evaluation_report import EvaluationReport
    from zoo.operations.filters import FilterPicture, FilterReport
    from zoo.operations.heat import HeatOptions, HeatReport
    from zoo.operations.import_ import Begun, ImportOptions
    from zoo.operations.logs import LogPart
    from zoo.operations.measuring import InitStudy, KeptReference, TransferStudy
    from zoo.operations.pack import DatasetArchive
    from zoo.operations.quantize import QuantizeOptions
    from zoo.operations.reproduce import Repetition
    from zoo.operations.scrub import Fault, Repaired, Verified
    from zoo.operations.surgery import DenseOptions
    from zoo.operations.sweep import Swept

    StepReport = Callable[[str, str, int, int], None]  # is told (step, what, done, total)


class ModelVerbs(Protocol):
    """What becomes of models, and what is in them."""

    def search_models(self, wish: ModelWish, *, limit: int, most_values: int) -> Found:
        """Search models by name; ``most_values`` of each facet are counted, none where it is 0."""

    def get_model(self, name: str) -> Model:
        """Give a model."""

    def get_revision(self, address: str) -> Revision:
        """Give the revision at ``model``, ``model:ref`` or ``model@id``."""

    def list_revisions(self, name: str) -> list[Revision]:
        """List the revisions of a model, the newest first."""

    def read_file(self, revision: Revision, path: str) -> bytes:
        """Give the bytes of a small file of a revision."""

    def write_file(self, revision: Revision, path: str, goal: Path) -> None:
        """Write a file of a revision to a path where there is none yet."""

    def rename_model(self, name: str, new_name: str) -> Model:
        """Give a model another name."""

    def set_private(self, name: str, *, is_private: bool) -> Model:
        """Have a model seen by those alone who have a role for its owner, or by everyone."""

    def delete_model(self, name: str) -> Model:
        """Delete a model until it is swept."""

    def restore_model(self, name: str) -> Model:
        """Take a deleted model back."""


class RefVerbs(Protocol):
    """Branches, tags and aliases."""

    def list_refs(self, name: str) -> list[Ref]:
        """List the refs of a model by name."""

    def list_moves(self, name: str) -> list[RefMove]:
        """List every move of a model's refs, the newest first."""

    def add_tag(self, name: str, ref: str, *, target: str) -> Revision:
        """Add a tag."""

    def move_alias(self, name: str, ref: str, *, target: str, expected: str | None) -> Revision:
        """Point an alias to a revision."""

    def protect_ref(self, name: str, ref: str, *, is_protected: bool) -> Ref:
        """Have a ref moved by admins only, or by writers again."""

    def delete_ref(self, name: str, ref: str) -> Ref:
        """Take a ref away."""


class LookingVerbs(Protocol):
    """What is to be seen of models and of the zoo."""

    def list_layers(self, revision: Revision) -> Inventory:
        """List the layers of a revision's network."""

    def describe_filters(self, address: str, *, against: str | None = None) -> FilterReport:
        """Say what filters hold, and how far they moved."""

    def draw_filters(self, address: str, layer: str | None, *, scaling: Scaling) -> FilterPicture:
        """Draw the filters of a layer, or of the first one."""

    def get_kernel(self, address: str, layer: str | None, index: int) -> KernelStatistics:
        """Tell the numbers of one filter of a layer, or of the first one."""

    def draw_kernel(
        self, address: str, layer: str | None, index: int, *, is_spectrum: bool
    ) -> FilterPicture:
        """Draw one filter channel by channel, or its gain for waves."""

    def compare(self, old: str, new: str) -> Comparison:
        """Say what differs between two revisions."""

    def get_lineage(self, address: str) -> Lineage:
        """Give the tree that a revision stands in."""

    def get_totals(self) -> Totals:
        """Count what the zoo holds."""

    def get_model_statistics(self, name: str) -> ModelStatistics:
        """Count the downloads of a model's files."""


class AccountVerbs(Protocol):
    """Who may ask, how much they may have, what they did; and what nobody needs any more."""

    def list_tokens(self) -> list[Token]:
        """List the caller's tokens, or everyone's."""

    def create_token(
        self, account: str, *, role: Role, owner: str | None, label: str, days: float | None
    ) -> NewToken:
        """Make a token."""

    def revoke_token(self, number: int) -> Token:
        """End a token."""

    def list_accounts(self) -> list[Account]:
        """List all accounts."""

    def grant_role(self, account: str, owner: str, role: Role) -> Account:
        """Give an account a role for an owner."""

    def withdraw_role(self, account: str, owner: str) -> Account:
        """Take an account's role for an owner away."""

    def list_usage(self) -> list[Usage]:
        """Say what all owners have, and may have."""

    def set_quota(self, owner: str, quota: Quota | None) -> Usage:
        """Set what an owner may have; None takes the settings of that zoo again."""

    def list_audit(self, *, subject: str | None, limit: int) -> list[AuditEntry]:
        """List who changed what, the newest first."""

    def sweep(self, *, is_dry: bool) -> Swept:
        """Remove deleted models and unreferenced bytes that are old enough."""


class JobVerbs(Protocol):
    """Jobs, and how they come to an end."""

    def list_jobs(self) -> list[Job]:
        """List the newest jobs."""

    def go_through_jobs(self, wish: JobWish) -> Iterator[Job]:
        """Go through all jobs that are as ``wish`` says, the newest first."""

    def get_job(self, number: int) -> Job:
        """Give a job with its events."""

    def cancel_job(self, number: int) -> Job:
        """Cancel a job."""

    def pause_job(self, number: int) -> Job:
        """Put a job aside."""

    def resume_job(self, number: int) -> Job:
        """Queue a job again that was put aside."""

    def set_priority(self, number: int, priority: int) -> Job:
        """Have a job come earlier, or later."""

    def rerun_job(self, number: int, changes: Mapping[str, str]) -> Job:
        """Queue once more what a job was to do, with changes."""

    def read_log(self, number: int, *, attempt: int | None, offset: int) -> LogPart:
        """Give a part of what an attempt printed, the last one unless it is told."""

    def finish_job(self, number: int, listen: Callable[[JobEvent], None]) -> Job:
        """Wait until a job has ended; here it is run by this process, there by that zoo's worker.

        Raises:
            Interrupted: this process was told to stop; the job is kept.
        """

    def finish_jobs(self, numbers: Sequence[int], look: Callable[[Job], None]) -> None:
        """Wait until jobs have ended, likewise; ``look`` is given each now and then, and ended.

        Those that are put aside are waited for only while others go on.

        Raises:
            Interrupted: this process was told to stop; the jobs are kept.
        """

    def enqueue_finetune(  # noqa: PLR0913  # what is fitted to what, and how
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

    def check_finetune(
        self,
        model: str,
        dataset: str,
        *,
        name: str | None,
        strategy: Strategy,
        overrides: Overrides,
    ) -> None:
        """Refuse a fine-tune that would be refused when it is queued; nothing is queued."""

    def enqueue_quantize(self, model: str, dataset: str, options: QuantizeOptions) -> Job:
        """Queue a graph of fewer bits."""

    def enqueue_alias(self, model: str, alias: str) -> Job:
        """Queue an alias."""

    def begin_import(
        self, files: Mapping[str, Path], options: ImportOptions, *, report: StepReport
    ) -> Begun:
        """Have files of this machine, by their names, read as a checkpoint."""

    def enqueue_dense(self, model: str, options: DenseOptions) -> Job:
        """Queue the job that has a classifier read pictures of any size."""

    def enqueue_surgery(
        self,
        model: str,
        surgery: ReplaceHead | Cut | FoldBatchNorm,
        *,
        name: str | None,
        labels: tuple[str, ...] | None,
    ) -> Job:
        """Queue a surgery."""

    def enqueue_create(self, options: CreateOptions) -> Job:
        """Queue an architecture whose first numbers are drawn."""

    def enqueue_reproduce(self, address: str, *, name: str | None) -> Job:
        """Queue the fine-tune that a revision came of once more."""

    def compare_repetition(self, address: str, model: str) -> Repetition:
        """Compare a revision with what came of its repetition."""

    def enqueue_advise(self, model: str, dataset: str, *, seed: int) -> Job:
        """Queue advice on a model, or on which model suits a dataset."""

    def read_record(self) -> list[Kept]:
        """Hold the fine-tunes against the advice that preceded them."""


class DatasetVerbs(Protocol):
    """Datasets of labelled pictures."""

    def list_datasets(self) -> list[DatasetSummary]:
        """List all datasets by name."""

    def get_dataset(self, address: str) -> DatasetDescription:
        """Describe the newest dataset of a name, or the one at ``name@id``."""

    def add_dataset(
        self, path: Path, *, name: str | None = None, report: StepReport
    ) -> DatasetDescription:
        """Add the folder or archive at a path of this machine."""

    def pack_dataset(self, address: str, kind: ArchiveKind) -> DatasetArchive:
        """Give the pictures of a dataset as an archive; nothing is read yet."""


class PictureVerbs(Protocol):
    """Pictures in, what is seen where out; `zoo predict` has a pipeline of its own."""

    def draw_heat(
        self, address: str, picture: tuple[str, Path], options: HeatOptions
    ) -> HeatReport:
        """Draw where on a picture, given as (name, file), a class is, and tell of it."""


class MeasuringVerbs(Protocol):
    """What measures and is waited for; ``report`` is told (step, what, done, total)."""

    def evaluate(  # noqa: PLR0913  # what is measured, and what is told of it
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

    def take_codes(  # noqa: PLR0913  # whose codes, of what
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

    def keep_reference(self, model: str, pictures: Path, *, report: StepReport) -> KeptReference:
        """Keep what a folder or archive of pictures is to a model's network."""

    def study_init(
        self, dataset: str, study: InitStudy, folder: Path, *, report: StepReport
    ) -> dict[str, Any]:
        """Compare how filters may begin; the report is written into an empty folder."""

    def study_transfer(
        self,
        model: str,
        datasets: tuple[str, str],
        study: TransferStudy,
        folder: Path,
        *,
        report: StepReport,
    ) -> dict[str, Any]:
        """Measure how far layers transfer; the folder has what is needed to go on."""

    def verify(self, address: str, *, reference: Path | None, report: StepReport) -> Verified:
        """Prove once more that a revision is what it says; a reference is a file of here alone."""

    def verify_all(self, *, quarantines: bool, report: StepReport) -> list[Fault]:
        """Read every byte, and give what is missing or damaged."""

    def repair(self, paths: Iterable[Path], *, report: StepReport) -> Repaired:
        """Put bytes that are missing or damaged back from files of this machine."""


class Verbs(
    ModelVerbs,
    RefVerbs,
    LookingVerbs,
    AccountVerbs,
    JobVerbs,
    DatasetVerbs,
    PictureVerbs,
    MeasuringVerbs,
    Protocol,
):
    """All that can be asked of a zoo, wherever it is."""
