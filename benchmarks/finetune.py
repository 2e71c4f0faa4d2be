"""`zoo finetune` beside the loop of PyTorch's transfer learning tutorial, in one run.

    python benchmarks/finetune.py --package PACKAGE --pictures FOLDER [--epochs 25] [--loops frozen]

Same network, same pictures, same machine. The loop is the tutorial's: every epoch decodes, crops
(RandomResizedCrop) and flips the training pictures, trains on batches of 4 by SGD with momentum and
a rate that falls to a tenth every 7 epochs, then reads the validation pictures; the best epoch
counts, as in the tutorial. It is done twice: the body frozen, and all layers trained.

Two things are given to the loop that the tutorial lacks, or it would not learn from weights that
expect 0..255: its new head reads codes standardised by the training pictures, and the rate of the
body, where that is trained, is ``--body-rate``.

Costs are CPU seconds of whole processes, the start of Python and torch among them, from bytecode as
an installed program has it. The zoo's
command is run twice; the second time codes and graph of the body are there. ``--resting`` gives the
loop the settings that the zoo gives its own processes (memory that is kept, threads that sleep
while they wait). PACKAGE is what
``zoo import`` takes, PICTURES a folder with train/ and val/.
"""

import argparse
import copy
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.images.prepare import Pixels, read_picture
from zoo.networks.preprocess import Preprocess, find_mean_image
from zoo.networks.surgery import cut_at_codes
from zoo.operations.datasets import get_dataset
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings
from zoo.training.metrics import Accuracy, wilson
from zoo.worker.local import ENVIRONMENT
from zoo.worker.parent import Parent, open_parent

ROOT = Path(__file__).resolve().parents[1]
GOAL = 25  # times as cheap, to the same accuracy
IMPORTS = "import zoo.commands.main, zoo.worker.finetune"  # which writes their bytecode
MODEL, DATASET = "benchmarked", "pictures"
FIRST, KINDS = "zoo finetune", ("frozen", "full")
BATCH, RATE, MOMENTUM = 4, 1e-3, 0.9  # the tutorial's
STEP_EPOCHS, FALL = 7, 0.1  # likewise
LEAST_AREA, PROPORTIONS = 0.08, (3 / 4, 4 / 3)  # torchvision's defaults of RandomResizedCrop
VAL_BATCH = 16


def main() -> None:
    """Run the zoo, then the loop twice, each in a process of its own, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--body-rate", type=float, default=1e-5)
    parser.add_argument("--loops", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--resting", action="store_true")
    parser.add_argument("--loop", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        print(json.dumps(_loop(options.loop, options.epochs, options.body_rate)))
        return
    with tempfile.TemporaryDirectory(prefix="zoo-benchmark-") as home:
        os.environ["ZOO_HOME"] = home
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        _python("-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {IMPORTS}")
        _zoo("import", str(options.package), "--name", MODEL)
        _zoo("datasets", "add", str(options.pictures), "--name", DATASET)
        rows = {}
        for name in (FIRST, "the same, once more"):
            cost, told = _cost([str(ROOT / "cli.py"), "finetune", MODEL, DATASET, "--json"])
            rows[name] = (cost, Accuracy(**told["accuracy"]))
        if options.resting:
            os.environ |= ENVIRONMENT
        for kind in options.loops:
            arguments = ["--loop", kind, "--epochs", str(options.epochs)]
            rates = ["--body-rate", str(options.body_rate)]
            cost, (right, total) = _cost([__file__, *arguments, *rates])
            rows[f"the loop, {kind}, {options.epochs} epochs"] = (cost, wilson(right, total))
    _print(rows)


def _print(rows: dict[str, tuple[float, Accuracy]]) -> None:
    print("| what | CPU s | times as dear | accuracy | 95 % interval |")
    print("| --- | --- | --- | --- | --- |")
    own = rows[FIRST][0]
    for name, (cost, found) in rows.items():
        told = f"{found.value:.3f} ({found.right} of {found.total})"
        interval = f"{found.low:.3f}..{found.high:.3f}"
        print(f"| {name} | {cost:.1f} | {cost / own:.2f} | {told} | {interval} |")
    print(f"\nThe goal is {GOAL} times, accuracies within each other's intervals.")


def _zoo(*arguments: str) -> None:
    _python(str(ROOT / "cli.py"), *arguments)


def _python(*arguments: str) -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own


def _cost(arguments: list[str]) -> tuple[float, Any]:
    """Run a process with all it starts; give its CPU seconds and what it printed as JSON."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603  # our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{cost:.1f} CPU s: {' '.join(arguments)}", file=sys.stderr, flush=True)
    return cost, json.loads(done.stdout)


