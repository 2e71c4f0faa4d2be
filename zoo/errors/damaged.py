"""Bytes that are not the bytes they should be."""

from zoo.errors.tree import ZooError


class Damaged(ZooError):
    """Bytes are not the bytes they should be."""


class BlobNotFound(Damaged):
    """The store does not hold these bytes."""

    hint = "The store and the catalog disagree; restore the store from a backup."


class CatalogDamaged(Damaged):
    """The catalog's file is damaged."""

    hint = "Move its file aside and take a backup: zoo db restore FILE; the bytes are in blobs/."


class DigestMismatch(Damaged):
    """The bytes received do not have the digest announced for them."""

    hint = "Send the file again; if it fails again, the copy at hand is damaged."


class ParityBroken(Damaged):
    """The exported graph does not compute what the network computes."""

    hint = "Nothing was published. Keep the job's log and report it: this is a fault of the zoo."


class VerificationFailed(Damaged):
    """The revision is not what it says."""

    hint = "Restore it from a backup or import the original again; do not serve it."
