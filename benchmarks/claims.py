"""What cs231n's page on transfer learning claims, as checks on real weights and pictures.

    python benchmarks/claims.py --package SQUEEZENET --normalised PACKAGE --pictures FOLDER

1. "It can be important for performance that these codes are ReLUd": cross-validated probes on the
   averages of one layer, after its ReLU and before it.
2. "It's common to use a smaller learning rate for ConvNet weights that are being fine-tuned": all
   layers trained by the tutorial's loop of finetune.py, the body at a hundredth of the head's rate
   and at the head's. `zoo finetune` clips gradients, which keeps it from harm at either; what it
   comes to at its planned rate and at the head's is told beside it.
3. Frozen is frozen: a training leaves every tensor below a layer as it was to the bit, statistics
   of batch normalisation among them.

SQUEEZENET is a SqueezeNet v1.0, PACKAGE a network with batch normalisation, as ``zoo import`` takes
them, FOLDER has train/ and val/. Exits with 1 if a claim does not hold.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from finetune import RATE, Loop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from zoo.domain.config import WEIGHTS
from zoo.domain.dataset import Split
from zoo.formats.safetensors import read_safetensors
from zoo.networks.freezing import freeze_up_to
from zoo.networks.stages import list_stages
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import Zoo, open_zoo
from zoo.operations.reproduce import read_training
from zoo.planning import plan_finetune
from zoo.settings import read_settings
from zoo.training.finetune import labels_of
from zoo.training.probe import cross_validate
from zoo.worker.codes import read_codes
from zoo.worker.parent import open_parent

ROOT = Path(__file__).resolve().parents[1]
MODEL, NORMALISED, DATASET = "claimed", "normalised", "pictures"
SUMS = ("fire9/expand1x1", "fire9/expand3x3")  # before the ReLUs that the codes come from
EPOCHS = 4


def main() -> None:
    """Check the claims one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--normalised", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoo-claims-") as home:
        os.environ["ZOO_HOME"] = home
        _zoo("import", str(options.package), "--name", MODEL)
        _zoo("import", str(options.normalised), "--name", NORMALISED)
        _zoo("datasets", "add", str(options.pictures), "--name", DATASET)
        held = [_rectified(), _rates(), _frozen()]
    sys.exit(0 if all(held) else 1)


def _rectified() -> bool:
    with open_zoo(read_settings()) as zoo:
        parent, dataset = open_parent(zoo, MODEL), get_dataset(zoo, DATASET)
        plan = replace(plan_finetune(dataset, seed=0), folds=5)
        digests = [picture.digest for picture in dataset.of_split(Split.TRAIN)]
        codes = read_codes(zoo, parent, digests, ("codes", *SUMS), lambda *_: None)
    labels = labels_of(dataset, Split.TRAIN)
    after = cross_validate(codes["codes"], labels, plan)
    before = cross_validate(np.concatenate([codes[name] for name in SUMS], axis=1), labels, plan)
    print(f"1. after the ReLU {after.accuracy:.3f} +- {after.standard_error:.3f}", end=", ")
    print(f"before it {before.accuracy:.3f} +- {before.standard_error:.3f}")
    return after.accuracy > before.accuracy


def _rates() -> bool:
    smaller, equal = (_train(rate) for rate in (RATE / 100, RATE))
    planned = _finetune(MODEL, "full")
    _tell_rate(planned)
    _tell_rate(_finetune(MODEL, "full", "--lr", str(planned["plan"]["training"]["head_lr"])))
    return smaller > equal


def _train(body_rate: float) -> int:
    """Train all layers as the tutorial does; give how many validation pictures are right."""
    torch.manual_seed(0)
    with open_zoo(read_settings()) as zoo:
        dataset = get_dataset(zoo, DATASET)
        right = Loop(zoo, open_parent(zoo, MODEL), dataset).run(EPOCHS, body_rate=body_rate)
    total = len(dataset.of_split(Split.VAL))
    print(f"2. head {RATE:.2g}, body {body_rate:.2g}: {right} of {total} right")
    return right


def _tell_rate(told: dict[str, Any]) -> None:
    training, last = told["plan"]["training"], told["outcome"]["curve"][-1]
    print(f"   zoo: head {training['head_lr']:.2g}, body {training['body_lr']:.2g}:", end=" ")
    print(f"held-out loss {last['held_out_loss']:.3f}, accuracy {last['held_out_accuracy']:.3f}")


def _frozen() -> bool:
    with open_zoo(read_settings()) as zoo:
        network = open_parent(zoo, NORMALISED).network
        boundary = list_stages(network)[2].end
        names = freeze_up_to(network, boundary)
        before = _weights(zoo, NORMALISED)
    _finetune(NORMALISED, "full", "--freeze", boundary)
    with open_zoo(read_settings()) as zoo:
        after = _weights(zoo, f"{NORMALISED}-{DATASET}:full")
    kept = [name for name in names if name in after]
    same = [name for name in kept if np.array_equal(before[name], after[name])]
    moved = [
        name
        for name in after
        if name not in kept and name in before and not np.array_equal(before[name], after[name])
    ]
    print(
        f"3. up to {boundary}: {len(same)} of {len(kept)} tensors are the same to the bit,", end=" "
    )
    print(f"{len(moved)} above it moved")
    return len(same) == len(kept) > 0 and bool(moved)


def _weights(zoo: Zoo, address: str) -> dict[str, Any]:
    weights = read_safetensors(get_file(zoo, get_revision(zoo, address), WEIGHTS)[1])
    return {name: weights[name].copy() for name in weights}


def _finetune(model: str, strategy: str, *options: str) -> dict[str, Any]:
    name = f"{model}-{DATASET}"
    given = ["--strategy", strategy, "--epochs", str(EPOCHS), "--name", name, *options]
    _zoo("finetune", model, DATASET, *given)
    with open_zoo(read_settings()) as zoo:
        return read_training(zoo, get_revision(zoo, f"{name}:{strategy}"))


def _zoo(*arguments: str) -> None:
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own


if __name__ == "__main__":
    main()
