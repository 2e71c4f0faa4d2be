"""Finding models, revisions and their files."""

import difflib
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from sqlalchemy.orm import Session

from zoo.catalog import models, refs
from zoo.domain.config import (
    CARD,
    CONFIG,
    DENSE,
    GRAPH,
    LAYERS,
    PARITY,
    QUANTIZATION,
    REPORT,
    TRAINING,
    WEIGHTS,
    ModelConfig,
)
from zoo.domain.revision import (
    Blob,
    File,
    Model,
    RefMove,
    Revision,
    check_model_name,
    split_address,
)
from zoo.domain.search import Found, ModelWish
from zoo.errors import BlobNotFound, DigestMismatch, MalformedCheckpoint, ModelNotFound, NotRunnable
from zoo.operations.access import check_visible
from zoo.operations.opening import Zoo

# By the zoo itself.
WRITTEN = {CARD, CONFIG, DENSE, GRAPH, LAYERS, PARITY, QUANTIZATION, REPORT, TRAINING, WEIGHTS}

LINKED_BYTES = 2**20  # from here on a file is given by the store itself, where it can
LINK_S = 3600


def list_models(
    zoo: Zoo, *, after: str = "", limit: int = 100, search: str = "", owner: str | None = None
) -> list[Model]:
    """List models by name: those whose name holds ``search``, those of an owner."""
    wish = ModelWish(search=search, owner=owner)
    if not wish.is_any:
        return list(search_models(zoo, wish, after=after, limit=limit).models)
    with zoo.catalog.reading() as db:
        return models.list_models(db, caller=zoo.caller, after=after, limit=limit)


def search_models(
    zoo: Zoo, wish: ModelWish, *, after: str = "", limit: int = 100, most_values: int = 0
) -> Found:
    """Search models, a page at a time, by name.

    With ``most_values``, the values that the models found have are counted, so many of each facet.
    """
    with zoo.catalog.reading() as db:
        return models.search_models(
            db,
            zoo.index,
            wish,
            caller=zoo.caller,
            after=after,
            limit=limit,
            most_values=most_values,
        )


def get_model(zoo: Zoo, name: str) -> Model:
    """Give a model.

    Raises:
        BadName: no model can be called so.
        ModelNotFound: there is none of that name; near ones are in the hint.
    """
    check_model_name(name)
    with zoo.catalog.reading() as db:
        try:
            check_visible(zoo, db, name)
            return models.get_model(db, name, caller=zoo.caller)
        except ModelNotFound as error:
            raise _with_near_names(
                error, name, models.list_names(db, caller=zoo.caller, like=name)
            ) from None


def get_revision(zoo: Zoo, address: str) -> Revision:
    """Give the revision at ``model``, ``model:ref`` or ``model@id``.

    Raises:
        BadName, ModelNotFound, RevisionNotFound: there is none.
    """
    name, ref = split_address(address)
    with zoo.catalog.reading() as db:
        try:
            check_visible(zoo, db, name)
            return as_seen(zoo, db, models.get_revision(db, name, ref))
        except ModelNotFound as error:
            raise _with_near_names(
                error, name, models.list_names(db, caller=zoo.caller, like=name)
            ) from None


def list_revisions(
    zoo: Zoo, name: str, *, after: str = "", limit: int | None = None
) -> list[Revision]:
    """List the revisions of a model, the newest first, or those that are older than one.

    Raises:
        ModelNotFound: there is no such model.
        RevisionNotFound: it has no revision of the id ``after``.
    """
    with zoo.catalog.reading() as db:
        check_visible(zoo, db, check_model_name(name))
        return models.list_revisions(db, name, caller=zoo.caller, after=after, limit=limit)


def as_seen(zoo: Zoo, db: Session, revision: Revision) -> Revision:
    """Leave out of a revision's lineage what the caller may not know of."""
    if revision.parent is None:
        return revision
    try:
        check_visible(zoo, db, split_address(revision.parent)[0])
    except ModelNotFound:
        return replace(revision, parent=None)
    return revision


def model_as_seen(zoo: Zoo, db: Session, model: Model) -> Model:
    """Leave out of the lineage of a model's head what the caller may not know of."""
    return model if model.head is None else replace(model, head=as_seen(zoo, db, model.head))


def find_sizes(zoo: Zoo, name: str, digests: Collection[str]) -> dict[str, int]:
    """Give the sizes of those of some bytes that files of a model's revisions consist of.

    Raises:
        ModelNotFound: there is no such model.
    """
    with zoo.catalog.reading() as db:
        check_visible(zoo, db, check_model_name(name))
        return models.find_sizes(db, name, digests)


