"""Every way the zoo can say no.

ZooError
├── Invalid                    what was given cannot be used
│   ├── BadName
│   ├── BadRequest
│   ├── BadSetting
│   ├── MalformedCheckpoint
│   ├── UnsafePickle
│   ├── MalformedPrototxt
│   ├── MalformedCard
│   ├── MalformedUpload
│   ├── WeightsMismatch
│   ├── IncompletePackage
│   ├── UnreadablePicture
│   ├── SomeUnreadable
│   ├── PictureTooSmall
│   ├── UnsafeArchive
│   ├── MalformedArchive
│   ├── EmptyDataset
│   ├── OneClass
│   ├── TooFewPictures
│   └── ClassesDiffer
├── Damaged                    bytes are not the bytes they should be
│   ├── BlobNotFound
│   ├── CatalogDamaged
│   ├── DigestMismatch
│   ├── ParityBroken
│   └── VerificationFailed
├── NotFound
│   ├── ModelNotFound
│   ├── RevisionNotFound
│   ├── FileNotFound
│   ├── LayerNotFound
│   ├── DatasetNotFound
│   ├── JobNotFound
│   ├── LogNotFound
│   ├── AccountNotFound
│   ├── TokenNotFound
│   └── PathNotFound
├── Conflict                   true once, but something else has happened since
│   ├── LeaseLost
│   ├── RefMoved
│   ├── UploadMoved
│   ├── ModelExists
│   ├── RefExists
│   ├── StillNeeded
│   └── AddressInUse
├── Unsupported                well formed, but beyond what the zoo can do
│   ├── UnknownFormat
│   ├── UnsupportedLayers
│   ├── NoHead
│   ├── BoundToOneSize
│   └── NotRunnable
├── Unauthenticated
├── Forbidden
├── TooManyRequests
├── Overloaded
├── NotReady
├── DeadlinePassed
├── GoneAway
├── TooSlow
├── TooLarge
├── QuotaExceeded
├── OutOfMemory
├── RankLost
├── TrainingDiverged
├── GateMissed
├── StorageFull
├── CatalogUnavailable
├── StoreUnavailable
├── EngineUnavailable
├── ServerUnreachable
├── JobFailed
│   └── EarlierJobFailed
└── Interrupted

``except ZooError`` is the ``try`` of the doors (the command line, the web): one table there turns
these classes into exit codes, another into HTTP answers. Each class's docstring is its default
message, ``hint`` is the next step, and keywords become the ``detail`` of an answer.
"""

import errno
import re
from typing import ClassVar


