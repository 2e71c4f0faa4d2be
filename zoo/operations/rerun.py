"""Asking again for what a job was asked for, as it was or with changes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from zoo.catalog import repeats
from zoo.domain.job import LATER, Job, JobKind
from zoo.domain.plan import Classifier, CodesPrecision, Strategy
from zoo.domain.quantization import MOST_PICTURES, PER_CENT, Precision
from zoo.domain.resources import Needs
from zoo.domain.terms import OWN_HIGHEST, Terms
from zoo.domain.training import REAL_LIMITS, WHOLE_LIMITS
from zoo.errors import Invalid
from zoo.operations import jobs
from zoo.operations.answer_lines import Form
from zoo.operations.later import enqueue_request, find_earlier
from zoo.operations.opening import Zoo
from zoo.operations.rights import check_rights
from zoo.operations.table import SETTLE

Read = Callable[[str], object]  # a value out of its text, or ValueError
TRAINING = "training"  # where a fine-tune's parameters have what follows
LONGEST = 400  # characters


def rerun(zoo: Zoo, number: int, changes: Mapping[str, object] | None = None) -> Job:
    """Queue once more what a job was to do; the same one, not finished, is given back.

    ``changes`` are parameters by their names. In place of jobs that it came after count those that
    they were run again as, or that were asked for later to do the same.

    Raises:
        JobNotFound: there is none of that number.
        Invalid: a parameter is unknown for that kind, or has a value that cannot be used.
        Conflict: a job that it comes after did not succeed.
        Forbidden: the caller may not ask for it any more.
        As the operation that asks for a job of its kind.
    """
    job = jobs.get_job(zoo, number)
    if not job.state.is_final and not changes:
        return job
    changed = _change(job, changes or {})
    asked = replace(zoo, terms=_terms(zoo, job, changed))
    settle = SETTLE.get(job.kind)
    if settle is None:
        check_rights(zoo, job)
        return jobs.enqueue(asked, job.kind, dict(changed))
    earlier = find_earlier(changed["model"])
    if earlier is not None:
        with zoo.catalog.reading() as db:
            changed["model"] = f"job:{_find_last(zoo, db, earlier)}"
    return enqueue_request(asked, job.kind, changed, settle)


def list_changes(kind: JobKind) -> list[str]:
    """Name the parameters of a kind of job that can be changed when it is run again."""
    return [*CHANGES.get(kind, {}), *(TRAINED if kind is JobKind.FINETUNE else {})]


def _find_last(zoo: Zoo, db: Session, number: int) -> int:
    """Give the job in place of another, among those that the caller may know of."""
    account = None if zoo.caller.rules else zoo.caller.account
    return repeats.find_last_rerun(db, number, account=account)


def _terms(zoo: Zoo, job: Job, params: Mapping[str, Any]) -> Terms:
    """Give the terms of a job, for it to be queued once more."""
    with zoo.catalog.reading() as db:
        last = {before: _find_last(zoo, db, before) for before in job.after}
    meant = find_earlier(job.params.get("model"))
    is_settled = not job.params.get(LATER)
    # What was settled names what an earlier job published, and comes after nothing any more.
    after = (
        ()
        if is_settled and job.attempt
        else tuple(last[before] for before in job.after if before != meant)
    )
    devices = (params.get(TRAINING) or {}).get("devices")
    return Terms(
        priority=job.priority if zoo.caller.rules else min(job.priority, OWN_HIGHEST),
        after=after,
        needs=Needs(threads=job.threads, memory_bytes=job.memory_bytes, gpus=devices or job.gpus),
        rerun_of=job.id,
    )


def _change(job: Job, changes: Mapping[str, object]) -> dict[str, Any]:
    """Give the parameters of a job with some of them changed."""
    params = {name: value for name, value in job.params.items() if name != LATER}
    top, trained = CHANGES.get(job.kind, {}), TRAINED if job.kind is JobKind.FINETUNE else {}
    for given, value in changes.items():
        name = given.replace("-", "_")
        read = top.get(name) or trained.get(name)
        if read is None:
            known = ", ".join(list_changes(job.kind)) or "none"
            raise Invalid(
                f"{given!r} of a job of the kind {job.kind.value} cannot be changed.",
                hint=f"These can be: {known}.",
                known=list_changes(job.kind),
            )
        try:
            found = read(str(value))
        except ValueError as error:
            raise Invalid(
                f"{given} cannot be {str(value)[:LONGEST]!r}: {error}.", name=given
            ) from error
        if name in trained:
            params[TRAINING] = {**params.get(TRAINING, {}), name: found}
        else:
            params[name] = found
    return params


def _text(value: str) -> str:
    if not 0 < len(value) <= LONGEST or "\x00" in value:
        raise ValueError(f"a text of 1 to {LONGEST} characters is needed")
    return value


def _flag(value: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if value.lower() not in known:
        raise ValueError("true or false is needed")
    return known[value.lower()]


def _whole(low: int, high: int) -> Read:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise ValueError(f"a whole number of {low} to {high} is needed")
        return int(value)

    return read


def _number(low: float, high: float) -> Read:
    def read(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = low - 1
        if not low <= found <= high:
            raise ValueError(f"a number of {low:g} to {high:g} is needed")
        return found

    return read


def _choice(kind: type[StrEnum]) -> Read:
    def read(value: str) -> str:
        known = [one.value for one in kind]
        if value not in known:
            raise ValueError(f"one of these is needed: {', '.join(known)}")
        return value

    return read


SEED = _whole(0, 2**32 - 1)
ADDRESSES: dict[str, Read] = {"model": _text, "dataset": _text}
CHANGES: dict[JobKind, dict[str, Read]] = {
    JobKind.FINETUNE: {
        **ADDRESSES,
        "name": _text,
        "seed": SEED,
        "layer": _text,
        "classifier": _choice(Classifier),
        "strategy": _choice(Strategy),
        "precision": _choice(CodesPrecision),
        "int8": _flag,
    },
    JobKind.ADVISE: {**ADDRESSES, "seed": SEED},
    JobKind.PREDICT: {**ADDRESSES, "top": _whole(1, 10_000), "form": _choice(Form)},
    JobKind.QUANTIZE: {
        **ADDRESSES,
        "name": _text,
        "seed": SEED,
        "precision": _choice(Precision),
        "gate": _number(0, PER_CENT),
        "pictures": _whole(1, MOST_PICTURES),
    },
    JobKind.ALIAS: {"model": _text, "alias": _text},
}
TRAINED: dict[str, Read] = {
    "epochs": _whole(*WHOLE_LIMITS["epochs"]),
    "batch": _whole(*WHOLE_LIMITS["batch"]),
    "lr": _number(*REAL_LIMITS["lr"]),
    "head_lr": _number(*REAL_LIMITS["head_lr"]),
    "freeze": _text,
    "init": _text,
    "mixup": _number(*REAL_LIMITS["mixup"]),
    "devices": _whole(*WHOLE_LIMITS["devices"]),
}
