"""`zoo filters`."""

from pathlib import Path

import click

from zoo.commands.console import json_option, show_json, show_table
from zoo.commands.remote import at_option, opened_at
from zoo.domain.filters import BINS, Drift, FilterStatistics, KernelStatistics, Match, Scaling
from zoo.operations.filters import FilterPicture, FilterReport, select_drift, select_layer
from zoo.operations.verbs import Verbs
from zoo.operations.written import write_whole

ROWS = 16  # of a histogram in text
MOST_PLANES = 16  # channels of one filter that are shown
BAR = 48  # letters of its longest bar
DIGITS = 3
LEAST_WHOLE, MOST_WHOLE = 100, 10**6  # numbers shown without a point
HEADER = (
    *("LAYER", "SHAPE", "MIN", "MAX", "MEAN", "STD"),
    *("KURTOSIS", "ZEROS", "DEAD", "MAX/BOUND", "STD/HE"),
)
MATCHES = {
    Match.SAME: "",
    Match.RESHAPED: "same numbers in another shape",
    Match.RESIZED: "of another size",
    Match.NEW: "not in the other model",
    Match.GONE: "only in the other model",
}


@click.command()
@click.argument("model")
@click.option("--layer", help="One layer, by its name.  [default of a picture: the first]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write its picture, a PNG.")
@click.option(
    "--scaling",
    type=click.Choice([scaling.value for scaling in Scaling]),
    default=Scaling.SHARED.value,
    show_default=True,
    help="Whether the picture's colours mean the same in all filters.",
)
@click.option("--against", help="Show how far each tensor moved from this model, or from: parent.")
@click.option(
    "--kernel", type=click.IntRange(0, 2**31), metavar="N", help="One filter of it, from 0."
)
@click.option("--spectrum", is_flag=True, help="Draw that filter's gain for waves, with -o.")
@at_option
@json_option
def command(
    *,
    model: str,
    layer: str | None,
    output: Path | None,
    scaling: str,
    against: str | None,
    kernel: int | None,
    spectrum: bool,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Show what values the filters of MODEL (name, name:ref or name@revision) hold.

    MAX/BOUND is the largest magnitude over 1/fan_in, STD/HE the spread over He's sqrt(2/fan_in);
    kurtosis is 3 for a normal distribution; a filter is dead below a millionth of the median norm.

    \b
    Examples:
      zoo filters squeezenet -o conv1.png
      zoo filters squeezenet --layer fire5/expand3x3 --kernel 17
      zoo filters squeezenet --layer fire5/expand3x3 --kernel 17 --spectrum -o waves.png
    """
    _check_options(output, against, kernel, is_spectrum=spectrum)
    with opened_at(url) as at:
        if kernel is not None:
            _look_at(at, (model, layer, kernel), output, is_spectrum=spectrum, is_json=is_json)
            return
        if output:
            _draw(at, model, layer, output, Scaling(scaling), is_json=is_json)
            return
        report = at.describe_filters(model, against=against)
    if against:
        _show_drift(report, layer, is_json=is_json)
    elif layer:
        _show_layer(select_layer(report, layer), is_json=is_json)
    elif is_json:
        show_json(report.as_json())
    else:
        _show_layers(report)


def _check_options(
    output: Path | None, against: str | None, kernel: int | None, *, is_spectrum: bool
) -> None:
    if output and against:
        raise click.UsageError("A picture shows one model: give -o or --against.")
    if kernel is not None and against:
        raise click.UsageError("One filter is of one model: give --kernel or --against.")
    if is_spectrum and (kernel is None or not output):
        raise click.UsageError("The gain for waves is drawn of one filter: give --kernel and -o.")


def _look_at(
    at: Verbs,
    what: tuple[str, str | None, int],
    output: Path | None,
    *,
    is_spectrum: bool,
    is_json: bool,
) -> None:
    """Draw or tell one filter, given by model, layer and number."""
    if output:
        _write(at.draw_kernel(*what, is_spectrum=is_spectrum), output, what[2], is_json=is_json)
    else:
        _show_kernel(at.get_kernel(*what), is_json=is_json)


def _draw(
    at: Verbs, model: str, layer: str | None, output: Path, scaling: Scaling, *, is_json: bool
) -> None:
    _write(at.draw_filters(model, layer, scaling=scaling), output, is_json=is_json)


def _write(
    picture: FilterPicture, output: Path, kernel: int | None = None, *, is_json: bool
) -> None:
    write_whole(output, picture.png)
    told = {} if kernel is None else {"kernel": kernel}
    if is_json:
        show_json({"layer": picture.layer, **told, "shown": picture.told, "output": output})
        return
    place = picture.layer if kernel is None else f"{picture.layer}[{kernel}]"
    click.echo(f"{place}: {picture.told}", err=True)
    click.echo(output)


def _show_kernel(kernel: KernelStatistics, *, is_json: bool) -> None:
    """Tell the numbers of one filter, as rows of each channel where they are not too many."""
    if is_json:
        show_json(kernel.as_json())
        return
    shape = " x ".join(map(str, kernel.shape))
    click.echo(f"{kernel.layer}[{kernel.index}] of {kernel.filters}  {shape}")
    for name, value in {
        "range": f"{_number(kernel.least)} .. {_number(kernel.largest)}",
        "mean": _number(kernel.mean),
        "std": _number(kernel.std),
        "norm": _number(kernel.norm),
    }.items():
        click.echo(f"{name:<10}  {value}")
    for channel, plane in enumerate(kernel.planes[:MOST_PLANES]):
        rows = [" ".join(f"{_number(one):>10}" for one in row) for row in plane]
        click.echo(f"channel {channel}")
        click.echo("\n".join(rows))
    if not kernel.planes or len(kernel.planes) > MOST_PLANES:
        left = kernel.shape[0] - min(len(kernel.planes), MOST_PLANES)
        click.echo(f"  {left} channels more: --json tells all of up to 16384 numbers", err=True)


def _show_layers(report: FilterReport) -> None:
    show_table(HEADER, [_cells(layer) for layer in report.layers])
    for layer in report.layers:
        if layer.nans or layer.infinities:
            click.echo(f"{layer.layer}: {_tell_wrong(layer)}")
    if report.others:
        click.echo(f"and {len(report.others)} tensors that are no filters (biases, statistics)")


def _cells(layer: FilterStatistics) -> tuple[object, ...]:
    return (
        layer.layer,
        _shape(layer),
        _number(layer.least),
        _number(layer.largest),
        _number(layer.mean),
        _number(layer.std),
        _number(layer.kurtosis),
        _percent(layer.zero_share),
        layer.dead,
        _number(layer.bound_ratio),
        _number(layer.he_ratio),
    )


def _show_layer(layer: FilterStatistics, *, is_json: bool) -> None:
    if is_json:
        show_json(layer.as_json())
        return
    lines = {
        "tensor": f"{layer.name}, {layer.kind}, {_shape(layer)}: {layer.count:,} numbers",
        "range": f"{_number(layer.least)} .. {_number(layer.largest)}",
        "mean": _number(layer.mean),
        "std": _number(layer.std),
        "kurtosis": f"{_number(layer.kurtosis)} (3 for a normal distribution)",
        "zeros": f"{layer.zeros:,} ({_percent(layer.zero_share)})",
        "dead": _tell_dead(layer),
        "not finite": _tell_wrong(layer),
        "fan-in": layer.fan_in,
        "1/fan-in": f"{_number(layer.inverse_bound)}, {_number(layer.bound_ratio)} times that",
        "1/sqrt": _number(layer.inverse_root_bound),
        "He's std": f"{_number(layer.he_std)}, {_number(layer.he_ratio)} times that",
    }
    for name, value in lines.items():
        click.echo(f"{name:<10}  {value}")
    _show_histogram(layer)


def _show_histogram(layer: FilterStatistics) -> None:
    """Draw the bins, four and four together, as bars of text."""
    if not layer.histogram or layer.least is None or layer.largest is None:
        return
    together = BINS // ROWS
    step = (layer.largest - layer.least) / ROWS
    counts = [sum(layer.histogram[row * together : (row + 1) * together]) for row in range(ROWS)]
    for row, count in enumerate(counts):
        bar = "#" * -(-count * BAR // max(counts))
        click.echo(f"{layer.least + row * step:>10.3g}  {bar} {count:,}")


def _show_drift(report: FilterReport, layer: str | None, *, is_json: bool) -> None:
    drift = report.drift if layer is None else select_drift(report, layer)
    if is_json:
        kept = {"model", "against"}
        whole = {name: value for name, value in report.as_json().items() if name in kept}
        show_json(whole | {"drift": [one.as_json() for one in drift]})
        return
    show_table(("TENSOR", "CHANGE", "COSINE", "CHANGED", ""), [_drift_cells(one) for one in drift])
    for one in drift if layer else ():
        for moved in one.moved:
            how_far = "from 0" if moved.change is None else f"by {moved.change:.3g}"
            click.echo(f"{one.name}[{moved.index}] moved {how_far}")
    here = [one for one in drift if one.match is not Match.GONE]
    unchanged = sum(one.is_unchanged for one in here)
    click.echo(f"{unchanged} of {len(here)} tensors are unchanged to the bit", err=True)


def _drift_cells(one: Drift) -> tuple[object, ...]:
    if one.is_unchanged:
        told = ", ".join(filter(None, ("unchanged to the bit", MATCHES[one.match])))
        return (one.name, 0, 1, _percent(0), told)
    share = "-" if one.changed_share is None else _percent(one.changed_share)
    match = "reshaped" if one.match is Match.RESHAPED else MATCHES[one.match]
    return (one.name, _number(one.change), _number(one.cosine, digits=6), share, match)


def _tell_dead(layer: FilterStatistics) -> str:
    told = f"{layer.dead} of {layer.shape[0]} filters"
    places = ", ".join(map(str, layer.first_dead))
    more = ", ..." if layer.dead > len(layer.first_dead) else ""
    return f"{told}: {places}{more}" if layer.dead else told


def _tell_wrong(layer: FilterStatistics) -> str:
    return f"{layer.nans:,} NaN, {layer.infinities:,} infinite"


def _shape(layer: FilterStatistics) -> str:
    return " x ".join(map(str, layer.shape))


def _percent(share: float) -> str:
    """Write a share down; only none at all is 0 %, only all of them 100 %."""
    if 0 < share < 1:
        return f"{min(max(100 * share, 0.1), 99.9):.1f} %"
    return f"{100 * share:.0f} %"


def _number(value: float | None, *, digits: int = DIGITS) -> float | str:
    """Round a number for people; where no digit behind the point is left, none is shown."""
    if value is None:
        return "-"
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if LEAST_WHOLE <= abs(rounded) < MOST_WHOLE else rounded
