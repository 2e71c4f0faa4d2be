"""Jobs of another zoo, which its workers run: asked for, followed, cancelled."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.client.reading import PAGE, Asking
from zoo.domain.job import Job, JobEvent, JobState, JobWish
from zoo.domain.plan import Classifier, CodesPrecision, Strategy
from zoo.domain.surgery import Cut, FoldBatchNorm, ReplaceHead
from zoo.domain.training import Overrides
from zoo.errors import Interrupted, ServerUnreachable
from zoo.operations.advise import Kept
from zoo.operations.create import CreateOptions
from zoo.operations.logs import LogPart
from zoo.operations.quantize import QuantizeOptions
from zoo.operations.reproduce import Repetition
from zoo.operations.surgery import OWN_HEAD, DenseOptions

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0  # between two looks at a job
PATIENCE = 30  # looks in a row that may fail before the other zoo counts as gone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jobs:
    jobs: list[Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    record: list[Kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    name: str


class Jobs(Asking):
    """Jobs there, and how they come to an end."""

    __slots__ = ()

    def list_jobs(self) -> list[Job]:
        """List the newest jobs."""
        return self.ask(_Jobs, "GET", "/v1/jobs").jobs

    def go_through_jobs(self, wish: JobWish) -> Iterator[Job]:
        """Go through all jobs that are as ``wish`` says, the newest first.

        Raises:
            ServerUnreachable: a page leads to itself.
        """
        wished = {"kind": wish.kind, "model": wish.model, "dataset": wish.dataset}
        before: int | None = None
        while True:
            query = {**wished, "before": before, "limit": PAGE}
            page = self.ask(_Jobs, "GET", "/v1/jobs", query=query).jobs
            if not page:
                return
            if before is not None and page[-1].id >= before:
                raise self.remote.unlike(f"the jobs before {before} lead to itself")
            yield from page
            before = page[-1].id

    def get_job(self, number: int) -> Job:
        """Give a job with its events."""
        return self._look(number, after=0)

    def cancel_job(self, number: int) -> Job:
        """Cancel a job."""
        return self.ask(Job, "POST", f"/v1/jobs/{number}/cancel")

    def pause_job(self, number: int) -> Job:
        """Put a job aside."""
        return self.ask(Job, "POST", f"/v1/jobs/{number}/pause")

    def resume_job(self, number: int) -> Job:
        """Queue a job again that was put aside."""
        return self.ask(Job, "POST", f"/v1/jobs/{number}/resume")

    def set_priority(self, number: int, priority: int) -> Job:
        """Have a job come earlier, or later."""
        return self.ask(Job, "PATCH", f"/v1/jobs/{number}", {"priority": priority})

    def rerun_job(self, number: int, changes: Mapping[str, str]) -> Job:
        """Queue once more what a job was to do, with changes."""
        return self.ask(Job, "POST", f"/v1/jobs/{number}/rerun", {"changes": dict(changes)})

    def read_log(self, number: int, *, attempt: int | None, offset: int) -> LogPart:
        """Give a part of what an attempt printed."""
        query = {"attempt": attempt, "offset": offset}
        return self.ask(LogPart, "GET", f"/v1/jobs/{number}/log", query=query)

    def finish_job(self, number: int, listen: Callable[[JobEvent], None]) -> Job:
        """Follow a job until it has ended; that zoo's worker runs it, whoever looks on.

        Raises:
            Interrupted: this process was told to stop; the job goes on.
            ServerUnreachable: the other zoo is gone for longer than a restart takes.
        """
        try:
            return self._follow(number, listen)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"Job {number} goes on at {self.remote.url}.",
                hint=f"Follow it again: zoo jobs follow {number} --at {self.remote.url}"
                f" (or end it: zoo jobs cancel {number} --at {self.remote.url})",
                job=number,
            ) from error

    def finish_jobs(self, numbers: Sequence[int], look: Callable[[Job], None]) -> None:
        """Follow jobs until they have ended; that zoo's worker runs them, whoever looks on.

        Raises:
            Interrupted: this process was told to stop; the jobs go on.
            ServerUnreachable: the other zoo is gone for longer than a restart takes.
        """
        try:
            self._follow_all(numbers, look)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"The jobs go on at {self.remote.url}.",
                hint=f"Run the same command again, or see: zoo jobs list --at {self.remote.url}",
                jobs=list(numbers),
            ) from error

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
        body = {
            "model": model,
            "dataset": dataset,
            "name": name,
            "seed": seed,
            "layer": layer,
            "classifier": classifier,
            "strategy": strategy,
            "int8": int8,
            **({} if precision is CodesPrecision.AUTO else {"precision": precision}),
        }
        return self._queue("/v1/jobs", body | overrides.as_json())

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
        body = {"model": model, "dataset": dataset, "name": name, "strategy": strategy}
        self.ask(_Checked, "POST", "/v1/jobs/checks", body | overrides.as_json())

    def enqueue_quantize(self, model: str, dataset: str, options: QuantizeOptions) -> Job:
        """Queue a graph of fewer bits."""
        body = {
            "dataset": dataset,
            "name": options.name,
            "precision": options.precision,
            "gate": options.gate_points,
            "pictures": options.pictures,
            "seed": options.seed,
        }
        return self._queue(self.at(model, "quantize"), body)

    def enqueue_alias(self, model: str, alias: str) -> Job:
        """Queue an alias."""
        return self._queue(self.at(model, "aliases"), {"alias": alias})

    def enqueue_dense(self, model: str, options: DenseOptions) -> Job:
        """Queue the job that has a classifier read pictures of any size."""
        body = {
            "name": options.name,
            "pads": options.pads,
            "border_px": options.border_px,
            "check": options.sizes_px,
        }
        return self._queue(self.at(model, "dense"), body)

    def enqueue_surgery(
        self,
        model: str,
        surgery: ReplaceHead | Cut | FoldBatchNorm,
        *,
        name: str | None,
        labels: tuple[str, ...] | None,
    ) -> Job:
        """Queue a surgery."""
        told = {key: value for key, value in asdict(surgery).items() if value != OWN_HEAD}
        body = {"surgery": told, "name": name, "labels": labels}
        return self._queue(self.at(model, "surgeries"), body)

    def enqueue_create(self, options: CreateOptions) -> Job:
        """Queue an architecture whose first numbers are drawn; a prototxt is sent along."""
        body = {
            "name": options.name,
            "architecture": Path(options.architecture).name
            if options.prototxt is not None
            else options.architecture,
            "prototxt": options.prototxt,
            "init": options.init,
            "seed": options.seed,
            "data": options.data,
            "classes": options.classes,
            "labels": options.labels,
        }
        return self._queue("/v1/creations", body)

    def enqueue_reproduce(self, address: str, *, name: str | None) -> Job:
        """Queue the fine-tune that a revision came of once more."""
        return self._queue("/v1/repetitions", {"model": address, "name": name})

    def compare_repetition(self, address: str, model: str) -> Repetition:
        """Compare a revision with what came of its repetition."""
        query = {"first": address, "second": model}
        told = self.remote.ask("GET", "/v1/repetitions", query=query)
        if isinstance(told, dict) and told.get("largest_difference") is None:
            told["largest_difference"] = float("inf")  # JSON has no word for it.
        return self.read(Repetition, told)

    def enqueue_advise(self, model: str, dataset: str, *, seed: int) -> Job:
        """Queue advice on a model, or on which model suits a dataset."""
        body = {"model": model or None, "dataset": dataset, "seed": seed}
        return self._queue("/v1/advice", body)

    def read_record(self) -> list[Kept]:
        """Hold the fine-tunes against the advice that preceded them."""
        return self.ask(_Record, "GET", "/v1/advice").record

    def _queue(self, path: str, body: Mapping[str, object]) -> Job:
        """Ask for a job on the terms that were given; a zoo that knows none is told of none."""
        terms = self.terms
        told = {
            "priority": terms.priority,
            "after": list(terms.after),
            "threads": terms.needs.threads,
            "memory_bytes": terms.needs.memory_bytes,
        }
        given = {name: value for name, value in told.items() if value not in (None, [])}
        return self.ask(Job, "POST", path, {**body, **given})

    def _follow(self, number: int, listen: Callable[[JobEvent], None]) -> Job:
        seen, failed, pause_s = 0, 0, FIRST_PAUSE_S
        while True:
            try:
                job = self._look(number, after=seen)
                failed = 0
            except ServerUnreachable:
                failed += 1
                if failed == PATIENCE:
                    raise
            else:
                for event in job.events:
                    listen(event)
                    seen, pause_s = max(seen, event.number), FIRST_PAUSE_S
                if job.state.is_at_rest:
                    return job
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _follow_all(self, numbers: Sequence[int], look: Callable[[Job], None]) -> None:
        states: dict[int, JobState | None] = dict.fromkeys(numbers)
        failed = 0
        while not all(state is not None and state.is_at_rest for state in states.values()):
            for number, state in list(states.items()):
                if state is not None and state.is_final:
                    continue
                try:
                    job = self._look(number, after=0)
                    failed = 0
                except ServerUnreachable:
                    failed += 1
                    if failed == PATIENCE:
                        raise
                    break
                look(job)
                states[number] = job.state
            is_over = all(state is not None and state.is_at_rest for state in states.values())
            time.sleep(0 if is_over else LONGEST_PAUSE_S)

    def _look(self, number: int, *, after: int) -> Job:
        return self.ask(Job, "GET", f"/v1/jobs/{number}", query={"after": after})
