"""What `zoo predict` of many pictures costs beside reading them and ``session.run`` alone.

    python benchmarks/predict.py MODEL PICTURES... [--rounds 3]

MODEL is one of the zoo at ZOO_HOME. The plain loop reads a picture and runs it, one after the
other, with the very session of the pipeline; the pipeline also ranks classes and writes a line of
CSV a picture. Rounds are in turns; figures are CPU milliseconds a picture of the whole process,
medians.
"""

import argparse
import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from zoo.domain.prediction import Asked
from zoo.images.chosen import choose_pictures
from zoo.images.prepare import read_picture
from zoo.operations.answer_lines import Form, Telling
from zoo.operations.bulk import open_for_many, predict_many
from zoo.operations.fetch import get_revision
from zoo.operations.opening import open_zoo
from zoo.serving.predictor import Predictor
from zoo.serving.signature import IMAGES
from zoo.settings import read_settings

MOST_PIXELS = 100_000_000
GOAL = 1.10  # times the plain loop


def main() -> None:
    """Measure in turns, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    paths = choose_pictures(options.pictures).paths
    with open_zoo(read_settings()) as zoo:
        revision = get_revision(zoo, options.model)
        predictor = open_for_many(zoo, revision)
    telling = Telling(model=revision.address, form=Form.CSV, top=5)
    steps = list_steps(predictor, telling, paths)
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, step in steps.items():
            begun = time.process_time()
            step()
            found[name].append((time.process_time() - begun) * 1000 / len(paths))
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(f"{len(paths)} pictures, {predictor.provider}, {len(os.sched_getaffinity(0))} cores")
    print("| what | CPU ms a picture | beside the plain loop |\n| --- | --- | --- |")
    for name, value in middle.items():
        print(f"| {name} | {value:.2f} | {value / middle['plain loop']:.3f} |")
    sys.exit(middle["zoo predict"] > GOAL * middle["plain loop"])


def list_steps(
    predictor: Predictor, telling: Telling, paths: tuple[Path, ...]
) -> dict[str, Callable[[], object]]:
    """Give what is measured, by name."""
    return {
        "reading alone": lambda: [read(predictor, path) for path in paths],
        "plain loop": lambda: plain(predictor, paths),
        "zoo predict": lambda: pipeline(predictor, telling, paths),
    }


def read(predictor: Predictor, path: Path) -> np.ndarray:
    """Read a picture as the pipeline does."""
    return read_picture(path, predictor.preprocessing, name=str(path), max_pixels=MOST_PIXELS)


def plain(predictor: Predictor, paths: tuple[Path, ...]) -> list[np.ndarray]:
    """Read and run one picture after the other."""
    return [
        predictor.session.run(None, {IMAGES: read(predictor, path)[np.newaxis]})[0]
        for path in paths
    ]


def pipeline(predictor: Predictor, telling: Telling, paths: tuple[Path, ...]) -> None:
    """Predict them as `zoo predict --csv` does."""
    file = io.StringIO()
    asked = [Asked(name=str(path), path=path) for path in paths]
    for one in predict_many(predictor, asked, top=5, max_pixels=MOST_PIXELS):
        file.write(telling.line(one))


if __name__ == "__main__":
    main()
