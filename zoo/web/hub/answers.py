"""Revisions, files and models in the Hub's JSON."""

import hashlib
from datetime import datetime
from typing import Any

from zoo.domain.config import GRAPH, WEIGHTS
from zoo.domain.revision import File, Model, Ref, RefKind, Revision, owner_and_name
from zoo.operations.facts import count_parameters, read_card
from zoo.operations.opening import Zoo

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
POINTER_BYTES = 134  # about; the Hub tells it, nobody reads it
TASK = "image-classification"


def tell_model(
    zoo: Zoo, model: Model, revision: Revision, *, downloads: int = 0, is_full: bool
) -> dict[str, Any]:
    """Write a model down at one of its revisions; ``is_full`` also counts its parameters."""
    card = read_card(zoo, revision)
    owner, _ = owner_and_name(model.name)
    told = {
        "_id": revision.id[:24],
        "id": model.name,
        "modelId": model.name,
        "author": owner or None,
        "sha": revision.id,
        "private": model.is_private,
        "gated": False,
        "disabled": False,
        "downloads": downloads,
        "likes": 0,
        "createdAt": tell_time(model.created_at),
        "lastModified": tell_time(revision.created_at),
        "tags": list_tags(revision, card),
        "pipeline_tag": _text(card, "pipeline_tag")
        or (TASK if revision.find_file(GRAPH) is not None else None),
        "library_name": _text(card, "library_name"),
        "cardData": card,
        "siblings": [tell_sibling(file, is_full=is_full) for file in revision.files],
    }
    if is_full:
        counts = count_parameters(zoo, revision)
        if counts:
            told["safetensors"] = {"parameters": counts, "total": sum(counts.values())}
    return told


def list_tags(revision: Revision, card: dict[str, Any]) -> list[str]:
    """List what a model can be filtered by, in the Hub's manner."""
    given = card.get("tags")
    tags = [str(tag) for tag in given] if isinstance(given, list) else []
    if library := _text(card, "library_name"):
        tags.append(library)
    if licence := _text(card, "license"):
        tags.append(f"license:{licence}")
    if revision.find_file(WEIGHTS) is not None:
        tags.append("safetensors")
    if revision.find_file(GRAPH) is not None:
        tags.append("onnx")
    return list(dict.fromkeys(tags))


def _text(card: dict[str, Any], key: str) -> str | None:
    """Give what a card says under a key where it is a text; people write anything there."""
    value = card.get(key)
    return value if isinstance(value, str) else None


def tell_sibling(file: File, *, is_full: bool) -> dict[str, Any]:
    """Write a file down as model info has it."""
    if not is_full:
        return {"rfilename": file.path}
    return {
        "rfilename": file.path,
        "size": file.size_bytes,
        "blobId": pointer_digest(file),
        "lfs": {
            "sha256": file.digest,
            "size": file.size_bytes,
            "pointerSize": POINTER_BYTES,
        },
    }


def tell_file(file: File, revision: Revision, *, is_expanded: bool) -> dict[str, Any]:
    """Write a file down as trees have it; told as LFS, so that clients know its SHA-256."""
    told: dict[str, Any] = {
        "type": "file",
        "path": file.path,
        "size": file.size_bytes,
        "oid": pointer_digest(file),
        "lfs": {"oid": file.digest, "size": file.size_bytes, "pointerSize": POINTER_BYTES},
    }
    return told | (_last_commit(revision) if is_expanded else {})


def tell_folder(path: str, revision: Revision, *, is_expanded: bool) -> dict[str, Any]:
    """Write a folder down as trees have it."""
    told = {
        "type": "directory",
        "path": path,
        "size": 0,
        "oid": hashlib.sha1(f"{revision.id} {path}".encode(), usedforsecurity=False).hexdigest(),
    }
    return told | (_last_commit(revision) if is_expanded else {})


def tell_refs(refs: list[Ref]) -> dict[str, Any]:
    """Write a model's refs down; aliases move, so they are told as branches."""
    told: dict[str, list[dict[str, str]]] = {
        "branches": [],
        "tags": [],
        "converts": [],
        "pullRequests": [],
    }
    for ref in refs:
        kind, folder = ("tags", "tags") if ref.kind is RefKind.TAG else ("branches", "heads")
        told[kind].append(
            {
                "name": ref.name,
                "ref": f"refs/{folder}/{ref.name}",
                "targetCommit": ref.revision,
            }
        )
    return told


def tell_commit(revision: Revision) -> dict[str, Any]:
    """Write a revision down as a commit."""
    title, _, rest = revision.message.partition("\n")
    return {
        "id": revision.id,
        "title": title,
        "message": rest.strip(),
        "date": tell_time(revision.created_at),
        "authors": [{"user": owner_and_name(revision.model)[0] or "zoo"}],
    }


def tell_time(moment: datetime) -> str:
    """Write a time down as the Hub does."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def pointer_digest(file: File) -> str:
    """Give git's id of the LFS pointer that stands for a file."""
    text = POINTER.format(digest=file.digest, size=file.size_bytes).encode()
    return git_digest(text)


def git_digest(content: bytes) -> str:
    """Give git's id of a small file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _last_commit(revision: Revision) -> dict[str, Any]:
    told = tell_commit(revision)
    return {
        "lastCommit": {"id": told["id"], "title": told["title"], "date": told["date"]},
        "securityFileStatus": None,
    }
