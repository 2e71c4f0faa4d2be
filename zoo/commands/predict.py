"""`zoo predict`."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from zoo.client.predictions import find_model_there, predict_there
from zoo.commands.answers import Output, Teller
from zoo.commands.console import ProgressLine, json_option, opened
from zoo.commands.datasets import address_of
from zoo.commands.main import EXIT
from zoo.commands.numbers import Finite
from zoo.commands.predict_job import run_as_job
from zoo.commands.remote import at_option, opened_remote
from zoo.domain.dataset import Split
from zoo.domain.prediction import Asked
from zoo.errors import PathNotFound, SomeUnreadable
from zoo.images.chosen import choose_pictures, read_list
from zoo.images.names import printable
from zoo.operations.answer_lines import Telling
from zoo.operations.answering import Answer
from zoo.operations.bulk import (
    Answers,
    ask_about,
    list_splits,
    open_for_many,
    predict_many,
    refuse_unreadable,
)
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo
from zoo.operations.tally import Tally
from zoo.operations.unfinished import refuse_existing

STDIN = "-"
SPLITS = [split.value for split in Split]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of which model."""

    model: str
    top: int
    threshold: float
    is_strict: bool
    output: Output
    line: ProgressLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """A model that is ready, here or elsewhere."""

    model: str  # "model@revision"
    classes: int | None
    labels: frozenset[str] | None
    answer: Answer


