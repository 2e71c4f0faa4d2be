"""Importing checkpoints: read, check and convert them here; a job then builds and proves them.

What can be wrong with files is found here, without torch and before anything is queued or
published. What is converted goes to the store at once; nothing refers to it until a revision is
published. A checkpoint that nothing here can run is published at once, to be kept and downloaded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from zoo.domain.checkpoint import Checkpoint, Wishes
from zoo.domain.config import CARD, CONFIG, DENSE, GRAPH, LAYERS, PARITY, QUANTIZATION, WEIGHTS
from zoo.domain.job import Job, JobKind
from zoo.domain.recipe import Recipe
from zoo.domain.revision import (
    Blob,
    Revision,
    check_file_path,
    check_model_name,
    check_ref_name,
    derive_name,
)
from zoo.domain.weights import Weights
from zoo.errors import PathNotFound, StorageFull, UnknownFormat
from zoo.formats.caffe.reading import read_text
from zoo.formats.labels import read_labels
from zoo.formats.safetensors import write_safetensors
from zoo.formats.statement import MEAN_TENSOR
from zoo.formats.table import READERS, find_reader, read_checkpoint
from zoo.operations import jobs
from zoo.operations.access import check_target
from zoo.operations.draft import STORED, Draft, put_draft
from zoo.operations.opening import Zoo
from zoo.operations.paths import check_path, is_there
from zoo.operations.publish import Publication, publish, put_text
from zoo.storage.blobs import chunks_of

KEPT = re.compile(
    r"\.(prototxt|caffemodel(\.h5)?|binaryproto|onnx|data|safetensors|index\.json)$"
    r"|_data$|\.(pth|pt|bin|ckpt|pth\.tar)$"
    r"|^(config|preprocessor_config)\.json$"
    r"|^readme|^licen[cs]e|labels.*\.txt$|synset.*\.txt$",
    re.IGNORECASE,
)
ENDING = re.compile(
    r"\.(caffemodel(\.h5)?|onnx|safetensors|pth|pt|bin|ckpt|pth\.tar)$", re.IGNORECASE
)
VERSIONED = re.compile(r"(?P<name>.+?)[_-](?P<tag>v\d+(?:\.\d+)*)")
MADE = (CONFIG, WEIGHTS, GRAPH, PARITY, DENSE, LAYERS, QUANTIZATION)
GENERATED = {name.lower(): f"original-{name}" for name in MADE} | {
    CARD.lower(): "original-readme.md"
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the importer is told beyond the files."""

    name: str
    tag: str | None = None
    wishes: Wishes = field(default_factory=Wishes)
    check: str | None = None  # the dataset that measures the accuracy right away


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A checkpoint that was read and converted."""

    options: ImportOptions
    files: dict[str, Blob]
    draft: Draft

    @property
    def is_runnable(self) -> bool:
        """Tell whether a job can build its network."""
        return self.draft.recipe is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What became of an import so far: a job makes it able to predict, or it is stored only."""

    notes: tuple[str, ...]  # what is not as a reader would expect, a sentence each
    parameters: int
    job: Job | None
    revision: Revision | None  # where there is no job
    reason: str = ""  # why there is none


def name_of_package(path: Path) -> tuple[str, str | None]:
    """Derive model name and tag from a folder or file: ``squeezenet_v1.0`` is squeezenet, v1.0."""
    plain = derive_name(ENDING.sub("", path.absolute().name), otherwise="model")
    found = VERSIONED.fullmatch(plain)
    return (found["name"], found["tag"]) if found else (plain, None)


def is_importable(zoo: Zoo, files: Mapping[str, Blob]) -> bool:
    """Tell whether some reader knows these files."""
    return find_reader(_local(zoo, files)) is not None


def stage(zoo: Zoo, path: Path) -> dict[str, Blob]:
    """Keep the files of a package's folder, or the one file, and return them by name.

    Raises:
        PathNotFound: there is nothing there.
        Invalid: it is a FIFO, a socket or a device.
        UnknownFormat: it is a folder without anything the importer knows.
        StorageFull: there is no room.
    """
    return stage_files(zoo, list_package(path))


def stage_files(zoo: Zoo, files: Mapping[str, Path]) -> dict[str, Blob]:
    """Keep files and return them by name.

    Raises:
        StorageFull: there is no room.
    """
    try:
        return {name: _put(zoo, member) for name, member in files.items()}
    except StorageFull as full:
        needed = sum(member.stat().st_size for member in files.values())
        raise StorageFull(
            f"{full} The files have {needed} bytes.", path=full.detail.get("path")
        ) from full


def list_package(path: Path) -> dict[str, Path]:
    """List the files of a package's folder, or the one file, by name.

    Raises:
        PathNotFound: there is nothing there.
        UnknownFormat: it is a folder without anything the importer knows.
    """
    check_path(path)
    if not path.is_dir():
        return {check_file_path(path.name): path}
    found = {
        member.name: member
        for member in sorted(path.iterdir())
        if KEPT.search(member.name) and member.is_file()
    }
    if not found:
        kinds = "; ".join(reader.told for reader in READERS.values())
        raise UnknownFormat(
            f"{path} holds no file of a checkpoint.", hint=f"Give {kinds}.", path=str(path)
        )
    return found


