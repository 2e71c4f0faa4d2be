"""`zoo repair`."""

from pathlib import Path

import click

from zoo.commands.console import ProgressLine
from zoo.commands.remote import at_option, opened_at
from zoo.errors import VerificationFailed


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@at_option
def command(*, paths: tuple[Path, ...], url: str | None) -> None:
    r"""Put bytes that `zoo verify --all` misses back from files, or folders of files, PATHS.

    A file is taken when its SHA-256 is that of bytes the zoo misses, whatever it is called.

    \b
    Example:
      zoo repair backup/blobs
    """
    line = ProgressLine()
    with opened_at(url) as at:
        done = at.repair(paths, report=line.count)
    for digest, path in done.repaired:
        click.echo(f"{digest}  from {path}")
    if done.missing:
        raise VerificationFailed(
            f"{len(done.missing)} blobs are still missing: {', '.join(done.missing[:3])} ...",
            hint="Give files that hold them: from a backup, another zoo, or the original upload.",
            missing=done.missing,
        )