class ZooError(Exception):
    """The zoo could not do what was asked."""

    hint: str = "See `zoo doctor` for what this zoo stands on."
    code: ClassVar[str] = "zoo_error"

    def __init_subclass__(cls) -> None:
        """Name the wire code after the class: ``BlobNotFound`` is ``blob_not_found``."""
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(
        self, message: str | None = None, *, hint: str | None = None, **detail: object
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        self.detail = detail
        if hint is not None:
            self.hint = hint

    def as_json(self) -> dict[str, object]:
        """Write the error down in the one shape every door shows."""
        return {
            "error": {
                "code": self.code,
                "message": str(self),
                "hint": self.hint,
                "detail": self.detail,
            }
        }


class Invalid(ZooError):
    """What was given cannot be used."""


class BadName(Invalid):
    """This name cannot be used."""

    hint = (
        "Choose another: 1 to 96 letters, digits, '.', '_' and '-', with at most one '/' for an "
        "owner."
    )


class BadRequest(Invalid):
    """The request is not of the form this address takes."""

    hint = "The form is told at /docs and in /openapi.json."


class BadSetting(Invalid):
    """A setting has a value that cannot be used."""

    hint = "Settings come from ZOO_* variables, ./zoo.toml and ~/.config/zoo/zoo.toml."


class MalformedCheckpoint(Invalid):
    """The checkpoint's bytes do not follow its format."""

    hint = "Fetch the file again and compare its checksum with the publisher's."


class UnsafePickle(Invalid):
    """The checkpoint asks for code to be run, which the zoo never does."""

    hint = (
        "Where you trust the file, load it, save model.state_dict() with "
        "safetensors.torch.save_file, and import that."
    )


class MalformedPrototxt(Invalid):
    """The network description does not follow the prototxt format."""

    hint = "Open the file at the line named, mend it, and import again."


class MalformedCard(Invalid):
    """The front matter of the card is not readable YAML."""

    hint = "Mend the lines between the two '---' of the readme."


class MalformedUpload(Invalid):
    """What was sent does not follow the form of its upload."""

    hint = "Send it again; if it fails again, update the client, or use HF_HUB_DISABLE_XET=1."


class WeightsMismatch(Invalid):
    """The weights do not fit the network they came with."""

    hint = "Use the prototxt the weights were trained with."


class IncompletePackage(Invalid):
    """The folder lacks a file that a package needs."""

    hint = "A Caffe package is a folder with a deploy.prototxt and a .caffemodel."


class UnreadablePicture(Invalid):
    """The file is not a picture that can be read."""

    hint = "Give a JPEG, PNG, WebP, BMP, TIFF or PPM file."


class SomeUnreadable(Invalid):
    """Some of many pictures cannot be read; what could be done with the others is done."""

    hint = "They are named above; mend them or leave them out."


class PictureTooSmall(Invalid):
    """The picture is smaller than what one cell of the network's map reads."""

    hint = "Give a larger picture, or enlarge this one: --short-side PIXELS"


class UnsafeArchive(Invalid):
    """The archive holds a member that would leave its folder."""

    hint = "Pack the class folders again, with plain files and relative names only."


class MalformedArchive(Invalid):
    """The archive is damaged or not an archive."""

    hint = "Give a folder of class folders, or a zip or tar of it."


class EmptyDataset(Invalid):
    """No readable picture was found."""

    hint = "Give a folder that holds one folder of pictures per class."


class OneClass(Invalid):
    """All pictures are of one class; a classifier needs at least two."""

    hint = "Add a folder with pictures of another class."


class TooFewPictures(Invalid):
    """A class has too few pictures to learn from and be measured on."""

    hint = "Add pictures to the class named, or remove its folder."


class ClassesDiffer(Invalid):
    """The training and validation folders do not hold the same classes."""

    hint = "Give both folders the same class folders, spelled alike."


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


class NotFound(ZooError):
    """There is nothing of that name."""


class ModelNotFound(NotFound):
    """There is no model of that name."""

    hint = "See: zoo list"


class RevisionNotFound(NotFound):
    """The model has no such revision, tag or alias."""

    hint = "See: zoo show MODEL"


class FileNotFound(NotFound):
    """The revision has no such file."""

    hint = "See: zoo show MODEL --files"


class LayerNotFound(NotFound):
    """The network has no layer of that name."""

    hint = "See: zoo show MODEL --layers"


class DatasetNotFound(NotFound):
    """There is no dataset of that name."""

    hint = "See: zoo datasets list"


class JobNotFound(NotFound):
    """There is no job of that number."""

    hint = "See: zoo jobs"


class LogNotFound(NotFound):
    """What this attempt printed is not here."""

    hint = "See its attempts: zoo jobs show NUMBER"


class AccountNotFound(NotFound):
    """There is no account of that name."""

    hint = "See: zoo accounts"


class TokenNotFound(NotFound):
    """There is no token of that number."""

    hint = "See: zoo tokens"


class PathNotFound(NotFound):
    """There is no such file or folder."""

    hint = "Check the spelling of the path."


class Conflict(ZooError):
    """Something else has happened since."""


class LeaseLost(Conflict):
    """Another attempt has taken this job over."""

    hint = "Nothing to do: the newer attempt goes on with it."


class RefMoved(Conflict):
    """The branch points to another revision by now."""

    hint = "Look at what came in between, and send the change again on top of it."


class UploadMoved(Conflict):
    """Another number of bytes of the upload has been received."""

    hint = "Ask how far it came, and go on there."


class ModelExists(Conflict):
    """There is a model of that name already."""

    hint = "Choose another name, or publish a revision of the one there is."


class RefExists(Conflict):
    """The model has a ref of that name already."""

    hint = "Choose another name, or move the ref there is."


class StillNeeded(Conflict):
    """Something else is made of this, or points to it."""

    hint = "Delete what needs it first."


class AddressInUse(Conflict):
    """Another program listens on this address."""

    hint = "Choose another port: zoo serve --port 8081"


class Unsupported(ZooError):
    """The zoo cannot do this."""


class UnknownFormat(Unsupported):
    """No reader knows this file."""

    hint = "Import a folder with a deploy.prototxt and a .caffemodel or .caffemodel.h5."


class UnsupportedLayers(Unsupported):
    """The network has layers the zoo cannot run."""

    hint = "Every such layer is named in the detail."


class NoHead(Unsupported):
    """The network has no classifier that could be replaced."""

    hint = "Fine-tuning needs a network that ends in one fully connected or 1 x 1 classifier."


class BoundToOneSize(Unsupported):
    """The network depends on one size of picture, so it cannot be made dense."""

    hint = "Networks of convolutions, poolings and fully connected layers can be."


class NotRunnable(Unsupported):
    """The revision holds no graph that can predict."""

    hint = "Choose a revision that has a model.onnx: zoo show MODEL --files"


class Unauthenticated(ZooError):
    """This zoo asks who you are."""

    hint = (
        "Send a token: Authorization: Bearer zoo_... (HF_TOKEN for clients of the Hub); an admin"
        " makes one with `zoo tokens create NAME`."
    )


class Forbidden(ZooError):
    """The request is not one that this server answers."""

    hint = "Send it to localhost, or add the name the server has to ZOO_TRUSTED_HOSTS."


class TooManyRequests(ZooError):
    """This caller has asked too often."""

    hint = "Wait for the seconds told, then go on; ZOO_REQUESTS_PER_MINUTE is the limit."


class Overloaded(ZooError):
    """More pictures wait than this server lets wait."""

    hint = "Send it again after the seconds told; ZOO_QUEUE_PICTURES bounds what waits."


class NotReady(ZooError):
    """The server ends, and takes no more requests."""

    hint = "Send it again when the server is back, or to another one."


class DeadlinePassed(ZooError):
    """The time that the client gave had passed before the pictures' turn came."""

    hint = "Give more time, or send fewer requests at once."


class GoneAway(ZooError):
    """The client has closed its connection, so nothing was predicted for it."""

    hint = "Send the request again, and wait for its answer."


class TooSlow(ZooError):
    """The request was sent too slowly to wait for the rest of it."""

    hint = "Send it again over a better connection, or in parts."


class TooLarge(ZooError):
    """What was sent is larger than this zoo takes."""

    hint = "The limits are settings; `zoo doctor` shows them."


class QuotaExceeded(ZooError):
    """The owner may have no more."""

    hint = "Delete models of this owner and have an admin sweep, or ask an admin for more."


class OutOfMemory(ZooError):
    """The device has no memory for this."""

    hint = "Take a smaller network, or a machine with more memory."


class RankLost(ZooError):
    """One of the processes that train together ended."""

    hint = "The log of the job says why; often memory ran out. Take fewer: --devices"


class TrainingDiverged(ZooError):
    """The numbers of a training ceased to be numbers."""

    hint = "Lower the rates: --lr and --head-lr"


class GateMissed(ZooError):
    """With fewer bits the model would be worse than was allowed."""

    hint = "Allow more, in points of accuracy: --gate POINTS. Or serve the model as it is."


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


class JobFailed(ZooError):
    """The job did not succeed."""

    hint = "See: zoo jobs show NUMBER"


class EarlierJobFailed(JobFailed):
    """A job that this one comes after did not succeed."""

    hint = "Run that job again, then this one: zoo jobs rerun NUMBER"


class Interrupted(ZooError):
    """Interrupted; what was done so far is kept."""

    hint = "Run the same command again to go on."


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DISK_FULL = "53100"  # PostgreSQL's code of the condition


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
