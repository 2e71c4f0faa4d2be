"""Creating models that nobody has trained: an architecture here, its first numbers in a job."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.domain.checkpoint import Checkpoint
from zoo.domain.job import Job, JobKind
from zoo.domain.recipe import Recipe
from zoo.domain.revision import Blob, check_model_name
from zoo.errors import Invalid, PathNotFound
from zoo.filters.scheme import LSUV, Scheme, parse_scheme
from zoo.formats.caffe.description import DEPLOY, read_caffe_description
from zoo.formats.caffe.fillers import read_fillers
from zoo.formats.caffe.reading import read_text
from zoo.formats.named import read_architecture
from zoo.operations import jobs
from zoo.operations.access import check_target
from zoo.operations.datasets import get_dataset
from zoo.operations.draft import Draft, put_draft
from zoo.operations.opening import Zoo
from zoo.operations.paths import is_there

PROTOTXT = ".prototxt"
DEFAULT = f"he+{LSUV}"
UNTRAINED = "untrained"  # a tag of the card


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """What is to be created."""

    name: str
    architecture: str  # "torchvision:resnet18", "timm:NAME", or a path that ends in .prototxt
    init: str = DEFAULT  # a scheme's text
    seed: int = 0
    data: str | None = None  # the dataset whose pictures the scheme looks at
    classes: int | None = None  # the library's otherwise
    labels: tuple[str, ...] | None = None
    prototxt: str | None = None  # the content of the file that the architecture names


def read_prototxt(architecture: str) -> str | None:
    """Read the description that an architecture names; None where a library has it.

    Raises:
        PathNotFound: there is no such prototxt.
        Invalid: it is no text.
    """
    if not architecture.endswith(PROTOTXT):
        return None
    path = Path(architecture)
    if not is_there(path) or not path.is_file():
        raise PathNotFound(f"There is no file {path}.", path=str(path))
    return read_text(path)


def enqueue_create(zoo: Zoo, options: CreateOptions) -> Job:
    """Queue the job that publishes an architecture whose numbers are drawn by a scheme and a seed.

    Raises:
        Invalid: no architecture was named in one of its forms, or scheme, dataset and architecture
            do not go together.
        MalformedPrototxt, UnsupportedLayers: the prototxt describes no network that can be built.
        DatasetNotFound: there is no such dataset.
        Forbidden: the caller may not write what belongs to the model's owner.
    """
    check_target(zoo, check_model_name(options.name))
    scheme = parse_scheme(options.init)
    _check_pictures(scheme, options)
    if options.prototxt is not None:
        checkpoint, files = _read_prototxt(zoo, options, options.prototxt, scheme)
    else:
        checkpoint, files = _read_named(options, scheme), {}
    assert checkpoint.source is not None
    draft = Draft.of(
        checkpoint,
        recipe=Recipe(source=checkpoint.source),
        given=None,
        originals=(DEPLOY,) if files else (),
    )
    data = get_dataset(zoo, options.data).address if options.data else None
    params: dict[str, object] = {
        "model": options.name,
        "tag": None,
        "check": None,
        "draft": put_draft(zoo, draft).digest,
        "files": {path: [blob.digest, blob.size_bytes] for path, blob in sorted(files.items())},
        "seed": options.seed,
        "init": str(scheme),
        "data": data,
    }
    return jobs.enqueue(zoo, JobKind.IMPORT, params)


def _check_pictures(scheme: Scheme, options: CreateOptions) -> None:
    """Refuse a scheme that lacks its pictures, and pictures that nothing would look at."""
    if scheme.needs_pictures and options.data is None:
        raise Invalid(
            f"{scheme.name} finds the filters in pictures, and no dataset was named.",
            hint="Name one, or a folder of class folders: --data DATASET",
            scheme=str(scheme),
        )
    if options.data is not None and not (scheme.needs_pictures or scheme.has_lsuv):
        raise Invalid(
            f"The scheme {str(scheme)!r} looks at no pictures.",
            hint=f"Leave --data out, or let them tell the scale: --init {scheme}+{LSUV}",
            scheme=str(scheme),
        )


def _read_named(options: CreateOptions, scheme: Scheme) -> Checkpoint:
    """Name an architecture of a library."""
    source = read_architecture(options.architecture)
    if scheme.name == "prototxt":
        raise Invalid(
            f"{options.architecture} has no prototxt that could state fillers.",
            hint=f"Choose another scheme: --init library, or --init {DEFAULT}",
            scheme=str(scheme),
        )
    arguments = {} if options.classes is None else {"num_classes": options.classes}
    return Checkpoint(
        kind=source.kind,
        title=options.name,
        architecture=source.architecture,
        weights={},
        source=replace(source, arguments=arguments),
        labels=options.labels,
        tags=(source.kind, UNTRAINED),
    )


def _read_prototxt(
    zoo: Zoo, options: CreateOptions, text: str, scheme: Scheme
) -> tuple[Checkpoint, dict[str, Blob]]:
    """Read a network of Caffe's and keep its description."""
    called = Path(options.architecture).name
    if options.classes is not None:
        raise Invalid(
            f"{called} states itself how many outputs the network has.",
            hint="Leave --classes out, or change num_output in the file's last layer.",
            path=called,
        )
    if scheme.name == "library":
        raise Invalid(
            f"{called} is drawn by no library.",
            hint=f"Choose --init prototxt, for the fillers it states, or --init {DEFAULT}",
            scheme=str(scheme),
        )
    if scheme.name == "prototxt":
        _check_fillers(text, called)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DEPLOY
        path.write_text(text, encoding="utf-8")
        checkpoint = read_caffe_description(path, name=called)
    checkpoint = replace(
        checkpoint,
        title=options.name,
        labels=options.labels,
        tags=(*checkpoint.tags, UNTRAINED),
    )
    contents = {**checkpoint.files, DEPLOY: text.encode()}
    return checkpoint, {name: zoo.blobs.put([content]) for name, content in contents.items()}


def _check_fillers(text: str, name: str) -> None:
    """Refuse a file without fillers: Caffe would begin with zeros, which stay zeros."""
    bare = [layer for layer, (weight, _) in read_fillers(text, name=name).items() if not weight]
    if bare:
        raise Invalid(
            f"{name} states no weight_filler for {', '.join(bare[:5])}"
            + (f" and {len(bare) - 5} more." if len(bare) > 5 else "."),  # noqa: PLR2004  # as many are told
            hint=f"Give the train_val.prototxt, or choose a scheme: --init {DEFAULT}",
            layers=bare,
        )
