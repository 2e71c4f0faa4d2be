"""`zoo heatmap`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from zoo.commands.console import json_option, printable, show_json, show_table
from zoo.commands.numbers import Finite
from zoo.commands.remote import at_option, opened_at
from zoo.domain.prediction import Cell
from zoo.errors import Conflict
from zoo.operations.heat import Drawing, HeatOptions, HeatReport, Scaling
from zoo.operations.written import write_whole

PIXELS = click.IntRange(1)


@click.command()
@click.argument("model")
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--label", help="Class shown, by name or index.  [default: the best of the picture]")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="PNG.  [default: PICTURE-heat.png here]"
)
@click.option("--npy", type=click.Path(path_type=Path), help="Write the map of every class too.")
@click.option("--short-side", type=PIXELS, help="Resize the picture first; small ones can grow.")
@click.option(
    "--scale",
    "scales",
    type=float,
    multiple=True,
    default=(1.0,),
    help="Read the picture at this factor of that size; again for more, which are averaged."
    "  [default: 1]",
)
@click.option("--tile", type=PIXELS, help="Largest side read at once.  [default: ZOO_TILE_PX]")
@click.option("--opacity", type=Finite(0, 1), default=0.6, show_default=True)
@click.option(
    "--scaling",
    type=click.Choice([scaling.value for scaling in Scaling]),
    default=Scaling.FIXED.value,
    show_default=True,
    help="Colours stand for 0 to 1, or for the map's own least to its largest.",
)
@click.option("--legend/--no-legend", "has_legend", default=True, help="A strip with the values.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Classes shown.")
@at_option
@json_option
def command(
    *,
    model: str,
    picture: Path,
    label: str | None,
    output: Path | None,
    npy: Path | None,
    short_side: int | None,
    scales: tuple[float, ...],
    tile: int | None,
    opacity: float,
    scaling: str,
    has_legend: bool,
    top: int,
    url: str | None,
    is_json: bool,
) -> None:
    """Show where on PICTURE the dense MODEL (name, name:ref or name@revision) sees a class.

    The colours of viridis, from dark blue to yellow, are laid over the picture and written as PNG.
    """
    goal = output or Path(f"{picture.stem}-heat.png")
    _check_goals(picture, goal, npy)
    if npy and len(scales) > 1:
        raise click.UsageError("--npy holds the map of one --scale.")
    options = HeatOptions(
        label=label,
        short_side_px=short_side,
        scales=scales,
        tile_px=tile,
        drawing=Drawing(opacity=opacity, scaling=Scaling(scaling), has_legend=has_legend),
        top=top,
        has_npy=npy is not None,
    )
    with opened_at(url) as at:
        found = at.draw_heat(model, (str(picture), picture), options)
    write_whole(goal, found.png)
    if npy and found.npy is not None:
        write_whole(npy, found.npy)
    if is_json:
        show_json(_tell(found) | {"output": goal, "npy": npy})
    else:
        _show(found)
        click.echo(goal)


def _check_goals(picture: Path, *goals: Path | None) -> None:
    """Refuse to write over the picture that is read."""
    for goal in goals:
        if goal and goal.exists() and picture.exists() and goal.samefile(picture):
            raise Conflict(f"{goal} is the picture itself.", hint="Name another file: -o FILE")


def _show(found: HeatReport) -> None:
    height, width = found.size_px
    click.echo(printable(f"picture  {found.picture}: {width} x {height} pixels"))
    for one in found.scales:
        rows, columns = one.map_size
        read_height, read_width = one.size_px
        click.echo(
            f"map      {columns} x {rows} cells at scale {one.scale:g}"
            f" ({read_width} x {read_height} pixels)"
        )
    scores = "  ".join(f"{score.label} {score.probability:.3f}" for score in found.scores)
    click.echo(printable(f"whole    {scores}"))
    click.echo(printable(f"shown    {found.shown.label} {found.shown.probability:.3f}"))
    rows_of_cells = [
        (cell.row, cell.column, f"{cell.scale:g}", f"{cell.probability:.3f}", _box(cell))
        for cell in found.cells
    ]
    show_table(("ROW", "COLUMN", "SCALE", "PROBABILITY", "SEES"), rows_of_cells)


def _box(cell: Cell) -> str:
    left, top, right, bottom = cell.box_px
    return f"x {left}..{right}, y {top}..{bottom}"


def _tell(found: HeatReport) -> dict[str, Any]:
    """Give what is shown as JSON."""
    return {
        "picture": found.picture,
        "model": found.model,
        "provider": found.provider,
        "size_px": found.size_px,
        "geometry": found.geometry.as_json(),
        "scales": [asdict(one) for one in found.scales],
        "scores": [asdict(score) for score in found.scores],
        "shown": asdict(found.shown),
        "cells": [asdict(cell) for cell in found.cells],
    }
