"""What is measured in another zoo, by jobs of its workers; the files of those are fetched."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from zoo.client.jobs import Jobs
from zoo.client.packing import packed, pieces_of
from zoo.domain.dataset import Split
from zoo.domain.job import Job, JobEvent, JobState
from zoo.domain.revision import File, check_file_path
from zoo.errors import BadName, Conflict, DigestMismatch, JobFailed
from zoo.operations.evaluation_report import EvaluationReport
from zoo.operations.made import CODES_FILE
from zoo.operations.measuring import MOST_REFERENCE, InitStudy, KeptReference, TransferStudy
from zoo.operations.scrub import Fault, Repaired, Verified, repair_with

StepReport = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What a job tells of the files that came of it."""

    files: tuple[File, ...]
    report: str = ""  # the one that has all figures
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    layer: str
    codes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codes:
    layers: tuple[_Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Faults:
    faults: list[Fault]


class Measuring(Jobs):
    """What measures there and is waited for."""

    __slots__ = ()

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
        """Measure a model; all figures are in a file of the job."""
        body = {
            "model": model,
            "dataset": dataset,
            "split": split,
            "against": against,
            "has_pictures": is_written,
        }
        job = self._finish("/v1/evaluations", body, report)
        written = self.read(_Written, job.result)
        files = self._fetch_all(job, written)
        return EvaluationReport(
            told=self._figures(written, files),
            files=files if is_written else {},
            notes=written.notes,
        )

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
        body = {
            "model": model,
            "dataset": dataset,
            "layers": list(layers),
            "is_all": is_all,
            "splits": list(splits),
        }
        job = self._finish("/v1/codes", body, report)
        files = self._fetch_all(job, self.read(_Written, job.result))
        if CODES_FILE not in files:
            raise self.remote.unlike(f"job {job.id} gives no {CODES_FILE}")
        told = self.read(_Codes, job.result).layers
        return files[CODES_FILE], [(one.layer, one.codes) for one in told]

    def keep_reference(self, model: str, pictures: Path, *, report: StepReport) -> KeptReference:
        """Send an archive, or as many files of a folder as a reference takes, for a job there.

        Raises:
            PathNotFound: there is nothing at that path.
        """
        with packed(pictures, report, most=MOST_REFERENCE) as (file, _):
            size_bytes = file.seek(0, io.SEEK_END)
            file.seek(0)
            told = self.remote.post(
                "/v1/references",
                pieces_of(file, size_bytes, report),
                media="application/octet-stream",
                size_bytes=size_bytes,
                query={"model": model, "source": pictures.absolute().name},
            )
        done = self._wait(self.read(Job, told), report)
        return self.read(KeptReference, done.result)

    def study_init(
        self, dataset: str, study: InitStudy, folder: Path, *, report: StepReport
    ) -> dict[str, Any]:
        """Compare how filters may begin; the report is written into an empty folder."""
        body = {"dataset": dataset, **asdict(study)}
        return self._study("/v1/studies/init", body, folder, report)

    def study_transfer(
        self,
        model: str,
        datasets: tuple[str, str],
        study: TransferStudy,
        folder: Path,
        *,
        report: StepReport,
    ) -> dict[str, Any]:
        """Measure how far layers transfer; what is needed to go on stays there, with the job.

        Raises:
            Conflict: there are files in the folder.
        """
        if folder.exists() and any(folder.iterdir()):
            raise Conflict(f"{folder} holds other files.", hint="Name another: -o FOLDER")
        body = {"model": model, "datasets": list(datasets), **asdict(study)}
        return self._study("/v1/studies/transfer", body, folder, report)

    def verify(self, address: str, *, reference: Path | None, report: StepReport) -> Verified:
        """Prove once more that a revision is what it says."""
        assert reference is None  # The command says why.
        body = {"model": address, "quarantine": False}
        return self.read(Verified, self._finish("/v1/verifications", body, report).result)

    def verify_all(self, *, quarantines: bool, report: StepReport) -> list[Fault]:
        """Read every byte, and give what is missing or damaged."""
        body = {"model": None, "quarantine": quarantines}
        return self.read(_Faults, self._finish("/v1/verifications", body, report).result).faults

    def repair(self, paths: Iterable[Path], *, report: StepReport) -> Repaired:
        """Send bytes that are missing or damaged there from files of this machine."""

        def put(digest: str, file: BinaryIO) -> None:
            size_bytes = file.seek(0, 2)
            file.seek(0)
            self.remote.send(f"/v1/blobs/{quote(digest)}", file, size_bytes)

        return repair_with(self.verify_all(quarantines=True, report=report), paths, put)

    def _study(
        self, path: str, body: Mapping[str, object], folder: Path, report: StepReport
    ) -> dict[str, Any]:
        job = self._finish(path, body, report)
        written = self.read(_Written, job.result)
        files = self._fetch_all(job, written)
        told = self._figures(written, files)
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return told

    def _finish(self, path: str, body: Mapping[str, object], report: StepReport) -> Job:
        """Ask for a job and wait until it has ended well.

        Raises:
            ZooError: what it failed with, by the class of that.
            JobFailed: it was cancelled.
        """
        return self._wait(self.ask(Job, "POST", path, body), report)

    def _wait(self, job: Job, report: StepReport) -> Job:
        """Wait until a job has ended well.

        Raises:
            As ``_finish``.
        """

        def listen(event: JobEvent) -> None:
            if event.total is not None:
                report(event.step, event.message, event.done or 0, event.total)

        job = self.finish_job(job.id, listen)
        if job.state is JobState.SUCCEEDED and job.result is not None:
            return job
        raise self.remote.error(job.error) or JobFailed(
            f"Job {job.id} at {self.remote.url} was {job.state.value}.", job=job.id
        )

    def _fetch_all(self, job: Job, written: _Written) -> dict[str, bytes]:
        return {file.path: self._fetch(job, file) for file in written.files}

    def _fetch(self, job: Job, file: File) -> bytes:
        """Fetch a file that came of a job; it lies in no folder, whatever the other zoo says.

        Raises:
            DigestMismatch: other bytes came.
        """
        if "/" in check_file_path(file.path):
            raise BadName(f"A file of a job cannot be called {file.path!r}.", path=file.path)
        path = f"/v1/jobs/{job.id}/files/{quote(file.path)}"
        data = b"".join(self.remote.fetch(path))
        if hashlib.sha256(data).hexdigest() != file.digest:
            raise DigestMismatch(
                f"{file.path} of job {job.id} did not come from {self.remote.url} as it is told.",
                hint="Run the command again; if it stays so, that zoo is damaged.",
                path=file.path,
            )
        return data

    def _figures(self, written: _Written, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Read the file that has all figures."""
        try:
            told = json.loads(files[written.report])
        except (KeyError, ValueError, RecursionError) as error:
            raise self.remote.unlike(f"the report of its job cannot be read: {error!r}") from error
        if not isinstance(told, dict):
            raise self.remote.unlike("the report of its job is no JSON object")
        return told
