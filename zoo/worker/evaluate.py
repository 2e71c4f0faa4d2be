"""The body of evaluations: a model on a dataset, to figures, tables and sheets of pictures."""

from zoo.domain.dataset import Split
from zoo.domain.job import Job
from zoo.errors import NoHead, NotRunnable, Unsupported
from zoo.operations import jobs
from zoo.operations.evaluate import Evaluation, Report, evaluate
from zoo.operations.evaluation_report import (
    EVALUATION,
    EvaluationReport,
    draw_wrong,
    read_wrong,
    tell_evaluation,
    write_evaluation,
)
from zoo.operations.made import keep_files
from zoo.operations.opening import Zoo
from zoo.worker.progress import Progress


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Evaluate, and end the job with the files of the report.

    Raises:
        ClassesDiffer: a model does not know a class of the dataset.
    """
    params = job.params

    def count(done: int, total: int) -> None:
        progress.count("predict", "pictures", done, total)

    split = Split(params["split"])
    found, other = evaluate_both(
        zoo,
        params["model"],
        params["against"],
        dataset=params["dataset"],
        split=split,
        report=count,
    )
    made = report_evaluation(zoo, found, other, has_pictures=params["has_pictures"])
    told = {
        "model": found.model,
        "dataset": found.dataset,
        "accuracy": made.told["accuracy"],
        **{key: made.told[key] for key in ("unequal",) if key in made.told},
        "report": EVALUATION,
        "notes": list(made.notes),
    }
    jobs.succeed(zoo, progress.attempt, told | keep_files(zoo, made.files))


def evaluate_both(  # noqa: PLR0913  # what is measured, by which pictures
    zoo: Zoo,
    model: str,
    against: str | None,
    *,
    dataset: str,
    split: Split,
    report: Report,
) -> tuple[Evaluation, Evaluation | None]:
    """Evaluate a model, and another one on the same pictures where one is named."""
    found = evaluate(zoo, model, dataset, split, report)
    return found, evaluate(zoo, against, dataset, split, report) if against else None


def report_evaluation(
    zoo: Zoo, found: Evaluation, other: Evaluation | None, *, has_pictures: bool
) -> EvaluationReport:
    """Write the report of an evaluation; ``has_pictures`` draws what was wrong, and why."""
    told, notes = tell_evaluation(found, other), []
    files = write_evaluation(told, found)
    wrong, pixels = read_wrong(zoo, found) if has_pictures else ([], [])
    if wrong:
        files["wrong.png"] = draw_wrong(wrong, pixels)
        # It needs torch, and takes seconds to come.
        from zoo.worker.gradcam import explain_pictures  # noqa: PLC0415

        try:
            laid_over = explain_pictures(zoo, found.model, pixels, [one.label for one in wrong])
            files["gradcam.png"] = draw_wrong(wrong, laid_over)
        except (NoHead, NotRunnable, Unsupported) as error:
            notes.append(f"no gradcam.png: {error}")
    return EvaluationReport(told=told, files=files, notes=tuple(notes))
