"""`zoo finetune`."""

from typing import Any

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    result_of,
    show_accuracy,
    show_json,
)
from zoo.commands.datasets import address_at
from zoo.commands.numbers import Finite
from zoo.commands.remote import at_option, opened_at
from zoo.commands.terms import terms_options
from zoo.domain.job import Job, JobKind
from zoo.domain.plan import Classifier, CodesPrecision, Strategy
from zoo.domain.revision import check_alias_name
from zoo.domain.terms import Terms
from zoo.domain.training import REAL_LIMITS, WHOLE_LIMITS, Overrides
from zoo.domain.unequal import tell_unequal
from zoo.operations.verbs import Verbs


@click.command()
@click.argument("model")
@click.argument("dataset")
@click.option("--name", help="What the new model is called; MODEL-DATASET otherwise.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option(
    "--layer",
    metavar="NAME",
    default="codes",
    show_default=True,
    help="Where codes are taken: codes (what the classifier reads), a layer, best, or all.",
)
@click.option(
    "--classifier",
    type=click.Choice([one.value for one in Classifier]),
    default=Classifier.LOGISTIC.value,
    show_default=True,
    help="What is fitted to the codes.",
)
@click.option(
    "--strategy",
    type=click.Choice([one.value for one in Strategy]),
    default=Strategy.PROBE.value,
    show_default=True,
    help="How the network is fitted; auto follows the number of pictures.",
)
@click.option(
    "--epochs", type=click.IntRange(*WHOLE_LIMITS["epochs"]), help="How often a picture is seen."
)
@click.option(
    "--batch", type=click.IntRange(*WHOLE_LIMITS["batch"]), help="Pictures a step.  [default: 32]"
)
@click.option("--lr", type=Finite(*REAL_LIMITS["lr"]), help="Highest learning rate of the body.")
@click.option(
    "--head-lr", type=Finite(*REAL_LIMITS["head_lr"]), help="Highest one of the new head."
)
@click.option("--freeze", metavar="LAYER", help="Layers up to this one stay as they are.")
@click.option("--init", metavar="SCHEME", help="What a network from scratch begins as.")
@click.option(
    "--mixup",
    type=Finite(*REAL_LIMITS["mixup"]),
    help="Blend pictures in pairs: Beta(ALPHA, ALPHA).",
)
@click.option(
    "--devices",
    type=click.IntRange(*WHOLE_LIMITS["devices"]),
    help="GPUs of this machine, or processes without any, that share every batch.  [default: 1]",
)
@click.option(
    "--precision",
    type=click.Choice([one.value for one in CodesPrecision]),
    default=CodesPrecision.AUTO.value,
    show_default=True,
    help="What the codes of training pictures are computed in; the model is fp32.",
)
@click.option("--int8", is_flag=True, help="Also make a graph of 8 bits, as zoo quantize does.")
@click.option("--then-quantize", is_flag=True, help="Queue zoo quantize of the result after it.")
@click.option("--alias", metavar="ALIAS", help="Point an alias to the result, once it is there.")
@click.option("-d", "--detach", is_flag=True, help="Queue the job and return its number.")
@terms_options
@at_option
@json_option
def command(
    *,
    model: str,
    dataset: str,
    name: str | None,
    seed: int,
    layer: str,
    classifier: str,
    strategy: str,
    precision: str,
    int8: bool,
    then_quantize: bool,
    alias: str | None,
    detach: bool,
    terms: Terms,
    url: str | None,
    is_json: bool,
    **decided: Any,  # noqa: ANN401  # the fields of Overrides
) -> None:
    r"""Fine-tune MODEL on DATASET and publish the result with its ONNX graph.

    MODEL is a name, name:ref or name@revision of the zoo. DATASET is the name of a dataset, or a
    folder or archive, which is then added first. The classifier is a linear one on the network's
    codes; its accuracy on the validation pictures is given with a 95 % interval. Where pictures are
    unlike those the network knows, an earlier layer may serve better: --layer best measures it by
    cross-validation on the training pictures. Where classes are unequal, each counts the same in
    that, and the balanced accuracy is told beside what always saying the largest class would have.

    \b
    Strategies:
      probe      a linear classifier on the codes; the network stays as it is
      zero-shot  classes that the network knows stand for the new ones
      partial    the upper layers are trained, on kept values of those below
      lp-ft      a probe first, then all layers, the lower the slower
      full       all layers, with a new head
      scratch    a new network of the same kind
      auto       probe, partial or lp-ft, by the number of pictures

    Where the processor computes in bfloat16, which is up to twice as fast, the codes of training
    pictures are so computed, unless that changes them by much; the network that is published and
    what is told of it stay fp32. --precision fp32 has everything computed so, and compares every
    validation picture with torch.

    Those that train publish a probe first, and then a revision under the strategy's name; the model
    moves on to that only if it is better on pictures held out of the training ones. Learning rates
    follow the scale of the codes unless --lr and --head-lr are given. A training that was
    interrupted goes on where it stopped when the command is given again.

    \b
    Examples:
      zoo finetune squeezenet ./ants-and-bees
      zoo finetune squeezenet ./steel-defects --layer best --classifier svm
      zoo finetune squeezenet ./flowers --strategy lp-ft --epochs 5
      zoo finetune squeezenet ./flowers --then-quantize --alias production
    """
    if alias is not None:
        check_alias_name(alias)  # before anything is queued
    with opened_at(url, terms) as at:
        line = ProgressLine()
        address = address_at(at, dataset, line)
        job = at.enqueue_finetune(
            model,
            address,
            name=name,
            seed=seed,
            layer=layer,
            classifier=Classifier(classifier),
            strategy=Strategy(strategy),
            overrides=Overrides(**decided),
            int8=int8,
            precision=CodesPrecision(precision),
        )
        then = _queue_more(at, job.id, address, has_quantize=then_quantize, alias=alias)
        if detach:
            _show_queued([job.id, *then], is_json=is_json)
            return
        done = at.finish_job(job.id, line.event)
        result = result_of(done)
        if not is_json:
            _show(done.params["name"], result)
        more = [at.finish_job(number, line.event) for number in then]
    if is_json:
        told = [{"job": one.id, "kind": one.kind, **result_of(one)} for one in more]
        later = {"then": told} if then else {}
        show_json({"model": done.params["name"], "job": job.id, **result, **later})
        return
    for one in more:
        _show_more(one)


