"""The codes that a fine-tune takes, and at which layer of its parent's network."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.domain.dataset import Dataset, Split
from zoo.domain.plan import ALL, BEST, CodesPrecision, Plan
from zoo.networks.taps import CODES
from zoo.operations.opening import Zoo
from zoo.training.cache import Codes
from zoo.training.depth import DepthPoint, choose_tap, measure_depth
from zoo.training.finetune import SPLITS, labels_of
from zoo.worker.codes import CodesSource, Kind, taps_of
from zoo.worker.parent import Parent
from zoo.worker.progress import Progress
from zoo.worker.tapped import Tapped


def take_codes(  # noqa: PLR0913  # whose codes, of what, in what
    zoo: Zoo,
    parent: Parent,
    dataset: Dataset,
    plan: Plan,
    progress: Progress,
    *,
    asked: CodesPrecision,
) -> Tapped:
    """Give the codes of pictures at the plan's layer, from the cache where it has them.

    In bfloat16 of the training pictures alone, else of all.

    Raises:
        LayerNotFound, NoHead, Unsupported: the layer gives no codes.
    """
    taps = _list_taps(parent, plan)
    source = CodesSource.of(zoo, parent, taps)
    chosen = source.choose(asked, dataset.of_split(Split.TRAIN))
    for reason in chosen.because:
        progress.say("plan", reason)
    splits = (Split.TRAIN,) if chosen.is_bf16 else SPLITS
    digests = [picture.digest for split in splits for picture in dataset.of_split(split)]
    codes = source.read(
        digests,
        lambda done, total: progress.count("codes", "pictures", done, total),
        kind=Kind.BF16 if chosen.is_bf16 else Kind.FP32,
    )
    depth: tuple[DepthPoint, ...] = ()
    if plan.layer == BEST and plan.folds:
        progress.say("fit", f"cross-validation at {len(taps)} layers")
        training = len(dataset.of_split(Split.TRAIN))
        matrices = {tap: matrix[:training] for tap, matrix in codes.items()}
        depth = measure_depth(matrices, labels_of(dataset, Split.TRAIN), plan)
        taps = (choose_tap(depth).layer,)
        progress.say("fit", _tell(depth, taps[0]))
    return Tapped(taps=tuple(taps), codes=_join(digests, codes, taps), depth=depth, chosen=chosen)


def _list_taps(parent: Parent, plan: Plan) -> Sequence[str]:
    if plan.layer == ALL or (plan.layer == BEST and plan.folds):
        return tuple(tap.layer for tap in taps_of(parent))
    return (CODES if plan.layer == BEST else plan.layer,)


def _join(
    digests: Sequence[str], codes: dict[str, NDArray[np.float32]], taps: Sequence[str]
) -> dict[str, Codes]:
    """Lay the codes of the taps side by side."""
    joined = np.concatenate([codes[tap] for tap in taps], axis=1)
    return dict(zip(digests, joined, strict=True))


def _tell(depth: tuple[DepthPoint, ...], chosen: str) -> str:
    told = ", ".join(f"{point.layer} {point.judged:.3f}" for point in depth)
    what = "accuracies" if depth[0].balanced_accuracy is None else "balanced accuracies"
    return f"codes of {chosen}; held-out {what}: {told}"
