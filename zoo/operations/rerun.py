"""Asking again for what a job was asked for."""

from zoo.domain.job import Job, JobKind
from zoo.domain.plan import Classifier, Strategy
from zoo.domain.training import Overrides
from zoo.errors import Invalid
from zoo.operations.advise import enqueue_advise
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.jobs import get_job
from zoo.operations.opening import Zoo

AGAIN = (JobKind.ADVISE, JobKind.FINETUNE)  # whose parameters are all that they take


def rerun(zoo: Zoo, number: int) -> Job:
    """Queue the same advice or fine-tune once more; one that is not finished is given back.

    Raises:
        JobNotFound: there is none of that number.
        Invalid: it is of another kind.
        As ``enqueue_advise`` and ``enqueue_finetune``.
    """
    job = get_job(zoo, number)
    params = job.params
    if job.kind is JobKind.ADVISE:
        return enqueue_advise(zoo, params["model"], params["dataset"], seed=params["seed"])
    if job.kind is not JobKind.FINETUNE:
        raise Invalid(
            f"Job {number} is no advice and no fine-tune, which alone are asked for again.",
            hint=f"Give the command again that asked for it: zoo jobs show {number}",
        )
    return enqueue_finetune(
        zoo,
        params["model"],
        params["dataset"],
        name=params["name"],
        seed=params["seed"],
        layer=params["layer"],
        classifier=Classifier(params["classifier"]),
        strategy=Strategy(params["strategy"]),
        overrides=Overrides(**params.get("training", {})),
        int8=bool(params.get("int8")),
    )
