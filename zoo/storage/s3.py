"""Blobs in a bucket of S3, or of any service that speaks as it does.

``<prefix>/blobs/<first two hex>/<digest>`` holds a blob. Bytes come to this machine's disk first,
where they are hashed: a blob in the bucket was whole and right before it was sent, and is sent with
its SHA-256, which the service checks. ``local_path`` gives a copy on this machine, hashed again as
it came.

A bucket has no locks, and nobody can change when an object was written. So bytes that are put
again get a young note beside them, in ``again/``, and who deletes some announces it first, in
``doomed/``.
Who puts writes the note, then looks for an announcement; who deletes announces, then looks for the
note: of two at the same time one sees the other.
"""

import math
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from zoo.domain.revision import Blob
from zoo.errors import (
    BadSetting,
    BlobNotFound,
    DigestMismatch,
    StorageFull,
    StoreUnavailable,
)
from zoo.storage.blobs import Chunk
from zoo.storage.copies import Copies

if TYPE_CHECKING:
    from obstore import ObjectMeta

PIECE = 2**22  # bytes that are read at a time
PART = 2**24  # bytes of a part of a large blob, which is sent in several
PARTS_AT_ONCE = 4  # each of which is in memory meanwhile
AT_ONCE = 2**25  # bytes up to which a blob is sent in one request, if it is not there yet
CONNECT_S, READ_S, WHOLE_S = 10, 60, 3600  # for a connection, for its next bytes, for a request
TRIES = 5
TRY_S = 30
DOOMED_S = 60.0  # after which whoever announced a deletion is taken for dead
PAUSE_S = 0.05
ASKED_AT_ONCE = 16  # requests of which one takes tens of milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where a store in S3 is; who may use it is told by AWS_* variables, or by the machine."""

    url: str  # s3://bucket/prefix
    endpoint: str = ""
    public_endpoint: str = ""  # for clients, where they reach it by another address
    region: str = ""

    def connect(self, *, endpoint: str = "") -> S3Store:
        """Make a client of the bucket; nothing is asked of it yet.

        Raises:
            BadSetting: the URL is none of a bucket, or a variable cannot be used.
        """
        parts = urlsplit(self.url)
        if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query:
            raise BadSetting(
                f"ZOO_STORE cannot be used: {self.url!r} is not the address of a bucket.",
                hint="Give s3://BUCKET or s3://BUCKET/PREFIX; keys belong in AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY.",
            )
        address = endpoint or self.endpoint
        given = {"endpoint": address, "region": self.region}
        seconds = timedelta(seconds=TRY_S)
        try:
            return S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                config={key: value for key, value in given.items() if value},  # type: ignore[arg-type]  # two of its keys
                checksum_algorithm="SHA256",
                client_options={
                    "allow_http": address.startswith("http://") or not address,
                    "connect_timeout": timedelta(seconds=CONNECT_S),
                    "read_timeout": timedelta(seconds=READ_S),
                    "timeout": timedelta(seconds=WHOLE_S),
                },
                retry_config={"max_retries": TRIES, "retry_timeout": seconds},
            )
        except (BaseError, ValueError) as error:
            raise BadSetting(f"ZOO_STORE cannot be used: {_first_line(error)}") from error