def prepare_import(zoo: Zoo, originals: Mapping[str, Blob], options: ImportOptions) -> Prepared:
    """Read a checkpoint and convert it: its weights go to the store as safetensors.

    Raises:
        Invalid: the files cannot be right; see the readers in ``zoo.formats.table``.
        DigestMismatch: a file is not the one that its package announces.
        UnknownFormat: no reader knows the files.
    """
    check_model_name(options.name)
    if options.tag is not None:
        check_ref_name(options.tag)
    checkpoint = read_checkpoint(_local(zoo, originals), options.wishes)
    kept = {
        checkpoint.renamed.get(path, _kept_name(path)): blob for path, blob in originals.items()
    }
    written = {path: zoo.blobs.put([content]) for path, content in checkpoint.files.items()}
    weights = zoo.blobs.put(write_safetensors(_with_mean(checkpoint)))
    # A safetensors file of the same tensors in the same order is the original itself.
    same = [path for path, blob in kept.items() if blob.digest == weights.digest]
    files = {path: blob for path, blob in kept.items() if path not in same} | written
    draft = Draft.of(
        checkpoint,
        recipe=_recipe(checkpoint),
        given=options.wishes.preprocessing,
        originals=tuple(sorted(kept.keys() - set(same))),
    )
    return Prepared(options=options, files=files | {WEIGHTS: weights}, draft=draft)


def begin_import(zoo: Zoo, originals: Mapping[str, Blob], options: ImportOptions) -> Begun:
    """Read a checkpoint and queue the job that completes it, or publish it to be stored only.

    Raises:
        As ``prepare_import``; and
        Forbidden: the caller may not write what belongs to the owner of the model.
    """
    check_target(zoo, check_model_name(options.name))
    prepared = prepare_import(zoo, originals, options)
    is_runnable = prepared.is_runnable
    return Begun(
        notes=prepared.draft.notes,
        parameters=prepared.draft.parameters,
        job=enqueue_import(zoo, prepared) if is_runnable else None,
        revision=None if is_runnable else publish_stored(zoo, prepared),
        reason=prepared.draft.reason,
    )


def enqueue_import(zoo: Zoo, prepared: Prepared) -> Job:
    """Queue the job that builds the network, exports its graph, checks and publishes it."""
    check_target(zoo, prepared.options.name)
    params = {
        "model": prepared.options.name,
        "tag": prepared.options.tag,
        "check": prepared.options.check,
        "draft": put_draft(zoo, prepared.draft).digest,
        "files": {
            path: [blob.digest, blob.size_bytes] for path, blob in sorted(prepared.files.items())
        },
    }
    return jobs.enqueue(zoo, JobKind.IMPORT, params)


def publish_stored(zoo: Zoo, prepared: Prepared) -> Revision:
    """Publish a checkpoint that nothing here can run, to be kept, shown and downloaded."""
    draft, options = prepared.draft, prepared.options
    labels = draft.labels or ()
    card = draft.card(labels=(), pictures=draft.pictures)
    return publish(
        zoo,
        Publication(
            model=options.name,
            files=prepared.files | {CARD: put_text(zoo, card)},
            message="import, not runnable",
            summary=draft.summary(runs=STORED, labels=labels, pictures=draft.pictures)
            | {"reason": draft.reason},
            tag=options.tag,
        ),
    )


def read_label_file(path: Path) -> tuple[str, ...]:
    """Read one label a line; of synset lines (``n01440764 tench``) the words are taken.

    Raises:
        PathNotFound: there is no such file.
        Invalid: it is no text.
    """
    if not is_there(path) or not path.is_file():
        raise PathNotFound(f"There is no file {path}.", path=str(path))
    return read_labels(read_text(path))


def _local(zoo: Zoo, files: Mapping[str, Blob]) -> dict[str, Path]:
    return {path: zoo.blobs.local_path(blob.digest) for path, blob in files.items()}


def _put(zoo: Zoo, path: Path) -> Blob:
    with path.open("rb") as file:
        return zoo.blobs.put(chunks_of(file))


def _kept_name(path: str) -> str:
    """Give an original's name in the revision, beside the files that are made of it."""
    return GENERATED.get(path.lower(), path)


def _recipe(checkpoint: Checkpoint) -> Recipe | None:
    """Give the recipe; its file is named as it is kept."""
    if checkpoint.source is None:
        return None
    path = checkpoint.source.path
    kept = path if path in {*checkpoint.files, *checkpoint.renamed.values()} else _kept_name(path)
    return Recipe(source=replace(checkpoint.source, path=kept), surgeries=checkpoint.surgeries)


def _with_mean(checkpoint: Checkpoint) -> Weights:
    """Let the mean image travel beside the weights."""
    if checkpoint.mean_image is None:
        return checkpoint.weights
    return {**checkpoint.weights, MEAN_TENSOR: checkpoint.mean_image}
