"""`zoo stats`."""

from dataclasses import asdict

import click

from zoo.commands.console import json_option, show_json, show_size, show_table
from zoo.commands.remote import at_option, opened_at
from zoo.operations.verbs import Verbs


@click.command()
@click.argument("model", required=False)
@at_option
@json_option
def command(*, model: str | None, url: str | None, is_json: bool) -> None:
    r"""Say what the zoo holds, or how often the files of MODEL were downloaded.

    Downloads are those that `zoo serve` answered, counted by file, revision and day.

    \b
    Example:
      zoo stats lenet --json
    """
    with opened_at(url) as at:
        if model is None:
            _show_totals(at, is_json=is_json)
        else:
            _show_model(at, model, is_json=is_json)


def _show_totals(at: Verbs, *, is_json: bool) -> None:
    found = at.get_totals()
    if is_json:
        show_json(asdict(found))
        return
    jobs = ", ".join(f"{count} {state}" for state, count in sorted(found.jobs.items()))
    rows = [
        ("models", found.models),
        ("revisions", found.revisions),
        ("datasets", found.datasets),
        ("blobs", found.blobs),
        ("size", show_size(found.size_bytes)),
        ("jobs", jobs or "none"),
        ("downloads", found.downloads),
    ]
    show_table(("WHAT", "COUNT"), rows)


def _show_model(at: Verbs, model: str, *, is_json: bool) -> None:
    found = at.get_model_statistics(model)
    if is_json:
        told = asdict(found)
        show_json(told | {"by_day": {f"{day}": count for day, count in found.by_day.items()}})
        return
    rows: list[tuple[str, str, int]] = [
        ("all", "", found.downloads),
        ("last 30 days", "", found.recent_downloads),
        *(("revision", revision[:12], count) for revision, count in found.by_revision.items()),
        *(("file", path, count) for path, count in found.by_file.items()),
        *(("day", f"{day}", count) for day, count in found.by_day.items()),
    ]
    show_table(("DOWNLOADS", "OF", "COUNT"), rows)
