"""Importing a Caffe package: read, check and convert it here; a job then makes its graph.

Everything that can be wrong with a package is found here, without torch and before anything is
queued or published. What is converted goes to the store at once; nothing refers to it until the job
publishes the revision.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.domain.config import CARD, CONFIG, WEIGHTS, ModelConfig
from zoo.domain.job import Job, JobKind
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.revision import Blob, check_model_name, check_ref_name, derive_name
from zoo.domain.weights import Weights
from zoo.errors import Invalid, MalformedCard, PathNotFound, UnknownFormat
from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.labels import read_labels
from zoo.formats.caffe.matching import Matching, to_weights
from zoo.formats.caffe.net import Net
from zoo.formats.caffe.package import Package, read_package
from zoo.formats.caffe.preprocessing import find_preprocessing
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.shapes import infer_shapes
from zoo.formats.caffe.statement import MEAN_TENSOR, read_statement
from zoo.formats.safetensors import write_safetensors
from zoo.operations import jobs
from zoo.operations.card import tell_preprocessing, write_card
from zoo.operations.opening import Zoo
from zoo.operations.paths import is_there
from zoo.operations.publish import put_json, put_text
from zoo.storage.blobs import chunks_of

KEPT = re.compile(
    r"\.prototxt$|\.caffemodel(\.h5)?$|\.binaryproto$|^readme|^licen[cs]e|labels.*\.txt$|synset.*\.txt$",
    re.IGNORECASE,
)
VERSIONED = re.compile(r"(?P<name>.+?)[_-](?P<tag>v\d+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the importer is told beyond the package."""

    name: str
    tag: str | None = None
    labels: tuple[str, ...] | None = None
    preprocessing: dict[str, Any] | None = None  # fields of Preprocessing that win


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A package that was checked and converted."""

    name: str
    tag: str | None
    files: dict[str, Blob]
    summary: dict[str, Any]
    notes: tuple[str, ...]


def name_of_package(folder: Path) -> tuple[str, str | None]:
    """Derive model name and tag from a folder: ``squeezenet_v1.0`` is squeezenet, tag v1.0."""
    plain = derive_name(folder.absolute().name, otherwise="model")
    found = VERSIONED.fullmatch(plain)
    return (found["name"], found["tag"]) if found else (plain, None)


def is_caffe_package(files: Mapping[str, Blob]) -> bool:
    """Tell whether these files are a Caffe package."""
    return any(path.endswith(".prototxt") for path in files) and any(
        path.endswith((".caffemodel", ".caffemodel.h5")) for path in files
    )


def stage_folder(zoo: Zoo, folder: Path) -> dict[str, Blob]:
    """Keep the files of a package's folder and return them by name.

    Raises:
        PathNotFound: there is no such folder.
        UnknownFormat: it is a file, or a folder without anything the importer knows.
        StorageFull: there is no room.
    """
    if not is_there(folder):
        raise PathNotFound(f"There is no folder {folder}.", path=str(folder))
    if not folder.is_dir():
        raise UnknownFormat(f"{folder} is a file, not the folder of a package.", path=str(folder))
    staged: dict[str, Blob] = {}
    for path in sorted(folder.iterdir()):
        if KEPT.search(path.name) and path.is_file():
            with path.open("rb") as file:
                staged[path.name] = zoo.blobs.put(chunks_of(file))
    if not staged:
        raise UnknownFormat(f"{folder} holds no file of a Caffe package.", path=str(folder))
    return staged


def prepare_import(zoo: Zoo, originals: Mapping[str, Blob], options: ImportOptions) -> Prepared:
    """Check a Caffe package and convert it: weights, config and card go to the store.

    Raises:
        IncompletePackage, MalformedCard, MalformedPrototxt, MalformedCheckpoint, WeightsMismatch:
            the package cannot be right.
        DigestMismatch: the weights do not have the SHA-1 that the readme announces.
        UnsupportedLayers: the network has layers the zoo cannot run; all are named.
    """
    check_model_name(options.name)
    if options.tag is not None:
        check_ref_name(options.tag)
    paths = {path: zoo.blobs.local_path(blob.digest) for path, blob in originals.items()}
    package = read_package(paths)
    net = read_net(read_text(package.prototxt.path), name=package.prototxt.name)
    blobs = read_blobs(package.weights.path, name=package.weights.name)
    weights, matching = to_weights(net, blobs)
    preprocessing, weights = _preprocessing(package, net, weights, options)
    config = ModelConfig(
        architecture=net.name or options.name,
        label_names=_labels(package, net, options),
        pictures=preprocessing,
        recipe=Recipe(source=Source(kind="caffe", path=package.prototxt.name)),
        lineage={},
    )
    notes = _notes(package, net, matching, preprocessing)
    kept = {_kept_name(path): blob for path, blob in originals.items()}
    files = kept | {
        WEIGHTS: zoo.blobs.put(write_safetensors(weights)),
        CONFIG: put_json(zoo, config.as_json()),
        CARD: put_text(zoo, _card(package, config, notes)),
    }
    return Prepared(
        name=options.name,
        tag=options.tag,
        files=files,
        summary=_summary(package, config, weights),
        notes=notes,
    )


def enqueue_import(zoo: Zoo, prepared: Prepared) -> Job:
    """Queue the job that builds the network, exports its graph, checks and publishes it."""
    params = {
        "model": prepared.name,
        "tag": prepared.tag,
        "files": {
            path: [blob.digest, blob.size_bytes] for path, blob in sorted(prepared.files.items())
        },
        "summary": prepared.summary,
    }
    return jobs.enqueue(zoo, JobKind.IMPORT, params)


def read_label_file(path: Path) -> tuple[str, ...]:
    """Read one label a line; of synset lines (``n01440764 tench``) the words are taken.

    Raises:
        PathNotFound: there is no such file.
        Invalid: it is no text.
    """
    if not is_there(path) or not path.is_file():
        raise PathNotFound(f"There is no file {path}.", path=str(path))
    return read_labels(read_text(path))


def _preprocessing(
    package: Package, net: Net, weights: Weights, options: ImportOptions
) -> tuple[Preprocessing, Weights]:
    """Find how pictures are prepared; a mean image travels beside the weights."""
    found, mean_image = find_preprocessing(package, net)
    if options.preprocessing:
        found = replace(found, **_given(options.preprocessing, found.channel_count))
    if mean_image is None or found.mean_tensor is None:
        return replace(found, mean_tensor=None), weights
    return found, {**weights, MEAN_TENSOR: mean_image}


def _given(fields: dict[str, Any], channels: int) -> dict[str, Any]:
    """Check the fields of the preprocessing that were given beside the package."""
    try:
        stated = read_statement(fields, name="options", channels=channels)
    except MalformedCard as error:
        raise Invalid(str(error), hint="See: zoo import --help", fields=fields) from error
    mean = {"mean_tensor": None} if "mean" in stated else {}
    return {**stated, **mean, "source": "given at the import"}


def _labels(package: Package, net: Net, options: ImportOptions) -> tuple[str, ...]:
    """Give one label per output: as given, as packed, or the numbers of the classes."""
    count = count_classes(net)
    labels = package.labels if options.labels is None else options.labels
    if labels is None:
        return tuple(str(index) for index in range(count))
    if len(labels) != count:
        raise Invalid(
            f"The network has {count} outputs, but {len(labels)} labels were given.",
            hint="Give one label a line, in the order of the outputs: --labels FILE",
            outputs=count,
            labels=len(labels),
        )
    return labels


def count_classes(net: Net) -> int:
    """Count the channels of the network's last output."""
    return infer_shapes(net)[net.layers[-1].name].tops[0][1]


