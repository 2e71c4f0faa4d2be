"""Asking a zoo on another machine; its errors become ours."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Self
from urllib.parse import urlencode, urlsplit

import urllib3

from zoo.errors import BadSetting, ServerUnreachable, Unsupported, ZooError

CONNECT_S, READ_S = 10.0, 120.0
TRIES = 5
BUSY = (429, 502, 503, 504)
PIECE_BYTES = 2**20
CONNECTIONS = 8
LEADING = {302, 307}  # statuses that tell where the bytes are
GIVEN = {200, 206}
FAILED = 400  # statuses from here on are errors
# How a server answers where it has no such address, or none for such a request.
UNKNOWN = {"not_found", "method_not_allowed"}

Query = Mapping[str, object]


class Remote:
    """A zoo at a URL, asked with a token."""

    def __init__(self, url: str, token: str | None = None, *, is_named: bool = False) -> None:
        """Take the address; ``is_named`` has errors begin with it, where two zoos may say no.

        Raises:
            BadSetting: it is no address of a zoo.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username:
            raise BadSetting(
                f"{url!r} is not the address of a zoo.",
                hint="Give http://HOST:PORT or https://HOST, with --at or ZOO_URL.",
            )
        self.url = url.rstrip("/")
        self._said_by = f"{self.url}: " if is_named else ""
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

    def ask(
        self, method: str, path: str, body: object = None, *, query: Query | None = None
    ) -> Any:  # noqa: ANN401  # JSON
        """Send a request and give its answer.

        Raises:
            ServerUnreachable: nobody answers, or no zoo.
            ZooError: what the other zoo said, by the same class.
        """
        headers = dict(self._headers)
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        answer = self._request(method, path + _asked(query), body=data, headers=headers)
        return self._read(answer.status, answer.data)

    def post(
        self,
        path: str,
        data: bytes | BinaryIO | Iterable[bytes],
        *,
        media: str,
        size_bytes: int | None = None,
        query: Query | None = None,
    ) -> Any:  # noqa: ANN401  # JSON
        """Send bytes of some type, once, and give the answer.

        Raises:
            ServerUnreachable: nobody answers, or no zoo.
            ZooError: what the other zoo said.
        """
        answer = self._post(path, data, media=media, size_bytes=size_bytes, query=query)
        return self._read(answer.status, answer.data)

    def post_for_bytes(
        self, path: str, data: bytes, *, media: str, query: Query | None = None
    ) -> bytes:
        """Send bytes of some type and give the bytes of the answer.

        Raises:
            ServerUnreachable: nobody answers, or no zoo.
            ZooError: what the other zoo said.
        """
        answer = self._post(path, data, media=media, size_bytes=None, query=query)
        if answer.status >= FAILED:
            self._read(answer.status, answer.data)
        given: bytes = answer.data
        return given

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

    def fetch(self, path: str, *, offset: int = 0, query: Query | None = None) -> Iterator[bytes]:
        """Give the bytes of a file from an offset on.

        Raises:
            ServerUnreachable: the connection broke.
            ZooError: what the other zoo said.
        """
        headers = self._headers | {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        options = {"preload_content": False, "redirect": False}
        answer = self._request("GET", path + _asked(query), headers=headers, **options)
        if answer.status in LEADING:
            answer.release_conn()
            # The token is for this zoo alone.
            others = {name: told for name, told in headers.items() if name != "Authorization"}
            answer = self._request_elsewhere(answer.headers.get("Location"), others, options)
        try:
            if answer.status >= FAILED:
                self._read(answer.status, answer.read())
            yield from answer.stream(PIECE_BYTES)
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            answer.release_conn()

    def head(self, path: str, *, query: Query | None = None) -> Mapping[str, str]:
        """Give the headers of what a path would answer.

        Raises:
            ServerUnreachable: nobody answers, or no zoo, or nothing good is said.
        """
        answer = self._request("HEAD", path + _asked(query), headers=self._headers)
        if answer.status >= FAILED:
            raise self.unlike(f"{answer.status} for {path}")
        headers: Mapping[str, str] = answer.headers
        return headers

    def unlike(self, reason: object) -> ServerUnreachable:
        """Make the error of an answer that is not of the form of a zoo's."""
        return ServerUnreachable(
            f"What answers at {self.url} is no zoo, or one of another release: {reason}",
            hint="Check the address; if it is a zoo, have both run the same release.",
            url=self.url,
        )

    def _post(
        self,
        path: str,
        data: bytes | BinaryIO | Iterable[bytes],
        *,
        media: str,
        size_bytes: int | None,
        query: Query | None,
    ) -> Any:  # noqa: ANN401  # urllib3's
        headers = self._headers | {"Content-Type": media}
        if size_bytes is not None:
            headers["Content-Length"] = str(size_bytes)
        address = path + _asked(query)
        return self._request("POST", address, body=data, headers=headers, retries=False)

    def _request_elsewhere(
        self, location: str | None, headers: Mapping[str, str], options: Mapping[str, Any]
    ) -> Any:  # noqa: ANN401  # urllib3's
        """GET what a zoo has its store give."""
        if location is None or urlsplit(location).scheme not in {"http", "https"}:
            raise self.unlike(f"it leads to {location!r}")
        try:
            answer = self._pool.request("GET", location, headers=headers, **options)
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.status not in GIVEN:
            answer.release_conn()
            raise ServerUnreachable(
                f"The store that {self.url} leads to answers {answer.status}.", url=self.url
            )
        return answer

    def _request(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401  # urllib3's
        try:
            return self._pool.request(method, self.url + path, **options)
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error

    def parsed(self, data: bytes) -> Any:  # noqa: ANN401  # JSON
        """Read bytes that were answered as JSON.

        Raises:
            ServerUnreachable: they are none.
        """
        return self._read(0, data)

    def _read(self, status: int, data: bytes) -> Any:  # noqa: ANN401  # JSON
        try:
            told = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self.unlike("its answer is no JSON") from error
        if status < FAILED:
            return told
        said = told.get("error") if isinstance(told, dict) else None
        if not isinstance(said, dict):
            raise self.unlike(f"it answers {status} without an error")
        raise self._error(said)

    def error(self, told: object) -> ZooError | None:
        """Give the error that a job of the other zoo ended with; None where it tells none."""
        said = told.get("error") if isinstance(told, dict) else None
        return self._error(said) if isinstance(said, dict) else None

    def _error(self, said: dict[str, Any]) -> ZooError:
        """Make the error of the class that the other zoo's has."""
        given = said.get("detail")
        detail = given if isinstance(given, dict) else {}
        code = str(said.get("code"))
        if code in UNKNOWN and detail.keys() == {"path", "method"}:
            return Unsupported(
                f"The zoo at {self.url} does not know {detail['method']} {detail['path']}.",
                hint="It may be of an earlier release: have it run the one that this command is"
                " of, or look whether the address is all of it.",
                url=self.url,
            )
        kind = _kinds().get(code, ZooError)
        made = kind(f"{self._said_by}{said.get('message')}", hint=str(said.get("hint")))
        made.detail = detail
        return made

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        return ServerUnreachable(f"{self.url} does not answer: {_reason(error)}.", url=self.url)


def _reason(error: BaseException) -> str:
    """Say why in the system's words, where it was the system that said no."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
    return str(error).rstrip(".")


def _asked(query: Query | None) -> str:
    """Write a query down; what is None or empty is not asked, and several values come singly."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in (query or {}).items()
        if value not in (None, "", ())
    }
    return f"?{urlencode(given, doseq=True)}" if given else ""


def _kinds() -> dict[str, type[ZooError]]:
    """Give every class of errors by its wire code."""
    found, rest = {}, [ZooError]
    while rest:
        kind = rest.pop()
        found[kind.code] = kind
        rest += kind.__subclasses__()
    return found
