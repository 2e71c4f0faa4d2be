"""`zoo reference`."""

from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, opened, show_json


@click.command()
@click.argument("model")
@click.argument("pictures", type=click.Path(path_type=Path))
@json_option
def command(*, model: str, pictures: Path, is_json: bool) -> None:
    r"""Keep what pictures like those MODEL was trained on are to it, for advice.

    PICTURES is a folder or archive of pictures, some hundred, in any folders; classes play no part.
    Their codes are kept, not the pictures. `zoo advise` then tells how far a dataset lies from
    them. Given again, they are taken anew.

    \b
    Examples:
      zoo reference squeezenet ./imagenet-sample
      zoo advise squeezenet ./ants-and-bees
    """
    line = ProgressLine()
    with opened() as zoo:
        # It needs torch, and takes seconds to come.
        from zoo.worker.reference import keep_reference

        kept = keep_reference(
            zoo, model, pictures, lambda done, total: line.count("codes", "files", done, total)
        )
    if is_json:
        show_json(
            {
                "model": model,
                "reference": kept.source,
                "pictures": kept.pictures,
                "layers": list(kept.taps),
            }
        )
        return
    click.echo(
        f"{model}  reference: {kept.pictures} pictures of {kept.source} at {len(kept.taps)} layers"
    )
    click.echo(f"  next: zoo advise {model} DATASET", err=True)