def _notes(
    package: Package, net: Net, matching: Matching, preprocessing: Preprocessing
) -> tuple[str, ...]:
    """Say what is not as a reader would expect."""
    notes = [f"The package has {phrase}." for phrase in package.missing]
    if net.dropped:
        notes.append(f"Layers left out for prediction: {', '.join(net.dropped)}.")
    if net.unknown:
        notes.append(f"Fields not understood and not used: {', '.join(net.unknown)}.")
    if matching.ignored:
        notes.append(
            f"Weights of layers that the prototxt lacks, not used: {', '.join(matching.ignored)}."
        )
    if "assumed" in preprocessing.source:
        notes.append(f"Preprocessing: {preprocessing.source}")
    return tuple(notes)


def _kept_name(path: str) -> str:
    """Give an original's name in the revision; README.md is the card's, in any spelling."""
    return "original-readme.md" if path.lower() == CARD.lower() else path


def _card(package: Package, config: ModelConfig, notes: tuple[str, ...]) -> str:
    front = {
        "license": package.licence,
        "tags": ["caffe", "image-classification"],
        "pipeline_tag": "image-classification",
        "labels": list(config.label_names),
    }
    told = "\n".join(f"- {note}" for note in notes)
    origin = (
        "Imported from a Caffe Model Zoo package, kept beside this card as it came: "
        f"`{package.prototxt.name}` and `{package.weights.name}`."
    )
    paragraphs = [
        origin,
        tell_preprocessing(config.preprocessing),
        f"What to know:\n\n{told}" if notes else "",
        package.prose,
    ]
    return write_card(front, package.title or config.architecture, paragraphs)


def _summary(package: Package, config: ModelConfig, weights: Weights) -> dict[str, Any]:
    return {
        "architecture": config.architecture,
        "classes": len(config.label_names),
        "parameters": sum(array.size for name, array in weights.items() if name != MEAN_TENSOR),
        "license": package.licence,
        "source": "caffe",
    }
