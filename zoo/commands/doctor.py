"""`zoo doctor`."""

from dataclasses import asdict

import click

from zoo.commands.console import json_option, opened, show_json
from zoo.operations.inspect import examine


@click.command()
@json_option
def command(*, is_json: bool) -> None:
    """Say what this zoo stands on; exit with 1 where something is not sound."""
    with opened() as zoo:
        findings = examine(zoo)
    if is_json:
        show_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(
                f"{'ok ' if finding.is_sound else 'BAD'}  {finding.name:<26} {finding.value}"
            )
            if finding.hint:
                click.echo(f"       next: {finding.hint}")
    if not all(finding.is_sound for finding in findings):
        raise SystemExit(1)
