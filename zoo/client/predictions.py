"""Pictures predicted by a zoo on another machine, many in a request and requests side by side."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from urllib3.filepost import encode_multipart_formdata

from zoo.client.remote import Remote
from zoo.domain.prediction import Answered, Asked, ClassScore
from zoo.domain.revision import split_address
from zoo.errors import PathNotFound, ServerUnreachable, TooLarge, UnreadablePicture, ZooError
from zoo.images.file import open_plain
from zoo.images.names import printable
from zoo.operations.bulk import Answers, in_chunks, in_order

TOGETHER = 16  # pictures in a request
TOGETHER_BYTES = 32 * 2**20  # in all, above which they are sent one by one
SIDE_BY_SIDE = 4  # requests
TRIES = 8  # where the server asks to wait
LONGEST_WAIT_S = 60.0

Sent = tuple[Asked, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelThere:
    """A revision that another zoo has."""

    address: str  # "model@id"
    classes: int | None  # how many it knows, where that is told


def find_model_there(remote: Remote, address: str) -> ModelThere:
    """Find the revision that an address means there, for good.

    Raises:
        BadName: no model can be called so.
        ModelNotFound, RevisionNotFound: there is none.
        ServerUnreachable: nobody answers, or no zoo.
    """
    name, ref = split_address(address)
    told = remote.ask("GET", f"/v1/models/{quote(name)}/revisions/{quote(ref, safe='')}")
    try:
        classes = told["summary"].get("classes")
        return ModelThere(
            address=f"{told['model']}@{told['id']}",
            classes=classes if isinstance(classes, int) else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise _unlike(remote) from error


def predict_there(remote: Remote, address: str, asked: Iterable[Asked], *, top: int) -> Answers:
    """Predict pictures in their order; one that cannot be read is answered with the reason.

    Raises:
        ServerUnreachable: the connection broke, or what answers is no zoo.
        ZooError: what the other zoo said of anything but a picture.
    """
    path = f"/v1/models/{quote(address, safe='/@')}/predict?top={top}"

    def answer(chunk: Sequence[Asked]) -> list[Answered]:
        read = [_read(one) for one in chunk]
        sent = [
            (one, data) for one, data in zip(chunk, read, strict=True) if isinstance(data, bytes)
        ]
        found = iter(_send(remote, path, sent))
        return [
            next(found) if isinstance(data, bytes) else Answered(asked=one, error=data)
            for one, data in zip(chunk, read, strict=True)
        ]

    requests = in_order(in_chunks(asked, TOGETHER), answer, threads=SIDE_BY_SIDE)
    with closing(requests):
        for answers in requests:
            yield from answers


def _read(asked: Asked) -> bytes | PathNotFound | UnreadablePicture:
    """Read a file's bytes, or give the reason why it cannot be read."""
    try:
        with open_plain(asked.path) as file:
            return file.read()
    except FileNotFoundError:
        return PathNotFound(f"{asked.name}: there is no such file.", path=asked.name)
    except OSError as error:
        return UnreadablePicture(f"{asked.name}: {error.strerror}.", name=asked.name)


def _send(remote: Remote, path: str, pictures: Sequence[Sent]) -> list[Answered]:
    """Send pictures in one request, or one by one where one of them is refused."""
    if not pictures:
        return []
    is_single = len(pictures) == 1
    if is_single or sum(len(data) for _, data in pictures) <= TOGETHER_BYTES:
        try:
            return _post(remote, path, pictures)
        except (UnreadablePicture, TooLarge) as error:
            if is_single:
                return [Answered(asked=pictures[0][0], error=error)]
    return [one for picture in pictures for one in _send(remote, path, [picture])]


def _post(remote: Remote, path: str, pictures: Sequence[Sent]) -> list[Answered]:
    body, media = encode_multipart_formdata(
        [
            ("file", (printable(asked.name), data, "application/octet-stream"))
            for asked, data in pictures
        ]
    )
    told = _patiently(lambda: remote.post(path, body, media=media))
    try:
        return [
            _answered(asked, prediction)
            for (asked, _), prediction in zip(pictures, told["predictions"], strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise _unlike(remote) from error


def _patiently(ask: Callable[[], Any]) -> Any:  # noqa: ANN401  # JSON
    """Ask, and once more after as long as the server says where it is asked too much."""
    for _ in range(TRIES):
        try:
            return ask()
        except ZooError as error:
            wait_s = error.detail.get("retry_after_s")
            if not isinstance(wait_s, int | float):
                raise
            time.sleep(min(wait_s, LONGEST_WAIT_S))
    return ask()


def _answered(asked: Asked, told: dict[str, Any]) -> Answered:
    scores = tuple(
        ClassScore(
            label=str(one["label"]), index=int(one["index"]), probability=float(one["probability"])
        )
        for one in told["scores"]
    )
    return Answered(asked=asked, scores=scores, provider=str(told["provider"]))


def _unlike(remote: Remote) -> ServerUnreachable:
    return ServerUnreachable(
        f"What answers at {remote.url} is no zoo, or one of another release.", url=remote.url
    )
