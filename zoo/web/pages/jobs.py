"""/jobs: work that was asked for, how far it is, and what came of it."""

from datetime import datetime
from typing import Any

from flask import Blueprint, redirect
from flask.typing import ResponseReturnValue

from zoo.domain.job import Job, JobKind, JobState
from zoo.operations import jobs, steering
from zoo.operations.made import list_files
from zoo.operations.rerun import rerun
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_query
from zoo.web.pages.frame import Ways, show
from zoo.web.pages.signing_in import SEE_OTHER
from zoo.web.pages.training import describe_training, tell_left
from zoo.web.shapes.jobs import JobsQuery

bp = Blueprint("pages_jobs", __name__, url_prefix="/jobs")

MOST_TOLD = 400  # events
KINDS = {
    JobKind.IMPORT: "Import",
    JobKind.FINETUNE: "Fine-tune",
    JobKind.ADVISE: "Advice",
    JobKind.PREDICT: "Predictions",
    JobKind.SURGERY: "Surgery",
    JobKind.QUANTIZE: "Quantize",
    JobKind.EVALUATE: "Evaluation",
    JobKind.CODES: "Codes",
    JobKind.INIT_STUDY: "Study of beginnings",
    JobKind.TRANSFER_STUDY: "Study of transfer",
    JobKind.REFERENCE: "Reference",
    JobKind.VERIFY: "Verification",
    JobKind.ALIAS: "Alias",
}
MARKS = {
    JobState.WAITING: "\N{WHITE CIRCLE} waits for others",
    JobState.QUEUED: "\N{WHITE CIRCLE} waits",
    JobState.PAUSED: "\N{DOUBLE VERTICAL BAR} paused",
    JobState.RUNNING: "\N{BLACK RIGHT-POINTING POINTER} runs",
    JobState.SUCCEEDED: "\N{CHECK MARK} succeeded",
    JobState.FAILED: "\N{MULTIPLICATION X} failed",
    JobState.CANCELLED: "\N{EN DASH} cancelled",
}


@bp.get("")
@needs(Need.READ)
def show_jobs() -> ResponseReturnValue:
    """Show the newest jobs."""
    query = read_query(JobsQuery)
    found = jobs.list_jobs(current_zoo(), limit=query.limit)
    return show(
        "jobs.html",
        ways=Ways(twin="/v1/jobs", command="jobs"),
        jobs=found,
        about=_about,
        took=_took,
        kinds=KINDS,
        marks=MARKS,
        is_busy=any(not job.state.is_final for job in found),
    )


@bp.get("/<int:number>")
@needs(Need.READ)
def show_job(number: int) -> ResponseReturnValue:
    """Show a job: how far it is, its curves, what it said, and what came of it."""
    zoo = current_zoo()
    job = jobs.get_job(zoo, number)
    counts = [event for event in job.events if event.total]
    return show(
        "job.html",
        ways=Ways(twin=f"/v1/jobs/{number}", command=f"jobs show {number}"),
        job=job,
        about=_about(job),
        kind=KINDS[job.kind],
        mark=MARKS[job.state],
        took=_took(job),
        result=_told(job.result),
        error=_told((job.error or {}).get("error")),
        is_final=job.state.is_final,
        can_rerun=job.state.is_final,
        last=counts[-1] if counts else None,
        events=job.events[-MOST_TOLD:],
        seen=job.events[-1].number if job.events else 0,
        points=[
            [one.epoch, one.training_loss, one.held_out_loss, one.held_out_accuracy, one.rate]
            for one in job.curve
        ],
        files=list_files(job.result) if job.result and job.kind.gives_files else [],
        params={key: value for key, value in job.params.items() if _is_plain(value)},
        left=tell_left(counts),
        **describe_training(zoo, job),
    )


@bp.post("/<int:number>/cancel")
@needs(Need.WRITE)
def post_cancel(number: int) -> ResponseReturnValue:
    """Cancel a job, and show it."""
    steering.cancel(current_zoo(), number)
    return redirect(f"/jobs/{number}", SEE_OTHER)


@bp.post("/<int:number>/rerun")
@needs(Need.WRITE)
def post_rerun(number: int) -> ResponseReturnValue:
    """Ask for the same once more, and show that."""
    return redirect(f"/jobs/{rerun(current_zoo(), number).id}", SEE_OTHER)


def _about(job: Job) -> str:
    """Say what a job is about, by names."""
    names = [
        str(job.params[key]).partition("@")[0]
        for key in ("model", "dataset")
        if job.params.get(key)
    ]
    if job.kind is JobKind.ADVISE and not job.params.get("model"):
        names.insert(0, "every model")
    return " on ".join(names) or str(job.params.get("name", ""))


def _took(job: Job) -> str:
    """Say how long a job took, or has taken since."""
    if job.started_at is None:
        return ""
    end = job.finished_at or current_zoo().clock()
    return _span(job.started_at, end)


def _span(begin: datetime, end: datetime) -> str:
    minutes, seconds = divmod(int((end - begin).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _told(value: object) -> dict[str, Any]:
    """Give what a job left behind, of whatever release it is; nothing where there is nothing."""
    return value if isinstance(value, dict) else {}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and value != ""  # 0 is told
