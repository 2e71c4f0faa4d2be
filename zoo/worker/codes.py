"""The codes of pictures at some taps of a revision's network, from the cache or computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from io import BytesIO
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zoo.domain.config import WEIGHTS
from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.job import Job
from zoo.domain.plan import CodesPrecision
from zoo.errors import EmptyDataset, Invalid
from zoo.images.resize import pixels_key
from zoo.networks.preprocess import Preprocess, find_mean_image
from zoo.networks.surgery import find_head
from zoo.networks.taps import CODES, Tap, list_taps, tap_network
from zoo.operations import jobs
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision
from zoo.operations.finetune import check_ends
from zoo.operations.made import CODES_FILE, keep_files
from zoo.operations.opening import Zoo
from zoo.training.cache import CodesCache, body_key
from zoo.training.codes import CodesTask, gather_taps
from zoo.training.eviction import evict
from zoo.worker.album import Album
from zoo.worker.network import choose_device
from zoo.worker.parent import Parent, open_parent
from zoo.worker.precision import Choice, Chosen, choose_precision
from zoo.worker.progress import Progress
from zoo.worker.undone import undo_dense
from zoo.worker.witnesses import choose_witnesses


class Kind(StrEnum):
    """Codes that are kept apart, by what they were computed in."""

    FP32 = ""
    BF16 = "bf16"
    WITNESS = "fp32 to compare with"  # in batches of their own, so that FP32 stays what it is


Report = Callable[[int, int], None]
Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesSource:
    """A revision's network at some taps, and the caches of what it gives."""

    zoo: Zoo
    parent: Parent
    taps: tuple[str, ...]
    task: CodesTask
    weights: str  # the name of the network's, where they are not the revision's

    @classmethod
    def of(cls, zoo: Zoo, parent: Parent, taps: Sequence[str], *, weights: str = "") -> Self:
        """Cut a network at taps.

        Raises:
            LayerNotFound, NoHead, Unsupported: a tap is none.
        """
        pictures = parent.config.preprocessing
        shape = (pictures.channel_count, *pictures.crop_px)
        device = choose_device(zoo.settings.device)
        mean = find_mean_image(pictures, parent.weights)
        task = CodesTask(
            body=tap_network(parent.network, taps, shape).to(device),
            preprocess=Preprocess(pictures, mean).to(device),
            load=Album(zoo=zoo, preprocessing=pictures).read,
            device=device,
        )
        return cls(zoo=zoo, parent=parent, taps=tuple(taps), task=task, weights=weights)

    def read(
        self, digests: Sequence[str], report: Report, *, kind: Kind = Kind.FP32
    ) -> dict[str, Matrix]:
        """Give the codes of pictures by tap; see ``read_codes``."""
        self.zoo.blobs.bring(digests)
        caches = [
            codes_cache(self.zoo, self.parent, tap, weights=self.weights, kind=kind)
            for tap in self.taps
        ]
        task = replace(self.task, is_bf16=kind is Kind.BF16)
        found = gather_taps(task, digests, caches, report)
        evict(self.zoo.codes_folder, self.zoo.settings.cache_bytes)
        return {
            tap: np.stack([codes[digest] for digest in digests])
            for tap, codes in zip(self.taps, found, strict=True)
        }

    def choose(self, asked: CodesPrecision, training: Sequence[Picture]) -> Chosen:
        """Choose what the codes of training pictures are computed in.

        GPUs pass pictures faster than they are decoded, and gain nothing by it.
        """
        is_gpu = self.task.device.type != "cpu" and asked is CodesPrecision.AUTO
        if is_gpu or not Choice.of(asked, self.parent.config.preprocessing).is_weighed:
            return Chosen()
        digests = [picture.digest for picture in choose_witnesses(training)]
        exact, rough = (
            self.read(digests, lambda _done, _total: None, kind=kind)
            for kind in (Kind.WITNESS, Kind.BF16)
        )
        return choose_precision(asked, exact, rough)


