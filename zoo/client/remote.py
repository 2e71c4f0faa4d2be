"""Asking a zoo on another machine; its errors become ours."""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlsplit

import urllib3

from zoo.domain.revision import File, Revision, check_file_path
from zoo.errors import BadSetting, ServerUnreachable, ZooError

CONNECT_S, READ_S = 10.0, 120.0
TRIES = 5
BUSY = (429, 502, 503, 504)
PIECE_BYTES = 2**20
CONNECTIONS = 8
DIGEST = re.compile(r"[0-9a-f]{64}")
FAILED = 400  # statuses from here on are errors


class Remote:
    """A zoo at a URL, asked with a token."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username:
            raise BadSetting(
                f"{url!r} is not the address of a zoo.",
                hint="Give http://HOST:PORT or https://HOST, with --at or ZOO_URL.",
            )
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        retry = urllib3.Retry(
            TRIES,
            backoff_factor=0.2,
            status_forcelist=BUSY,
            allowed_methods={"GET", "HEAD"},
            raise_on_status=False,
            redirect=0,  # The token is for this address alone.
        )
        timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS, block=True, retries=retry, timeout=timeout
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  # JSON
        """Send a request and give its answer.

        Raises:
            ServerUnreachable: nobody answers, or no zoo.
            ZooError: what the other zoo said, by the same class.
        """
        headers = dict(self._headers)
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        answer = self._request(method, path, body=data, headers=headers)
        return self._read(answer.status, answer.data)

    def post(self, path: str, data: bytes, *, media: str) -> Any:  # noqa: ANN401  # JSON
        """Send bytes of some type, once, and give the answer.

        Raises:
            ServerUnreachable: nobody answers, or no zoo.
            ZooError: what the other zoo said.
        """
        headers = self._headers | {"Content-Type": media}
        answer = self._request("POST", path, body=data, headers=headers, retries=False)
        return self._read(answer.status, answer.data)

    def send(self, path: str, file: BinaryIO, size_bytes: int) -> Any:  # noqa: ANN401  # JSON
        """Send the rest of a file, and give the answer.

        Raises:
            ServerUnreachable: the connection broke.
            ZooError: what the other zoo said.
        """
        headers = self._headers | {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size_bytes),
        }
        answer = self._request("PUT", path, body=file, headers=headers, retries=False)
        return self._read(answer.status, answer.data)

    def fetch(self, path: str, *, offset: int = 0) -> Iterator[bytes]:
        """Give the bytes of a file from an offset on.

        Raises:
            ServerUnreachable: the connection broke.
            ZooError: what the other zoo said.
        """
        headers = self._headers | {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        answer = self._request("GET", path, headers=headers, preload_content=False)
        try:
            if answer.status >= FAILED:
                self._read(answer.status, answer.read())
            yield from answer.stream(PIECE_BYTES)
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            answer.release_conn()

    def get_revision(self, name: str, ref: str) -> Revision:
        """Give a revision of a model there."""
        told = self.ask("GET", f"/v1/models/{quote(name)}/revisions/{quote(ref, safe='')}")
        try:
            files = tuple(_read_file(one) for one in told["files"])
            return Revision(
                model=told["model"],
                id=told["id"],
                files=files,
                message=told["message"],
                created_at=told["created_at"],
                summary=told["summary"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_zoo() from error

    def _request(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401  # urllib3's
        try:
            return self._pool.request(method, self.url + path, **options)
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error

    def _read(self, status: int, data: bytes) -> Any:  # noqa: ANN401  # JSON
        try:
            told = json.loads(data)
        except ValueError as error:
            raise self._no_zoo() from error
        if status < FAILED:
            return told
        said = told.get("error") if isinstance(told, dict) else None
        if not isinstance(said, dict):
            raise self._no_zoo()
        kind = _kinds().get(str(said.get("code")), ZooError)
        detail = said.get("detail")
        raised = kind(f"{self.url}: {said.get('message')}", hint=str(said.get("hint")))
        raised.detail = detail if isinstance(detail, dict) else {}
        raise raised

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        return ServerUnreachable(f"{self.url} does not answer: {error}", url=self.url)

    def _no_zoo(self) -> ServerUnreachable:
        return ServerUnreachable(f"What answers at {self.url} is no zoo.", url=self.url)


def _read_file(told: dict[str, Any]) -> File:
    """Read a file as another zoo tells it, which may be no friend: its digest names a file here.

    Raises:
        ValueError, TypeError, KeyError: it is not of the form of a file.
        BadName: no file of a revision can lie there.
    """
    path, digest, size_bytes = told["path"], told["digest"], told["size_bytes"]
    if not DIGEST.fullmatch(digest) or type(size_bytes) is not int or size_bytes < 0:
        raise ValueError(digest)
    return File(path=check_file_path(path), digest=digest, size_bytes=size_bytes)


def _kinds() -> dict[str, type[ZooError]]:
    """Give every class of errors by its wire code."""
    found, rest = {}, [ZooError]
    while rest:
        kind = rest.pop()
        found[kind.code] = kind
        rest += kind.__subclasses__()
    return found