@click.command()
@click.argument("model")
@click.argument("pictures", nargs=-1, metavar="PICTURE...")
@click.option("--from-list", metavar="FILE", help="A list of paths, by lines or NULs; - is stdin.")
@click.option("--dataset", metavar="NAME", help="The pictures of a dataset, which are labelled.")
@click.option("--split", type=click.Choice(SPLITS), help="Of the dataset.  [default: all]")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Classes shown.")
@click.option("--threshold", type=Finite(0, 1), default=0.0, help="Least probability shown.")
@click.option("--csv", metavar="FILE", help="Write CSV, a line a picture; - is stdout.")
@click.option("--jsonl", metavar="FILE", help="Write JSON Lines; - is stdout.")
@click.option("--job", "is_job", is_flag=True, help="Have a job predict the dataset.")
@click.option("--strict", "is_strict", is_flag=True, help="End at the first unreadable picture.")
@at_option
@json_option
def command(
    *,
    model: str,
    pictures: tuple[str, ...],
    from_list: str | None,
    dataset: str | None,
    split: str | None,
    top: int,
    threshold: float,
    csv: str | None,
    jsonl: str | None,
    is_job: bool,
    is_strict: bool,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Say what is on pictures, with ONNX Runtime and MODEL (name, name:ref or name@revision).

    A PICTURE is a file, a folder with all below it, or a pattern in quotes; - reads a list of them
    from stdin. Pictures are read and run side by side, and told in their order. One that cannot be
    read is told and counted and does not end the run; the exit code is then 8.

    A FILE is there when all pictures are done, and never written over. Until then FILE.part holds
    the lines; the same command goes on with them. With --job, a job writes the answers to a
    dataset, keeps them (zoo jobs predictions NUMBER) and sums them up.

    \b
    Examples:
      zoo predict squeezenet ant.jpg bee.jpg
      zoo predict squeezenet photos --csv photos.csv
      find photos -name '*.jpg' -print0 | zoo predict squeezenet - --jsonl -
      zoo predict squeezenet-flowers --dataset flowers --split val --top 1
      zoo predict lab/flowers:production photos --at http://zoo.example.org:8080
    """
    output = Output(csv=csv, jsonl=jsonl, is_json=is_json)
    output.check()
    _check_sources(pictures, from_list, dataset, split, url)
    if output.path is not None:
        refuse_existing(output.path)
    wish = Wish(
        model=model,
        top=top,
        threshold=threshold,
        is_strict=is_strict,
        output=output,
        line=ProgressLine(),
    )
    if is_job:
        _check_job(dataset, threshold, is_strict=is_strict)
        run_as_job(model, str(dataset), Split(split) if split else None, top, output)
        return
    if dataset is not None:
        with opened() as zoo:
            _predict_dataset(zoo, wish, dataset, Split(split) if split else None)
        return
    asked = _choose(pictures, from_list)
    with _kept_at(url, wish) as keeper:
        _tell(wish, keeper, asked, len(asked), has_truth=False)


def _check_sources(
    pictures: tuple[str, ...],
    from_list: str | None,
    dataset: str | None,
    split: str | None,
    url: str | None,
) -> None:
    if dataset is None and not pictures and from_list is None:
        raise click.UsageError(
            "Missing argument 'PICTURE...'. Give files or folders, --from-list or --dataset."
        )
    if dataset is not None and (pictures or from_list):
        raise click.UsageError("Give pictures or --dataset, not both.")
    if split is not None and dataset is None:
        raise click.UsageError("--split is of a dataset: give --dataset too.")
    if dataset is not None and url is not None:
        raise click.UsageError("The datasets of another zoo are predicted there: not with --at.")


def _check_job(dataset: str | None, threshold: float, *, is_strict: bool) -> None:
    if dataset is None:
        raise click.UsageError("--job predicts a dataset: give --dataset too.")
    if threshold or is_strict:
        raise click.UsageError("--threshold and --strict are not for --job.")


def _choose(pictures: tuple[str, ...], from_list: str | None) -> list[Asked]:
    """Find the pictures that are meant, in the order they are given."""
    given: list[str] = []
    for one in pictures:
        given += _read_list(STDIN) if one == STDIN else [one]
    if from_list is not None:
        given += _read_list(from_list)
    chosen = choose_pictures(given)
    if chosen.passed_over:
        click.echo(f"  passed over {chosen.passed_over} files that are no pictures", err=True)
    if not chosen.paths:
        raise PathNotFound("The list names no picture.", hint="Give a path a line.")
    return [Asked(name=printable(str(path)), path=path) for path in chosen.paths]


def _read_list(source: str) -> list[str]:
    if source == STDIN:
        return read_list(sys.stdin.buffer.read())
    try:
        return read_list(Path(source).read_bytes())
    except FileNotFoundError as error:
        raise PathNotFound(f"{source}: there is no such file.", path=source) from error


@contextmanager
def _kept_at(url: str | None, wish: Wish) -> Iterator[Keeper]:
    """Have the model ready in the zoo at an address, or in this one."""
    if url is None:
        with opened() as zoo:
            yield _keeper_here(zoo, wish)
        return
    with opened_remote(url, is_named=False) as remote:
        there = find_model_there(remote, wish.model)
        yield Keeper(
            model=there.address,
            classes=there.classes,
            labels=None,
            answer=lambda asked: predict_there(remote, there.address, asked, top=wish.top),
        )


def _keeper_here(zoo: Zoo, wish: Wish) -> Keeper:
    revision = get_revision(zoo, wish.model)
    predictor = open_for_many(zoo, revision)

    def answer(asked: Iterable[Asked]) -> Answers:
        most = zoo.settings.max_picture_pixels
        return predict_many(predictor, asked, top=wish.top, max_pixels=most)

    return Keeper(
        model=revision.address,
        classes=len(predictor.labels),
        labels=frozenset(predictor.labels),
        answer=answer,
    )


def _predict_dataset(zoo: Zoo, wish: Wish, dataset: str, split: Split | None) -> None:
    keeper = _keeper_here(zoo, wish)
    pictures = list_splits(get_dataset(zoo, address_of(zoo, dataset, wish.line)), split)
    _tell(wish, keeper, ask_about(zoo, pictures), len(pictures), has_truth=True)


def _tell(
    wish: Wish, keeper: Keeper, asked: Iterable[Asked], total: int, *, has_truth: bool
) -> None:
    is_strict = wish.is_strict or total == 1
    telling = Telling(
        model=keeper.model,
        form=wish.output.form,
        top=min(wish.top, keeper.classes or wish.top),
        threshold=wish.threshold,
        has_truth=has_truth,
    )
    tally = Tally(labels=keeper.labels)
    Teller(
        output=wish.output,
        telling=telling,
        asked=asked,
        total=total,
        answer=(lambda some: refuse_unreadable(keeper.answer(some)))
        if is_strict
        else keeper.answer,
        tally=tally,
        line=wish.line,
    ).tell()
    if tally.unreadable:
        click.get_current_context().exit(EXIT[SomeUnreadable])