def _queue_more(
    at: Verbs, number: int, dataset: str, *, has_quantize: bool, alias: str | None
) -> list[int]:
    """Queue what is to become of a job's model; give the numbers, in their order."""
    then: list[int] = []
    if has_quantize:
        # It comes with what judges a graph: NumPy, ONNX Runtime.
        from zoo.operations.quantize import QuantizeOptions  # noqa: PLC0415

        then.append(at.enqueue_quantize(f"job:{number}", dataset, QuantizeOptions()).id)
    if alias is not None:
        then.append(at.enqueue_alias(f"job:{[number, *then][-1]}", alias).id)
    return then


def _show_queued(numbers: list[int], *, is_json: bool) -> None:
    if is_json:
        show_json({"job": numbers[0], **({"then": numbers[1:]} if numbers[1:] else {})})
    else:
        click.echo("\n".join(map(str, numbers)))
    click.echo(f"  next: zoo jobs show {numbers[-1]}", err=True)


def _show_more(job: Job) -> None:
    result = result_of(job)
    if job.kind is JobKind.ALIAS:
        model = str(result["revision"]).partition("@")[0]
        click.echo(f"{model}:{result['alias']}\n  {result['revision']}")
        return
    from zoo.commands.quantize import show_quantized  # noqa: PLC0415  # as above

    show_quantized(job.params["name"], result)


def _show(name: str, result: dict[str, Any]) -> None:
    accuracy = result["accuracy"]
    click.echo(
        f"{name}  accuracy {show_accuracy(accuracy)} at 95 %, "
        f"{accuracy['right']} of {accuracy['total']} validation pictures"
    )
    if unequal := tell_unequal(result.get("unequal")):
        click.echo(f"  {unequal}")
    click.echo(f"  {result['revision']}")
    if verdict := result.get("verdict"):
        click.echo(f"  {verdict}")
    if trained := result.get("trained"):
        click.echo(f"  trained: {trained}")
    if eight := result.get("int8"):
        _show_int8(name, eight)
    click.echo(f"  next: zoo predict {name} PICTURE...", err=True)


def _show_int8(name: str, told: dict[str, Any]) -> None:
    if "error" in told:
        click.echo(f"note: no {name}:int8. {told['error']['message']}", err=True)
        click.echo(f"  {told['error']['hint']}", err=True)
    else:
        # It comes with what judges a graph: NumPy, ONNX Runtime.
        from zoo.commands.quantize import show_quantized  # noqa: PLC0415

        show_quantized(name, told)