class Standardised(nn.Module):
    """Codes with the mean and deviation of the training pictures taken out."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", codes.mean(dim=0))
        self.register_buffer("deviation", codes.std(dim=0).clamp_min(1e-6))

    def forward(self, codes: Tensor) -> Tensor:
        """Standardise N x D codes."""
        return (codes - self.mean) / self.deviation


class Loop:
    """The tutorial's ``train_model`` over one network and one dataset."""

    def __init__(self, zoo: Zoo, parent: Parent, dataset: Dataset) -> None:
        self.zoo, self.dataset = zoo, dataset
        self.pictures = parent.config.preprocessing
        mean = find_mean_image(self.pictures, parent.weights)
        self.preprocess = Preprocess(self.pictures, mean)
        self.body = cut_at_codes(parent.network)
        codes = torch.cat(list(self._codes(Split.TRAIN)))
        head = nn.Linear(codes.shape[1], len(dataset.classes))
        self.network = nn.Sequential(self.body, Standardised(codes), head)

    def run(self, epochs: int, *, body_rate: float) -> int:
        """Train, and give how many validation pictures the best epoch had right."""
        self.body.requires_grad_(body_rate > 0)
        groups = [{"params": list(self.network[2].parameters()), "lr": RATE}]
        if body_rate:
            groups.append({"params": list(self.body.parameters()), "lr": body_rate})
        optimiser = torch.optim.SGD(groups, momentum=MOMENTUM)
        rates = torch.optim.lr_scheduler.StepLR(optimiser, STEP_EPOCHS, FALL)
        best, weights = -1, None
        for epoch in range(epochs):
            self._train(optimiser, np.random.default_rng(epoch))
            rates.step()
            right = self._right()
            if right > best:
                best, weights = right, copy.deepcopy(self.network.state_dict())
            print(f"epoch {epoch}: {right}", file=sys.stderr, flush=True)
        self.network.load_state_dict(weights)
        return best

    def _train(self, optimiser: torch.optim.Optimizer, rng: np.random.Generator) -> None:
        self.network.train()
        pictures = self.dataset.of_split(Split.TRAIN)
        order = rng.permutation(len(pictures))
        for start in range(0, len(pictures), BATCH):
            batch = [pictures[number] for number in order[start : start + BATCH]]
            images = np.stack([self._augmented(picture, rng) for picture in batch])
            loss = nn.functional.cross_entropy(self._scores(images), self._labels(batch))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def _right(self) -> int:
        codes = torch.cat(list(self._codes(Split.VAL)))
        with torch.no_grad():
            said = self.network[2](self.network[1](codes)).argmax(dim=1)
        return int((said == self._labels(self.dataset.of_split(Split.VAL))).sum())

    def _codes(self, split: Split) -> Iterator[Tensor]:
        self.body.eval()
        pictures = self.dataset.of_split(split)
        for start in range(0, len(pictures), VAL_BATCH):
            batch = pictures[start : start + VAL_BATCH]
            images = np.stack([self._centred(picture) for picture in batch])
            with torch.no_grad():
                yield self.body(self.preprocess(torch.from_numpy(images)))

    def _scores(self, images: np.ndarray) -> Tensor:
        scores: Tensor = self.network(self.preprocess(torch.from_numpy(images)))
        return scores

    def _labels(self, pictures: list[Picture] | tuple[Picture, ...]) -> Tensor:
        classes = self.dataset.classes
        return torch.tensor([classes.index(picture.label) for picture in pictures])

    def _centred(self, picture: Picture) -> Pixels:
        path = self.zoo.blobs.local_path(picture.digest)
        most = self.zoo.settings.max_picture_pixels
        return read_picture(path, self.pictures, name=picture.path, max_pixels=most)

    def _augmented(self, picture: Picture, rng: np.random.Generator) -> np.ndarray:
        """Cut a random part out of a picture, resize it to the crop, flip every second one."""
        with Image.open(self.zoo.blobs.local_path(picture.digest)) as opened:
            image = opened.convert("RGB")
        area = image.width * image.height * rng.uniform(LEAST_AREA, 1)
        proportion = np.exp(rng.uniform(*np.log(PROPORTIONS)))
        width = min(image.width, max(1, round(np.sqrt(area * proportion))))
        height = min(image.height, max(1, round(np.sqrt(area / proportion))))
        left = rng.integers(0, image.width - width + 1)
        top = rng.integers(0, image.height - height + 1)
        size = self.pictures.crop_px[::-1]
        box = (left, top, left + width, top + height)
        pixels = np.array(image.resize(size, Image.Resampling.BILINEAR, box=box))
        return pixels[:, ::-1].copy() if rng.random() < 1 / 2 else pixels


def _loop(kind: str, epochs: int, body_rate: float) -> list[int]:
    torch.manual_seed(0)
    with open_zoo(read_settings()) as zoo:
        dataset = get_dataset(zoo, DATASET)
        loop = Loop(zoo, open_parent(zoo, MODEL), dataset)
        right = loop.run(epochs, body_rate=body_rate if kind == "full" else 0.0)
    return [right, len(dataset.of_split(Split.VAL))]


if __name__ == "__main__":
    main()