def read_codes(
    zoo: Zoo,
    parent: Parent,
    digests: Sequence[str],
    taps: Sequence[str],
    report: Report,
) -> dict[str, Matrix]:
    """Give the codes of pictures by tap, in fp32, N x D in the order of the digests.

    What is computed is kept, for every later job on the same pictures; the cache stays within
    ``ZOO_CACHE_BYTES``. ``report`` is told (done, total) pictures that had to be computed.

    Raises:
        LayerNotFound, NoHead, Unsupported: a tap is none.
        UnreadablePicture: a picture cannot be read.
    """
    return CodesSource.of(zoo, parent, taps).read(digests, report)


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Write codes, and end the job with their file.

    Raises:
        EmptyDataset: the dataset has no pictures of these splits.
        LayerNotFound, NoHead, Unsupported: a layer gives no codes.
    """
    params = job.params
    data, taps = write_codes(
        zoo,
        params["model"],
        params["dataset"],
        layers=params["layers"],
        is_all=params["is_all"],
        splits=[Split(split) for split in params["splits"]],
        report=lambda done, total: progress.count("codes", "pictures", done, total),
    )
    layers = [{"layer": layer, "codes": count} for layer, count in taps]
    kept = keep_files(zoo, {CODES_FILE: data})
    jobs.succeed(zoo, progress.attempt, {"layers": layers, **kept})


def write_codes(  # noqa: PLR0913  # whose codes, of what, where
    zoo: Zoo,
    model: str,
    dataset: str,
    *,
    layers: Sequence[str],
    is_all: bool,
    splits: Sequence[Split],
    report: Report,
) -> tuple[bytes, list[tuple[str, int]]]:
    """Give the codes of a dataset's pictures as the bytes of an .npz, and what is in it.

    ``codes`` is N x D for one layer; for several each has an array under its own name. Beside them
    lie ``labels`` (indices into ``classes``), ``classes``, ``paths``, ``digests``, ``splits``.

    Raises:
        ModelNotFound, DatasetNotFound: there is no such thing.
        EmptyDataset: the dataset has no pictures of these splits.
        LayerNotFound, NoHead, Unsupported: a layer gives no codes.
    """
    if is_all or not layers or CODES in layers:
        check_ends(zoo, get_revision(zoo, model))
    parent = undo_dense(open_parent(zoo, model))
    pictures = get_dataset(zoo, dataset)
    chosen = [picture for split in splits for picture in pictures.of_split(split)]
    if not chosen:
        raise EmptyDataset(
            f"Dataset {pictures.name!r} has no pictures of these splits.",
            hint=f"It has: {', '.join(pictures.counts())}.",
            dataset=pictures.name,
        )
    taps = [tap.layer for tap in taps_of(parent)] if is_all else list(layers) or [CODES]
    codes = read_codes(zoo, parent, [picture.digest for picture in chosen], taps, report)
    arrays = codes if len(codes) > 1 else {"codes": next(iter(codes.values()))}
    return _as_npz(arrays, pictures, chosen), [
        (tap, matrix.shape[1]) for tap, matrix in codes.items()
    ]


def taps_of(parent: Parent) -> tuple[Tap, ...]:
    """List where codes can be taken of a revision's network."""
    pictures = parent.config.preprocessing
    return list_taps(parent.network, (pictures.channel_count, *pictures.crop_px))


def codes_cache(
    zoo: Zoo, parent: Parent, tap: str, *, weights: str = "", kind: Kind = Kind.FP32
) -> CodesCache:
    """Give the cache of a revision's codes at a tap; ``weights`` is as in ``CodesSource``."""
    return CodesCache(folder=zoo.codes_folder / _key(parent, tap, weights, kind))


def _as_npz(arrays: dict[str, Matrix], dataset: Dataset, chosen: Sequence[Picture]) -> bytes:
    beside = {
        "labels": np.array([dataset.classes.index(picture.label) for picture in chosen]),
        "classes": np.array(dataset.classes),
        "paths": np.array([picture.path for picture in chosen]),
        "digests": np.array([picture.digest for picture in chosen]),
        "splits": np.array([picture.split.value for picture in chosen]),
    }
    taken = sorted(set(arrays) & set(beside))
    if taken:
        raise Invalid(
            f"A layer is called {taken[0]!r}, as the list beside the codes.",
            hint="Write it alone: --layer NAME",
            layer=taken[0],
        )
    buffer = BytesIO()
    np.savez(buffer, **arrays, **beside)  # type: ignore[arg-type]  # its stub allows no such names
    return buffer.getvalue()


def _key(parent: Parent, tap: str, others: str, kind: Kind) -> str:
    """Name the cache of codes after all that they depend on but the pictures."""
    weights = parent.revision.find_file(WEIGHTS)
    return body_key(
        {
            "weights": others or (weights.digest if weights else None),
            "recipe": parent.config.recipe.as_json(),
            "preprocessing": parent.config.preprocessing.as_json(),
            "pixels": pixels_key(),
            "tap": tap,
            "at": find_head(parent.network).layer if tap == CODES else "",
            **({"kind": kind.value} if kind.value else {}),
        }
    )
