"""The report of a fine-tune: one HTML file that needs no other, with the figures of training.json.

Everything that comes from files or users is escaped; there is no script in it.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from zoo.domain.unequal import tell_unequal
from zoo.operations.svg import draw_lines, draw_strip

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
h1, p, li { overflow-wrap: anywhere } .table { overflow-x: auto }
.long { overflow-wrap: anywhere; min-width: 7rem }
.clip { display: inline-block; max-width: 8rem; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; vertical-align: bottom }
table { border-collapse: collapse } th, td { padding: .15rem .7rem; text-align: right;
  border-bottom: 1px solid #e5e5e5; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left } th { font-weight: 600 }
img { max-width: 100%; height: auto }
svg { font: 11px system-ui, sans-serif; max-width: 100%; height: auto; display: block;
  margin-bottom: .7rem }
code { font-size: .85em; overflow-wrap: anywhere } .big { font-size: 2rem; font-weight: 600 }
"""
MOST_TOLD = 24  # wrong pictures in words
MOST_CLASSES = 40  # of a confusion matrix that is shown
LONG = 32  # letters, above which what is in a table is broken or clipped

Told = Mapping[str, Any]


def write_report(training: Told, title: str, gallery: bytes | None = None) -> str:
    """Write the report of a fine-tune from the content of its training.json.

    ``gallery`` is a sheet of wrong pictures, as JPEG; it lies inside the page.
    """
    sections = [
        _accuracy(training),
        _section("Decisions", _list(training["plan"]["because"])),
        *_training(training),
        *_depth(training),
        _section("Classes", _classes(training["metrics"]["val"]["per_class"])),
        *_confusion(training),
        *_wrong(training, gallery),
        _section("Proof", _list(_proofs(training))),
        _section("Where it comes from", _origin(training)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n" + "\n".join(sections) + "\n</body></html>\n"
    )


def _accuracy(training: Told) -> str:
    found = training["metrics"]["val"]
    accuracy = found["accuracy"]
    return (
        f'<p><span class="big">{accuracy["value"]:.3f}</span> of the validation pictures are '
        f"right: {accuracy['right']} of {accuracy['total']}, 95 % interval "
        f"{accuracy['low']:.3f} to {accuracy['high']:.3f}. None of them took part in any choice. "
        f"{_unequal(found)}"
        f"Expected calibration error {found['calibration_error']:.3f}, log loss "
        f"{found['log_loss']:.3f}.</p>"
    )


def _unequal(found: Told) -> str:
    """Tell what the accuracy is to be read beside, where classes are of unequal size."""
    told = tell_unequal(found.get("unequal"))
    return escape(f"The classes are of unequal size: {told}. ") if told else ""


def _training(training: Told) -> Iterable[str]:
    outcome, plan = training["outcome"], training["plan"]["training"]
    if outcome is None or plan is None:
        return
    curve = outcome["curve"]
    yield _section(
        "Training",
        _paragraph(_verdict(outcome["verdict"])),
        draw_lines(
            [
                ("training loss", [one["training_loss"] for one in curve]),
                ("held-out loss", [one["held_out_loss"] for one in curve]),
            ],
            across="epochs",
        ),
        draw_lines(
            [("held-out accuracy", [one["held_out_accuracy"] for one in curve])],
            across="epochs",
            highest=1.0,
        ),
        _paragraph("Share of the highest rates at the end of each epoch:"),
        draw_strip(
            [one["rate"] for one in curve],
            [f"epoch {one['epoch']}: {one['rate']:.2f}" for one in curve],
        ),
        _table(
            ("decision", "value"),
            [(name.replace("_", " "), _plain(value)) for name, value in plan.items()],
        ),
    )
    if outcome["mixes"]:
        rows = [
            (f"{mix['share']:.0%}", f"{mix['loss']:.3f}", f"{mix['accuracy']:.3f}")
            for mix in outcome["mixes"]
        ]
        head = ("of the way from the probe", "held-out loss", "held-out accuracy")
        yield _section(
            "Between the probe and the trained network",
            _table(head, rows),
            _paragraph(f"Kept: {outcome['share']:.0%} of the way."),
        )


def _verdict(told: Told) -> str:
    end = "the trained network takes its place" if told["is_better"] else "the probe stays"
    return (
        f"On {told['pictures']} held-out training pictures the trained network has "
        f"{told['trained_right']} right, the probe {told['probe_right']}: "
        f"{told['gain'] * 100:+.1f} +- {told['standard_error'] * 100:.1f} points, McNemar's exact "
        f"p = {told['p']:.2g}{_balanced(told)}; {end}."
    )


def _balanced(verdict: Told) -> str:
    gain = verdict.get("balanced_gain")
    if gain is None:
        return ""
    return f"; {gain * 100:+.1f} +- {verdict['balanced_error'] * 100:.1f} of balanced accuracy"


def _depth(training: Told) -> Iterable[str]:
    points = training["codes"]["depth"]
    if not points:
        return
    is_balanced = "balanced_accuracy" in points[0]
    what = "held-out balanced accuracy" if is_balanced else "held-out accuracy"
    names = (
        ("balanced_accuracy", "balanced_error") if is_balanced else ("accuracy", "standard_error")
    )
    shares, errors = ([one[name] for one in points] for name in names)
    rows = [
        (one["layer"], one["codes"], f"{share:.3f} +- {error:.3f}")
        for one, share, error in zip(points, shares, errors, strict=True)
    ]
    yield _section(
        "Codes along the depth",
        draw_lines(
            [(what, shares)],
            across="layers",
            highest=1.0,
        ),
        _table(("codes of", "numbers", what), rows),
        _paragraph(f"Taken at: {', '.join(training['codes']['taps'])}"),
    )


def _classes(told: Told) -> str:
    rows = [
        (label, f"{one['right']} of {one['total']}", f"{one['low']:.3f} to {one['high']:.3f}")
        for label, one in told.items()
    ]
    return _table(("class", "right", "95 % interval"), rows)


def _confusion(training: Told) -> Iterable[str]:
    classes = training["classes"]
    if len(classes) > MOST_CLASSES:
        return
    rows = zip(classes, training["metrics"]["val"]["confusion"], strict=True)
    body = [(label, *(count or "" for count in row)) for label, row in rows]
    yield _section(
        "Taken for (rows are the true classes)", _table(("", *classes), body, clips=True)
    )


def _wrong(training: Told, gallery: bytes | None) -> Iterable[str]:
    if gallery is None:
        return
    accuracy = training["metrics"]["val"]["accuracy"]
    told = (
        f"{accuracy['total'] - accuracy['right']} of {accuracy['total']} validation pictures, the "
        "surest first, as the network sees them: what each is and what is said, with the "
        "probabilities of both. All are named in training.json."
    )
    data = base64.b64encode(gallery).decode()
    picture = f'<img src="data:image/jpeg;base64,{data}" alt="{escape(_alternative(training))}">'
    yield _section("Wrong pictures", _paragraph(told), picture)


def _alternative(training: Told) -> str:
    """Say what the sheet shows, for those who do not see it."""
    return "; ".join(
        f"{one['picture']} is {one['label']}, said {one['said']}"
        for one in training["wrong"][:MOST_TOLD]
    )


def _proofs(training: Told) -> Iterable[str]:
    parity = training["parity"]
    total = training["metrics"]["val"]["accuracy"]["total"]
    yield (
        f"model.onnx gives the same best class as torch on {parity['top1_equal']} of "
        f"{parity['pictures']} validation pictures{_whole(parity, total)}; no probability differs "
        f"by more than {parity['max_abs_difference']:.1e} ({parity['provider']})"
    )
    if unchanged := training["unchanged"]:
        tensors, both = unchanged["tensors"], unchanged["of"]
        yield f"{tensors} of {both} tensors of the parent are unchanged to the bit"


def _whole(parity: Told, total: int) -> str:
    """Tell on which pictures, and how many went through the whole graph, where not all did."""
    if parity["pictures"] < total:
        return f", evenly from the {total} that model.onnx itself was measured on"
    whole = parity.get("whole", parity["pictures"])
    if whole == parity["pictures"]:
        return ""
    return f", {whole} of them by the whole graph, the others by what its body gave before"


def _origin(training: Told) -> str:
    rows = [
        ("parent", training["parent"]),
        ("dataset", training["dataset"]),
        ("strategy", training["plan"]["strategy"]),
        ("seed", training["plan"]["seed"]),
        *((f"weights of the {name}", digest) for name, digest in training["digests"].items()),
        *((f"cost, {name}", value) for name, value in training["cost"].items()),
        *training["versions"].items(),
    ]
    return _table(("", ""), rows)


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "</section>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, clips: bool = False) -> str:
    """Write a table, no wider than the page; with ``clips`` long names are told whole as titles."""
    first = "".join(_cell("th", cell, clips=clips) for cell in head)
    body = "".join(
        "<tr>" + "".join(_cell("td", cell, clips=clips) for cell in row) + "</tr>" for row in rows
    )
    # It scrolls by keys too, where many columns are wider than the page all the same.
    return f'<div class="table" tabindex="0"><table><tr>{first}</tr>{body}</table></div>'


def _cell(tag: str, value: object, *, clips: bool) -> str:
    text = escape(str(value))
    if len(str(value)) <= LONG:
        return f"<{tag}>{text}</{tag}>"
    if clips:
        return f'<{tag}><span class="clip" title="{text}">{text}</span></{tag}>'
    return f'<{tag} class="long">{text}</{tag}>'


def _plain(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
