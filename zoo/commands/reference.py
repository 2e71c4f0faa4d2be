"""`zoo reference`."""

from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, show_json
from zoo.commands.remote import at_option, opened_at


@click.command()
@click.argument("model")
@click.argument("pictures", type=click.Path(path_type=Path))
@at_option
@json_option
def command(*, model: str, pictures: Path, url: str | None, is_json: bool) -> None:
    r"""Keep what pictures like those MODEL was trained on are to it, for advice.

    PICTURES is a folder or archive of pictures, some hundred, in any folders; classes play no part.
    Their codes are kept, not the pictures. `zoo advise` then tells how far a dataset lies from
    them. Given again, they are taken anew. In another zoo a job there takes them, of at most 400
    files that are sent.

    \b
    Examples:
      zoo reference squeezenet ./imagenet-sample
      zoo advise squeezenet ./ants-and-bees
    """
    line = ProgressLine()
    with opened_at(url) as at:
        kept = at.keep_reference(model, pictures, report=line.count)
    if is_json:
        show_json(
            {
                "model": model,
                "reference": kept.reference,
                "pictures": kept.pictures,
                "layers": list(kept.layers),
            }
        )
        return
    click.echo(
        f"{model}  reference: {kept.pictures} pictures of {kept.reference} at"
        f" {len(kept.layers)} layers"
    )
    click.echo(f"  next: zoo advise {model} DATASET", err=True)