class S3Blobs:
    """A blob store in a bucket, with copies on this machine."""

    def __init__(self, bucket: Bucket, copies: Copies) -> None:
        self.copies = copies
        self.url = bucket.url
        self._endpoint = bucket.endpoint
        self._store = bucket.connect()
        self._public = bucket.connect(endpoint=bucket.public_endpoint)

    @property
    def place(self) -> str:
        """The bucket and the prefix, at the service's address."""
        return f"{self.url.rstrip('/')} {self._endpoint}".strip()

    def check(self) -> None:
        """See whether the bucket answers; see ``BlobStore.check``."""
        with self._told():
            next(iter(obstore.list(self._store, "blobs", chunk_size=1)), None)

    def put(self, chunks: Iterable[Chunk], *, expected: str | None = None) -> Blob:
        """Keep the bytes; see ``BlobStore.put``."""
        return self.copies.add(chunks, expected=expected, first=self._send)

    def hold(self, chunks: Iterable[Chunk]) -> AbstractContextManager[Path]:
        """Hold bytes in a file for a while; see ``BlobStore.hold``."""
        return self.copies.blobs.hold(chunks)

    def has(self, digest: str) -> bool:
        """Tell whether these bytes are kept."""
        return self._find(_key(digest)) is not None

    def find_kept(self, digests: Iterable[str]) -> set[str]:
        """Give those of some bytes that are kept; many are asked for at once."""
        wanted = list(dict.fromkeys(digests))
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            found = list(pool.map(self.has, wanted))
        return {digest for digest, is_kept in zip(wanted, found, strict=True) if is_kept}

    def open(self, digest: str) -> BinaryIO:
        """Open a checked copy for reading; see ``BlobStore.open``."""
        return self.local_path(digest).open("rb")

    def local_path(self, digest: str) -> Path:
        """Give a copy on this machine, fetched and checked where there is none yet.

        Raises:
            BlobNotFound: the bytes are not kept.
            DigestMismatch: what the bucket holds is not these bytes.
            StoreUnavailable: it does not answer.
        """
        path = self.copies.find(digest)
        if path is not None:
            return path
        try:
            self.copies.add(self.read(digest), expected=digest)
        except DigestMismatch as error:
            raise DigestMismatch(
                f"The bytes {digest} are damaged in {self.url}.",
                hint="See `zoo verify --all`; `zoo repair` puts them back from files.",
                **error.detail,
            ) from error
        path = self.copies.find(digest)
        if path is None:  # It was held before it came, so somebody removed it by hand.
            raise _gone(digest)
        return path

    def bring(self, digests: Iterable[str]) -> None:
        """Copy many bytes to this machine, several at a time; see ``BlobStore.bring``."""
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            try:
                for _ in pool.map(self.local_path, dict.fromkeys(digests)):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def read(self, digest: str) -> Iterator[bytes]:
        """Read what the bucket holds; see ``BlobStore.read``."""
        with self._told():
            try:
                found = obstore.get(self._store, _key(digest))
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                raise _gone(digest) from error
            for piece in found.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    def find_link(self, digest: str, *, seconds: int) -> str | None:
        """Give a URL that is signed for a while; see ``BlobStore.find_link``."""
        with self._told():
            return obstore.sign(self._public, "GET", _key(digest), timedelta(seconds=seconds))

    def find_mark(self, digest: str) -> str | None:
        """Give the object's ETag and time; see ``BlobStore.find_mark``."""
        found = self._find(_key(digest))
        return None if found is None else f"{found['e_tag']} {found['last_modified']}"

    def delete(self, digest: str, *, older_than_s: float = -math.inf) -> bool:
        """Forget bytes of some age; see ``BlobStore.delete``."""
        self._write(_doomed(digest), b"")
        try:
            is_old = self.is_older(digest, older_than_s)
            if is_old:
                self._delete(_key(digest))
                self._delete(_again(digest))
        finally:
            self._delete(_doomed(digest))
        if is_old:
            self.copies.blobs.delete(digest)
        return is_old

    def is_older(self, digest: str, age_s: float) -> bool:
        """Tell whether these bytes were last put longer ago; see ``BlobStore.is_older``."""
        found = self._find(_key(digest))
        if found is None:
            return False
        note = self._find(_again(digest))
        times = [one["last_modified"] for one in (found, note) if one is not None]
        return _age_s(max(times)) > age_s

    def quarantine(self, digest: str) -> None:
        """Set damaged bytes aside, under ``quarantine`` in the bucket."""
        if self._find(_key(digest)) is not None:
            with self._told():
                obstore.rename(self._store, _key(digest), f"quarantine/{digest}")
        self.copies.blobs.delete(digest)

    def list_blobs(self) -> Iterator[Blob]:
        """Go through everything that is kept, in the order of the digests."""
        with self._told():
            for some in obstore.list(self._store, "blobs"):
                for one in some:
                    digest = one["path"].rpartition("/")[2]
                    yield Blob(digest=digest, size_bytes=one["size"])

    def _send(self, path: Path, blob: Blob) -> None:
        """Have the bucket hold the bytes of a file, and hold them as young."""
        if blob.size_bytes <= AT_ONCE and self._create(path, blob):
            return
        found = self._find(_key(blob.digest))
        if found is None or found["size"] != blob.size_bytes:
            self._overwrite(path, blob)
        # A large object is as old as the beginning of its upload.
        self._write(_again(blob.digest), b"")
        self._outwait_deletion(blob.digest)
        if self._find(_key(blob.digest)) is None:
            self._overwrite(path, blob)

    def _create(self, path: Path, blob: Blob) -> bool:
        """Send bytes unless some are there; tell whether they were sent."""
        with self._told():
            try:
                obstore.put(
                    self._store, _key(blob.digest), path, mode="create", use_multipart=False
                )
            except AlreadyExistsError:
                return False
        return True

    def _overwrite(self, path: Path, blob: Blob) -> None:
        with self._told():
            obstore.put(
                self._store,
                _key(blob.digest),
                path,
                use_multipart=blob.size_bytes > AT_ONCE,
                # A service takes 10,000 parts.
                chunk_size=max(PART, -(-blob.size_bytes // 9_000)),
                max_concurrency=PARTS_AT_ONCE,
            )

    def _outwait_deletion(self, digest: str) -> None:
        """Wait until nobody who may not have seen our note is about to delete these bytes."""
        give_up = time.monotonic() + DOOMED_S
        while (found := self._find(_doomed(digest))) is not None:
            if _age_s(found["last_modified"]) > DOOMED_S or time.monotonic() > give_up:
                self._delete(_doomed(digest))  # Who announced it has died since.
                return
            time.sleep(PAUSE_S)

    def _find(self, key: str) -> "ObjectMeta | None":
        with self._told():
            try:
                return obstore.head(self._store, key)
            except FileNotFoundError:
                return None

    def _write(self, key: str, data: bytes) -> None:
        with self._told():
            obstore.put(self._store, key, data, use_multipart=False)

    def _delete(self, key: str) -> None:
        with self._told():
            obstore.delete(self._store, key)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the service's errors into ours."""
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise BadSetting(
                f"The store {self.url} refuses these keys: {_first_line(error)}",
                hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that may read, write,"
                " list and delete there.",
            ) from error
        except (BaseError, FileNotFoundError) as error:
            said = str(error)
            if "NoSuchBucket" in said:
                raise BadSetting(
                    f"There is no bucket for ZOO_STORE={self.url}.",
                    hint="Create the bucket, or correct its name; ZOO_STORE_ENDPOINT says where it"
                    " is looked for.",
                ) from error
            if "StorageFull" in said or "QuotaExceeded" in said:
                raise StorageFull(f"No room left in {self.url}.") from error
            raise StoreUnavailable(
                f"The store {self.url} does not answer: {_first_line(error)}"
            ) from error


def _key(digest: str) -> str:
    """Make the name of a blob's object, here and nowhere else."""
    return f"blobs/{digest[:2]}/{digest}"


def _again(digest: str) -> str:
    return f"again/{digest}"


def _doomed(digest: str) -> str:
    return f"doomed/{digest}"


def _age_s(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()


def _gone(digest: str) -> BlobNotFound:
    return BlobNotFound(f"The store does not hold {digest}.", digest=digest)


def _first_line(error: BaseException) -> str:
    """Leave out the structures that the library adds for its own developers."""
    return str(error).strip().partition("\n")[0].strip()
