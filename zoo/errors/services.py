"""What the zoo stands on, where it is full or does not answer."""

import errno

from zoo.errors.tree import ZooError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DISK_FULL = "53100"  # PostgreSQL's code of the condition


class StorageFull(ZooError):
    """The disk is full; nothing half-written was kept."""

    hint = "Free space on the disk named (or move ZOO_HOME), then run the command again."


class CatalogUnavailable(ZooError):
    """The catalog does not answer."""

    hint = "See whether its database runs and who holds it, then run the command again."


class StoreUnavailable(ZooError):
    """The store of the blobs does not answer."""

    hint = "See whether it runs and ZOO_STORE_ENDPOINT is its address, then run the command again."


class EngineUnavailable(ZooError):
    """What runs jobs does not answer; they wait."""

    hint = "See whether ZOO_RAY_ADDRESS is the cluster's, and whether it runs: ray status"


class ServerUnreachable(ZooError):
    """The other zoo does not answer."""

    hint = "Check the address and the network, then run the command again: it goes on."


def is_full(error: BaseException) -> bool:
    """Tell whether this error, or one it came from, means that a disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FULL:
            return True
        if getattr(cause, "sqlstate", None) == DISK_FULL:
            return True
        if "database or disk is full" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def storage_full(error: OSError) -> StorageFull:
    """Say which place is full, where the system's error tells it."""
    if error.filename is None:
        return StorageFull()
    return StorageFull(f"No room left for {error.filename}.", path=str(error.filename))