def list_moves(
    zoo: Zoo, name: str, *, before: int | None = None, limit: int | None = None
) -> list[RefMove]:
    """List every move of the model's refs, or so many before one, the newest first."""
    with zoo.catalog.reading() as db:
        check_visible(zoo, db, check_model_name(name))
        return refs.list_moves(db, name, before=before, limit=limit)


def is_for_everyone(zoo: Zoo, name: str) -> bool:
    """Tell whether anyone may read a model, without a token too."""
    with zoo.catalog.reading() as db:
        return zoo.settings.anonymous_read and not models.is_private(db, name)


def get_file(zoo: Zoo, revision: Revision, path: str) -> tuple[File, Path]:
    """Give a file of a revision and where its bytes can be read.

    Raises:
        FileNotFound: the revision has no such file.
    """
    file = revision.get_file(path)
    return file, zoo.blobs.local_path(file.digest)


def find_link(zoo: Zoo, file: File) -> str | None:
    """Give a URL at which anyone may GET a large file for a while, from the store itself.

    None where the store has no such URLs, where the settings want none, and for small files, which
    are answered sooner than a redirect is followed.

    Raises:
        BlobNotFound: its bytes are gone.
    """
    if file.size_bytes < LINKED_BYTES or not zoo.settings.store_redirects:
        return None
    link = zoo.blobs.find_link(file.digest, seconds=LINK_S)
    if link is not None and not zoo.blobs.has(file.digest):
        raise BlobNotFound(f"The store does not hold {file.digest}.", digest=file.digest)
    return link


def local_files(zoo: Zoo, revision: Revision) -> Mapping[str, Path]:
    """Give every file of a revision as a file of this machine."""
    return {file.path: zoo.blobs.local_path(file.digest) for file in revision.files}


def verified_files(zoo: Zoo, revision: Revision) -> Mapping[str, Path]:
    """Give every file of a revision as a file of this machine, its bytes checked.

    Raises:
        BlobNotFound: a file's bytes are gone.
        DigestMismatch: a file's bytes are not those that were published.
    """
    paths = local_files(zoo, revision)
    for file in revision.files:
        with paths[file.path].open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != file.digest:
            raise DigestMismatch(
                f"{file.path} of {revision.address} is damaged in the store: sha256 {found}, "
                f"not {file.digest}.",
                hint="Restore blobs/ from a backup, or publish the file again.",
                path=file.path,
                expected=file.digest,
                found=found,
            )
    return paths


def read_config(zoo: Zoo, revision: Revision) -> ModelConfig:
    """Read what a revision says of its network and its pictures.

    Raises:
        NotRunnable: it holds no config.json of the zoo.
        MalformedCheckpoint: its config.json cannot be understood.
    """
    file = revision.find_file(CONFIG)
    if file is None:
        raise NotRunnable(f"{revision.address} has no {CONFIG}.", revision=revision.address)
    # No other file: where blobs are elsewhere, each is fetched to be read here.
    return parse_config({CONFIG: zoo.blobs.local_path(file.digest)})


def list_source_files(zoo: Zoo, revision: Revision) -> list[File]:
    """List the files that a revision's network is built from, beside its weights.

    An ONNX graph may keep its weights in files beside it, so all that came with it are listed.

    Raises:
        NotRunnable: the revision holds no config.json of the zoo.
    """
    return select_source_files(revision, read_config(zoo, revision))


def select_source_files(revision: Revision, config: ModelConfig) -> list[File]:
    """Give those files of a revision that its network is built from, as its config.json tells."""
    source = config.recipe.source
    if source.kind.startswith("onnx"):
        return [file for file in revision.files if file.path not in WRITTEN]
    found = revision.find_file(source.path)
    return [found] if found else []


def carried_files(zoo: Zoo, revision: Revision) -> dict[str, Blob]:
    """Give the files that a network is built from, which a revision made of it carries on."""
    return {
        file.path: Blob(digest=file.digest, size_bytes=file.size_bytes)
        for file in list_source_files(zoo, revision)
    }


def parse_config(files: Mapping[str, Path]) -> ModelConfig:
    """Read the config.json among a revision's files.

    Raises:
        MalformedCheckpoint: it cannot be understood.
    """
    return parse_config_text(files[CONFIG].read_bytes())


def parse_config_text(data: bytes) -> ModelConfig:
    """Read the content of a config.json.

    Raises:
        MalformedCheckpoint: it cannot be understood.
    """
    try:
        return ModelConfig.from_json(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedCheckpoint(
            f"{CONFIG} cannot be understood: {error!r}",
            hint="Import the original package again.",
        ) from error


def _with_near_names(error: ModelNotFound, name: str, names: list[str]) -> ModelNotFound:
    near = difflib.get_close_matches(name, names, n=3)
    if not near:
        return error
    hint = f"Did you mean {' or '.join(map(repr, near))}? See: zoo list"
    return ModelNotFound(str(error), hint=hint, name=name, near=near)
