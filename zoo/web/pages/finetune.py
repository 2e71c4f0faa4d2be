"""/new/finetune: what fine-tuning would come to, measured first; then the start of it."""

from typing import Any

from flask import Blueprint, redirect
from flask.typing import ResponseReturnValue
from pydantic import Field

from zoo.domain.job import Job, JobKind
from zoo.domain.plan import Strategy
from zoo.domain.training import REAL_LIMITS, WHOLE_LIMITS, Overrides
from zoo.operations import datasets, fetch, jobs
from zoo.operations.advise import ALL_MODELS, enqueue_advise, tell_gain
from zoo.operations.finetune import enqueue_finetune, finetuned_name
from zoo.operations.opening import Zoo
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_form, read_query
from zoo.web.pages.frame import Ways, show
from zoo.web.pages.signing_in import SEE_OTHER
from zoo.web.shapes.base import WITHOUT_NUL, Shape

EPOCHS, BATCH, RATE = WHOLE_LIMITS["epochs"], WHOLE_LIMITS["batch"], REAL_LIMITS["lr"]

bp = Blueprint("pages_finetune", __name__, url_prefix="/new/finetune")

Address = Field(default="", max_length=300, pattern=WITHOUT_NUL)
# Rows and columns of the four scenarios, as cs231n draws them.
SIZES = (("small", "few pictures"), ("medium", "some"), ("large", "many"))
STRATEGIES = {
    Strategy.PROBE: "a linear classifier on the unchanged body",
    Strategy.PARTIAL: "the upper layers",
    Strategy.LP_FT: "a probe first, then all layers",
    Strategy.FULL: "all layers, the head from zero",
    Strategy.SCRATCH: "all layers, from new weights",
    Strategy.ZERO_SHOT: "nothing: its own classes stand for the new ones",
    Strategy.AUTO: "what the number of pictures speaks for",
}


class ChoiceQuery(Shape):
    """Which model, and which dataset."""

    model: str = Address
    dataset: str = Address


class AdviceForm(Shape):
    """What advice is asked for."""

    model: str = Address
    dataset: str = Field(max_length=300, pattern=WITHOUT_NUL)


class FinetuneForm(Shape):
    """A fine-tune, as a form asks for it."""

    model: str = Field(max_length=300, pattern=WITHOUT_NUL)
    dataset: str = Field(max_length=300, pattern=WITHOUT_NUL)
    name: str | None = Field(default=None, max_length=200, pattern=WITHOUT_NUL)
    strategy: Strategy = Strategy.PROBE
    layer: str = Field(default="codes", max_length=256, pattern=WITHOUT_NUL)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    epochs: int | None = Field(default=None, ge=EPOCHS[0], le=EPOCHS[1])
    batch: int | None = Field(default=None, ge=BATCH[0], le=BATCH[1])
    lr: float | None = Field(default=None, ge=RATE[0], le=RATE[1], allow_inf_nan=False)
    head_lr: float | None = Field(default=None, ge=RATE[0], le=RATE[1], allow_inf_nan=False)


@bp.get("")
@needs(Need.READ)
def show_finetune() -> ResponseReturnValue:
    """Show the choice, what was measured of it, and the fine-tune filled in."""
    zoo, query = current_zoo(), read_query(ChoiceQuery)
    advice = name = None
    if query.model and query.dataset:
        revision = fetch.get_revision(zoo, query.model)
        dataset = datasets.get_dataset(zoo, query.dataset)
        name = finetuned_name(revision, dataset)
        advice = _find_advice(zoo, revision.address, dataset.address)
    result = (advice.result or {}) if advice else {}
    advised = result.get("advised") or {}
    return show(
        "new_finetune.html",
        ways=Ways(twin="/v1/advice", command=_command(query)),
        model=query.model,
        dataset=query.dataset,
        models=[one.name for one in fetch.list_models(zoo, limit=200)],
        datasets=[one.name for one in datasets.list_datasets(zoo)],
        name=name,
        advice=advice,
        result=result,
        quadrant=result.get("quadrant") or {},
        facts=_facts(result),
        advised=advised,
        strategies={key.value: words for key, words in STRATEGIES.items()},
        strategy=advised.get("strategy", Strategy.PROBE.value),
        layer=advised.get("layer", "codes"),
        sizes=SIZES,
    )


@bp.post("/advice")
@needs(Need.WRITE)
def post_advice() -> ResponseReturnValue:
    """Ask for advice, and show its job."""
    form = read_form(AdviceForm)
    job = enqueue_advise(current_zoo(), form.model or ALL_MODELS, form.dataset)
    return redirect(f"/jobs/{job.id}", SEE_OTHER)


@bp.post("")
@needs(Need.WRITE)
def post_finetune() -> ResponseReturnValue:
    """Ask for a fine-tune, and show its job."""
    form = read_form(FinetuneForm)
    job = enqueue_finetune(
        current_zoo(),
        form.model,
        form.dataset,
        name=form.name,
        seed=form.seed,
        layer=form.layer,
        strategy=form.strategy,
        overrides=Overrides(epochs=form.epochs, batch=form.batch, lr=form.lr, head_lr=form.head_lr),
    )
    return redirect(f"/jobs/{job.id}", SEE_OTHER)


def _find_advice(zoo: Zoo, model: str, dataset: str) -> Job | None:
    """Find the last advice on a model and a dataset that the caller may see; one under way too."""
    found = [job for job in jobs.list_jobs(zoo, limit=1000) if job.kind is JobKind.ADVISE]
    wanted = [
        job
        for job in found
        if (job.params.get("model"), job.params.get("dataset")) == (model, dataset)
        and (job.result is not None or not job.state.is_final)
    ]
    return wanted[0] if wanted else None


def _facts(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Tell the figures of an advice in words."""
    facts, told = result.get("facts") or {}, []
    if predicted := result.get("predicted"):
        interval = f"{predicted['low']:.3f} to {predicted['high']:.3f}"
        told.append(("accuracy predicted", f"{predicted['accuracy']:.3f} ({interval} at 95 %)"))
        if (balanced := predicted.get("balanced_accuracy")) is not None:
            told.append(("balanced accuracy predicted", f"{balanced:.3f}"))
    gains = result.get("gains") or []
    told += [(f"{gain['more']} more pictures", tell_gain(gain)) for gain in gains]
    if facts.get("copies"):
        told.append(("copies", str(facts["copies"])))
    if facts.get("alike_across_splits"):
        told.append(("alike on both sides of the division", str(facts["alike_across_splits"])))
    return told


def _command(query: ChoiceQuery) -> str:
    model = query.model.partition("@")[0] or "MODEL"
    return f"advise {model} {query.dataset.partition('@')[0] or 'DATASET'}"
