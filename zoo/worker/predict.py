"""The body of predictions: a dataset's pictures to a file of answers, from where it was cut off."""

import shutil
from pathlib import Path

from zoo.domain.dataset import Split
from zoo.domain.job import Job
from zoo.operations import jobs
from zoo.operations.answer_lines import Form, Telling
from zoo.operations.answering import keep_answers
from zoo.operations.bulk import ask_about, list_splits, open_for_many, predict_many
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo
from zoo.operations.predictions import tell_predictions
from zoo.operations.tally import Tally
from zoo.operations.unfinished import open_unfinished
from zoo.worker.finished import clear_finished, job_folder
from zoo.worker.progress import Progress

NAMED = 20  # unreadable pictures that the job says; all stand in the file


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Predict, and end the job with the file and what its answers come to.

    Raises:
        NotRunnable: the revision is no classifier with a graph.
    """
    params, most_pixels = job.params, zoo.settings.max_picture_pixels
    predictor = open_for_many(zoo, get_revision(zoo, params["model"]))
    dataset = get_dataset(zoo, params["dataset"])
    pictures = list_splits(dataset, Split(params["split"]) if params["split"] else None)
    top = min(params["top"], len(predictor.labels))
    form = Form(params["form"])
    telling = Telling(model=params["model"], form=form, top=top, has_truth=True)
    tally = Tally(labels=frozenset(predictor.labels))
    folder = _open_folder(zoo, job, progress)
    with open_unfinished(folder, telling.as_json()) as unfinished:
        answers = keep_answers(
            unfinished,
            telling,
            ask_about(zoo, pictures),
            lambda some: predict_many(predictor, some, top=top, max_pixels=most_pixels),
            tally,
        )
        for number, answered in enumerate(answers, 1):
            if number == 1 and tally.total > 1:
                progress.say("predict", f"going on after {tally.total - 1} pictures")
            if answered.error is not None and tally.unreadable <= NAMED:
                progress.say("predict", f"unreadable: {answered.error}")
            progress.count("predict", "pictures", tally.total, len(pictures))
        blob = zoo.blobs.put(unfinished.pieces())
    jobs.succeed(zoo, progress.attempt, tell_predictions(blob, form, tally))
    shutil.rmtree(folder.parent, ignore_errors=True)


def _open_folder(zoo: Zoo, job: Job, progress: Progress) -> Path:
    """Give this attempt's folder, with what the attempt before it had come to.

    Each attempt has its own, so that one which lost its lease and does not know it yet cannot write
    between its successor's lines.
    """
    clear_finished(zoo, zoo.predictions_folder)
    folder = job_folder(zoo.predictions_folder, job) / str(progress.attempt.number)
    before = [int(path.name) for path in folder.parent.glob("*") if path.name.isdecimal()]
    if before and not folder.exists():
        part = folder.with_suffix(".new")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder.with_name(str(max(before))), part)
        part.rename(folder)
    return folder
