"""`zoo quantize`."""

from typing import Any

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    result_of,
    show_accuracy,
    show_json,
    show_size,
)
from zoo.commands.datasets import address_at
from zoo.commands.dense import show_queued
from zoo.commands.numbers import Finite
from zoo.commands.remote import at_option, opened_at
from zoo.commands.terms import terms_options
from zoo.domain.quantization import GATE_POINTS, MOST_PICTURES, PICTURES, Precision
from zoo.domain.terms import Terms
from zoo.operations.quantize import QuantizeOptions


@click.command()
@click.argument("model")
@click.argument("dataset")
@click.option(
    "--to",
    "precision",
    type=click.Choice([one.value for one in Precision]),
    default=Precision.INT8.value,
    show_default=True,
    help="int8 for CPUs, fp16 for GPUs.",
)
@click.option(
    "--gate",
    metavar="POINTS",
    type=Finite(0, 100),
    default=GATE_POINTS,
    show_default=True,
    help="Points of accuracy that may be lost.",
)
@click.option(
    "--pictures",
    type=click.IntRange(1, MOST_PICTURES),
    default=PICTURES,
    show_default=True,
    help="Training pictures, at most, that ranges are measured on.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--name", help="A model of its own; otherwise MODEL gets a ref int8 or fp16.")
@click.option("-d", "--detach", is_flag=True, help="Queue the job and return its number.")
@terms_options
@at_option
@json_option
def command(
    *,
    model: str,
    dataset: str,
    precision: str,
    gate: float,
    pictures: int,
    seed: int,
    name: str | None,
    detach: bool,
    terms: Terms,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Have MODEL's graph compute with fewer bits, if that costs no accuracy.

    MODEL is a name, name:ref or name@revision of the zoo. DATASET is the name of a dataset, or a
    folder or archive, which is then added first. Ranges of values are measured on training
    pictures; the accuracies of both graphs on the validation pictures, compared by McNemar's exact
    test. A few settings are tried in a stated order; the first that loses no more than the gate is
    published as a revision under the ref int8 (or fp16), which predict, eval, serve and export take
    like any other. If none does, nothing is published, and every try is told (exit code 5).

    \b
    Examples:
      zoo quantize squeezenet-flowers flowers
      zoo predict squeezenet-flowers:int8 rose.jpg
      zoo refs alias squeezenet-flowers production --to int8
    """
    options = QuantizeOptions(
        name=name,
        precision=Precision(precision),
        gate_points=gate,
        pictures=pictures,
        seed=seed,
    )
    with opened_at(url, terms) as at:
        line = ProgressLine()
        address = address_at(at, dataset, line)
        job = at.enqueue_quantize(model, address, options)
        if detach:
            show_queued(job.id, is_json=is_json)
            return
        job = at.finish_job(job.id, line.event)
        result = result_of(job)
    if is_json:
        show_json({"model": job.params["name"], "job": job.id, **result})
        return
    show_quantized(job.params["name"], result)
    click.echo(f"  next: zoo predict {job.params['name']}:{precision} PICTURE...", err=True)


def show_quantized(name: str, result: dict[str, Any]) -> None:
    """Say what came of it."""
    before, after = result["accuracy_before"], result["accuracy"]
    click.echo(
        f"{name}:{result['precision']}  accuracy {show_accuracy(after)} at 95 %,"
        f" {after['right']} of {after['total']} validation pictures, {before['right']} before\n"
        f"  {result['revision']}\n"
        f"  {show_size(result['size_bytes'])}, {show_size(result['size_bytes_before'])} before"
    )
    for cost in result["cost"]:
        threads = "1 thread" if cost["threads"] == 1 else f"{cost['threads']:g} threads"
        click.echo(
            f"  {cost['after_cpu_ms']:.2f} CPU ms a picture on {threads},"
            f" {cost['before_cpu_ms']:.2f} before: {cost['ratio']:.2f} times as fast"
        )
    for note in result["notes"]:
        click.echo(f"note: {note}", err=True)
