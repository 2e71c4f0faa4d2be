"""Opening a zoo: its settings, its store and its catalog, brought up to date."""

import fcntl
import hashlib
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from zoo.catalog.database import SCHEMA, Database
from zoo.catalog.index import ModelIndex
from zoo.catalog.leases import Reading, read_clock
from zoo.domain.access import LOCAL, Caller
from zoo.domain.job import Attempt
from zoo.domain.terms import Terms
from zoo.errors import BadSetting, StorageFull, Unsupported, is_full
from zoo.settings import Settings
from zoo.storage.blobs import BlobStore
from zoo.storage.copies import Copies
from zoo.storage.local import LocalBlobs


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoo:
    """An open zoo; every operation takes one."""

    settings: Settings
    blobs: BlobStore
    catalog: Database
    index: ModelIndex = field(default_factory=ModelIndex)
    clock: Callable[[], datetime] = utc_now
    lease_clock: Callable[[Session], Reading] = read_clock
    caller: Caller = LOCAL  # whom operations are done for
    terms: Terms = field(default_factory=Terms)  # on which the jobs that they ask for are queued

    @property
    def codes_folder(self) -> Path:
        """Where computed codes are cached."""
        return self.settings.home / "cache" / "codes"

    @property
    def pictures_folder(self) -> Path:
        """Where pictures are cached as networks read them."""
        return self.settings.home / "cache" / "pictures"

    @property
    def graphs_folder(self) -> Path:
        """Where graphs are kept as ONNX Runtime optimised them for this machine."""
        return self.settings.home / "cache" / "graphs"

    @property
    def trainings_folder(self) -> Path:
        """Where trainings keep what they need to go on, a folder a job."""
        return self.settings.home / "cache" / "trainings"

    @property
    def predictions_folder(self) -> Path:
        """Where answers lie whose job is not finished, a folder a job."""
        return self.settings.home / "cache" / "predictions"

    @property
    def machine(self) -> str:
        """Name this machine and this home; other machines may work on the same catalog."""
        home = hashlib.sha256(str(self.settings.home).encode()).hexdigest()[:12]
        return f"{socket.gethostname()}:{home}"

    def log_path(self, attempt: Attempt) -> Path:
        """Tell where the output of an attempt's process goes."""
        return self.settings.home / "logs" / f"job-{attempt.job}-{attempt.number}.log"


@contextmanager
def open_zoo(settings: Settings, *, held_s: float = math.inf) -> Iterator[Zoo]:
    """Open the zoo the settings name; a new or older catalog is migrated first.

    Where blobs are in S3, a copy of one that a process was given stays for ``held_s`` seconds, by
    default as long as the process lives.

    Raises:
        BadSetting: its home, its store or its database cannot be opened.
        Unsupported: a later release of the zoo has changed its catalog.
        StorageFull: there is no room for it.
    """
    home = settings.home
    with _translated(home):
        home.mkdir(parents=True, exist_ok=True)
        blobs = open_blobs(settings, held_s=held_s)
    with closing(Database(settings.catalog_url, lease_s=settings.lease_s)) as catalog:
        with _translated(home):
            _migrate_once(catalog, home)
        yield Zoo(settings=settings, blobs=blobs, catalog=catalog)


def open_blobs(settings: Settings, *, held_s: float = math.inf) -> BlobStore:
    """Open the store that the settings name; what dead writers left on this machine is removed.

    Raises:
        BadSetting: it is no folder and no bucket that can be used.
    """
    if not settings.store.startswith("s3:"):
        if "://" in settings.store:
            raise BadSetting(
                f"ZOO_STORE cannot be used: {settings.store!r} is neither a folder nor a bucket.",
                hint="Give a folder, or s3://BUCKET/PREFIX.",
            )
        root = Path(settings.store).expanduser() if settings.store else settings.home / "blobs"
        blobs = LocalBlobs(root.absolute())
        blobs.clear_incoming()
        return blobs
    try:
        from zoo.storage.s3 import Bucket, S3Blobs  # noqa: PLC0415  # obstore may be missing
    except ModuleNotFoundError as error:
        raise BadSetting(
            f"ZOO_STORE={settings.store} needs {error.name}, which is not installed.",
            hint="Install it: pip install 'zoo[s3]'",
        ) from error
    folder = settings.home / "cache" / "blobs"
    copies = Copies(folder, most_bytes=settings.store_cache_bytes, held_s=held_s)
    copies.blobs.clear_incoming()
    bucket = Bucket(
        url=settings.store,
        endpoint=settings.store_endpoint,
        public_endpoint=settings.store_public_endpoint,
        region=settings.store_region,
    )
    return S3Blobs(bucket, copies)


@contextmanager
def _translated(home: Path) -> Iterator[None]:
    """Turn the faults of a home into ours."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise StorageFull(f"No room left in {home}.", path=str(home)) from error
        raise BadSetting(
            f"The zoo's home {home} cannot be opened: {error.strerror}.",
            hint="Point ZOO_HOME to a folder that you may write to.",
            path=str(home),
        ) from error


def _migrate_once(catalog: Database, home: Path) -> None:
    """Bring the schema up to date; one process of this machine at a time does it.

    The first look is taken under the lock too: it makes a new SQLite file, and of two who switch
    that to WAL at once SQLite refuses one without waiting.
    """
    with (home / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if catalog.find_schema() != SCHEMA:
            migrate(catalog)


def check_catalog(zoo: Zoo) -> None:
    """Ask the catalog for next to nothing, to see that it answers.

    Raises:
        CatalogUnavailable, CatalogDamaged: it does not.
    """
    zoo.catalog.find_schema()


def migrate(catalog: Database, *, target: str = "head") -> None:
    """Bring the schema to a migration, all of it in one transaction.

    Raises:
        Unsupported: the catalog stands at a migration that this release does not know.
    """
    # Alembic takes a third of a second to import and is needed once in a catalog's life.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_migrations_folder()))
    with catalog.migrating() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, target)
        except CommandError as error:
            raise Unsupported(
                f"The catalog at {catalog.shown_url} is of a later release of the zoo: {error}",
                hint="Install that release; a catalog is never taken back.",
                known=SCHEMA,
            ) from error


def _migrations_folder() -> Path:
    """Find the migrations: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
