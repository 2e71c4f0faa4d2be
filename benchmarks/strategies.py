r"""Every strategy of `zoo finetune` and `auto` on the same pictures, side by side.

    python benchmarks/strategies.py --package PACKAGE --home FOLDER PICTURES... [--epochs N] \
        [--strategy NAME]...

PACKAGE is what ``zoo import`` takes, PICTURES are folders with train/ and val/. What a strategy
trained is measured whether ``main`` moved to it or not, and ``auto`` as a user gets it. Costs are
CPU seconds of whole processes, on codes that no other run has left behind. Every run is kept in
the home's strategies.json: given again, the command goes on with what is missing. With
``--strategy`` only those named are run, and nothing is said of ``auto`` unless it is among them
with others.

``auto`` should lie within the interval of the best, at a fifth of what all others cost together.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from zoo.domain.plan import Strategy
from zoo.operations.fetch import get_revision
from zoo.operations.opening import open_zoo
from zoo.operations.reproduce import read_training
from zoo.settings import read_settings

ROOT = Path(__file__).resolve().parents[1]
MODEL = "benchmarked"
GOAL = 5  # times as dear all others together should be
KEPT = "strategies.json"


def main() -> None:
    """Run what is missing and print a table for each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--epochs", type=int, help="of every training, for a short look")
    parser.add_argument(
        "--strategy",
        dest="strategies",
        type=Strategy,
        choices=list(Strategy),
        action="append",
        help="run this one alone; again for more (default: all)",
    )
    options = parser.parse_args()
    os.environ["ZOO_HOME"] = str(options.home)
    if not (options.home / "catalog.db").exists():
        _zoo("import", str(options.package), "--name", MODEL)
    for folder in options.pictures:
        rows = {one.value: _run(options, folder, one) for one in options.strategies or Strategy}
        _print(folder.name, rows)


def _run(options: argparse.Namespace, folder: Path, strategy: Strategy) -> dict[str, Any]:
    """Give what a strategy came to and cost, from before or by running it."""
    path = options.home / KEPT
    kept = json.loads(path.read_bytes()) if path.exists() else {}
    key = f"{folder.resolve()} {strategy.value} {options.epochs or ''}".strip()
    if key not in kept:
        name = f"{folder.name}-{strategy.value}"
        arguments = ["finetune", MODEL, str(folder), "--strategy", strategy.value, "--name", name]
        if options.epochs and strategy.is_trained:
            arguments += ["--epochs", str(options.epochs)]
        shutil.rmtree(options.home / "cache", ignore_errors=True)
        cost = _zoo(*arguments)
        address = f"{name}:{strategy.value}" if strategy.is_trained else name
        with open_zoo(read_settings()) as zoo:
            told = read_training(zoo, get_revision(zoo, address))
        accuracy = told["metrics"]["val"]["accuracy"]
        kept[key] = {"cpu_s": cost, "accuracy": accuracy, "plan": told["plan"]["strategy"]}
        path.write_text(json.dumps(kept, indent=2), encoding="utf-8")
    found: dict[str, Any] = kept[key]
    return found


def _print(name: str, rows: dict[str, dict[str, Any]]) -> None:
    auto = rows.pop("auto", None)
    named = {f"auto ({auto['plan']})": auto} if auto else {}
    print(f"\n{name}\n\n| strategy | accuracy | 95 % interval | CPU s |\n| --- | --- | --- | --- |")
    for strategy, row in {**rows, **named}.items():
        found = row["accuracy"]
        told = f"{found['value']:.3f} ({found['right']} of {found['total']})"
        interval = f"{found['low']:.3f} to {found['high']:.3f}"
        print(f"| {strategy} | {told} | {interval} | {row['cpu_s']:.0f} |")
    if auto is None or not rows:
        return
    best = max(rows.values(), key=lambda row: row["accuracy"]["value"])["accuracy"]
    total = sum(row["cpu_s"] for row in rows.values())
    within = auto["accuracy"]["value"] >= best["low"]
    print(
        f"\nauto {'lies' if within else 'does NOT lie'} within the interval of the best, "
        f"{best['low']:.3f} to {best['high']:.3f}; all others together cost "
        f"{total / auto['cpu_s']:.1f} times as much (goal {GOAL})."
    )


def _zoo(*arguments: str) -> float:
    """Run a command and give its CPU seconds, with those of all it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
