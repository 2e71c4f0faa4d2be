"""`zoo predict`."""

from dataclasses import asdict
from pathlib import Path

import click

from zoo.commands.console import json_option, opened, printable, show_json
from zoo.domain.prediction import Prediction
from zoo.operations.predict import open_service, predict


@click.command()
@click.argument("model")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Classes shown.")
@json_option
def command(*, model: str, pictures: tuple[Path, ...], top: int, is_json: bool) -> None:
    """Say what is on PICTURES, with ONNX Runtime and MODEL (name, name:ref or name@revision)."""
    with opened() as zoo:
        named = [(str(path), path) for path in pictures]
        predictions = predict(zoo, open_service(zoo), model, named, top=top)
        if is_json:
            show_json([asdict(prediction) for prediction in predictions])
            return
        for prediction in predictions:
            _show(prediction)


def _show(prediction: Prediction) -> None:
    scores = "  ".join(f"{score.label} {score.probability:.3f}" for score in prediction.scores)
    click.echo(printable(f"{prediction.picture}: {scores}"))
