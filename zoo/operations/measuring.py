"""Queueing what measures and writes reports: evaluations, codes, studies, verifications."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from zoo.domain.access import Role
from zoo.domain.dataset import Dataset, Split
from zoo.domain.job import Job, JobKind
from zoo.domain.plan import CODES
from zoo.errors import EmptyDataset, Invalid
from zoo.filters.scheme import parse_scheme
from zoo.operations import jobs
from zoo.operations.access import check_role, check_rules
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.finetune import check_ends, check_finetune
from zoo.operations.layers import check_layers
from zoo.operations.opening import Zoo
from zoo.operations.predict import check_classifier

MOST_REFERENCE = 400  # pictures of a reference, drawn evenly


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReference:
    """What is kept as the reference of a revision's network."""

    reference: str  # what the pictures are called
    pictures: int
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InitStudy:
    """What a study of how filters may begin compares, on how much of a dataset."""

    schemes: tuple[str, ...]  # as texts, each once
    epochs: int = 10
    seeds: int = 3
    rate: float = 0.03
    side_px: int = 16
    training_pictures: int | None = None  # all of them otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStudy:
    """How a study of transfer is done."""

    epochs: int = 20
    seeds: int = 1
    rate: float = 0.02  # the highest
    batch: int = 32
    init: str = "he+lsuv"  # a scheme's text
    stages: int | None = None  # how many of the lowest are taken over at most; all otherwise


def enqueue_evaluation(  # noqa: PLR0913  # what is measured, and what is told of it
    zoo: Zoo,
    model: str,
    dataset: str,
    *,
    split: Split = Split.VAL,
    against: str | None = None,
    has_pictures: bool = True,
) -> Job:
    """Queue the evaluation of a model, and of another on the same pictures.

    Without ``has_pictures`` the sheets of wrong pictures are not drawn, which take the most time.

    Raises:
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is no such thing.
        NotRunnable: a revision is no classifier with a graph.
        EmptyDataset: the dataset has no pictures of the split.
    """
    measured = [get_revision(zoo, name) for name in (model, against) if name]
    pictures = get_dataset(zoo, dataset)
    check_split(pictures, split)
    for revision in measured:
        check_classifier(zoo, revision)
    params = {
        "model": measured[0].address,
        "dataset": pictures.address,
        "split": split.value,
        "against": measured[1].address if against else None,
        "has_pictures": has_pictures,
    }
    return jobs.enqueue(zoo, JobKind.EVALUATE, params)


def enqueue_codes(  # noqa: PLR0913  # whose codes, of what
    zoo: Zoo,
    model: str,
    dataset: str,
    *,
    layers: Sequence[str] = (),
    is_all: bool = False,
    splits: Sequence[Split] = tuple(Split),
) -> Job:
    """Queue the writing of the codes of a dataset's pictures.

    Raises:
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is no such thing.
        NotRunnable: the revision has no network that could be built.
        Unsupported: it has several outputs, and is asked for what its classifier reads.
        LayerNotFound: it has no such layer.
        Invalid: layers are named, and all are wanted too.
    """
    if layers and is_all:
        raise Invalid("Layers are named, and all are wanted too.", hint="Name them, or take all.")
    revision = get_revision(zoo, model)
    config = read_config(zoo, revision)
    if is_all or not layers or CODES in layers:
        check_ends(zoo, revision)  # Codes at a layer by name need no classifier.
    check_layers(zoo, revision, config, [layer for layer in layers if layer != CODES])
    params = {
        "model": revision.address,
        "dataset": get_dataset(zoo, dataset).address,
        "layers": list(layers),
        "is_all": is_all,
        "splits": [split.value for split in splits],
    }
    return jobs.enqueue(zoo, JobKind.CODES, params)


def enqueue_init_study(zoo: Zoo, dataset: str, study: InitStudy) -> Job:
    """Queue a study of how filters may begin.

    Raises:
        DatasetNotFound: there is no such dataset.
        Invalid: a scheme cannot be read, or needs a prototxt.
    """
    schemes = check_schemes(study.schemes)
    told = asdict(study) | {"schemes": list(schemes)}
    params = {"dataset": get_dataset(zoo, dataset).address, "study": told}
    return jobs.enqueue(zoo, JobKind.INIT_STUDY, params)


def enqueue_transfer_study(
    zoo: Zoo, model: str, datasets: tuple[str, str], study: TransferStudy
) -> Job:
    """Queue a study of how far the layers of a network transfer from one dataset to another.

    Raises:
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is no such thing.
        NotRunnable, Unsupported: the revision has no network that could be built and trained.
        Invalid: the scheme cannot be read.
    """
    parse_scheme(study.init)
    revision = get_revision(zoo, model)
    check_finetune(zoo, revision, read_config(zoo, revision))
    params = {
        "model": revision.address,
        "datasets": [get_dataset(zoo, one).address for one in datasets],
        "study": asdict(study),
    }
    return jobs.enqueue(zoo, JobKind.TRANSFER_STUDY, params)


def enqueue_reference(
    zoo: Zoo, model: str, archive: Iterable[bytes | memoryview], *, source: str
) -> Job:
    """Queue the taking of a revision's reference from an archive of pictures, given in pieces.

    Whoever is given advice on such weights is told of it, so it takes a writer of the model.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such revision.
        Forbidden: the caller may not write what belongs to the model's owner.
        NotRunnable, Unsupported: the revision gives no codes.
        StorageFull: there is no room for the archive.
    """
    revision = get_revision(zoo, model)
    check_role(zoo, Role.WRITE, revision.model)
    check_finetune(zoo, revision, read_config(zoo, revision))
    params = {"model": revision.address, "archive": zoo.blobs.put(archive).digest, "source": source}
    return jobs.enqueue(zoo, JobKind.REFERENCE, params)


def enqueue_verification(zoo: Zoo, model: str | None, *, quarantines: bool = False) -> Job:
    """Queue the proof that a revision, or without one every byte, is what it says.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such revision.
        Forbidden: every byte is for those who look after the zoo.
    """
    if model is None:
        check_rules(zoo)
        params: dict[str, object] = {"model": None, "quarantines": quarantines}
    else:
        params = {"model": get_revision(zoo, model).address, "quarantines": False}
    return jobs.enqueue(zoo, JobKind.VERIFY, params)


def check_schemes(texts: Sequence[str]) -> tuple[str, ...]:
    """Give the schemes that a study compares, each once, as they write themselves.

    Raises:
        Invalid: one cannot be read, or needs a prototxt, which the study's network has not.
    """
    schemes = tuple(dict.fromkeys(map(parse_scheme, texts)))
    if any(scheme.name == "prototxt" for scheme in schemes):
        raise Invalid(
            "The network of a study comes from no prototxt, so none states its fillers.",
            hint="Name the filler itself, as in --init gaussian:std=0.01.",
        )
    return tuple(map(str, schemes))


def check_split(pictures: Dataset, split: Split) -> None:
    """Refuse a split of which a dataset has no pictures.

    Raises:
        EmptyDataset: it has none.
    """
    if not pictures.of_split(split):
        raise EmptyDataset(
            f"Dataset {pictures.name!r} has no pictures of the split {split.value!r}.",
            hint=f"It has: {', '.join(pictures.counts())}.",
            dataset=pictures.name,
            split=split.value,
        )
