"""Every way the zoo can say no.

ZooError
├── Conflict                   true once, but something else has happened since
│   ├── LeaseLost
│   ├── RefMoved
│   ├── UploadMoved
│   ├── ModelExists
│   ├── RefExists
│   ├── StillNeeded
│   └── AddressInUse
├── Damaged                    bytes are not the bytes they should be
│   ├── BlobNotFound
│   ├── CatalogDamaged
│   ├── DigestMismatch
│   ├── ParityBroken
│   └── VerificationFailed
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
├── NotFound                   what is asked for is not there
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
├── Unauthenticated            from here on requests that are turned away: refused.py
├── Forbidden
├── TooManyRequests
├── Overloaded
├── NotReady
├── DeadlinePassed
├── GoneAway
├── TooSlow
├── TooLarge
├── QuotaExceeded
├── StorageFull                from here on what the zoo stands on: services.py
├── CatalogUnavailable
├── StoreUnavailable
├── EngineUnavailable
├── ServerUnreachable
├── Unsupported                well formed, but beyond what the zoo can do
│   ├── UnknownFormat
│   ├── UnsupportedLayers
│   ├── NoHead
│   ├── BoundToOneSize
│   └── NotRunnable
├── OutOfMemory                from here on work that came to no good end: work.py
├── RankLost
├── TrainingDiverged
├── GateMissed
├── JobFailed
│   └── EarlierJobFailed
└── Interrupted

A branch has its file: conflict.py, damaged.py, invalid.py, missing.py (``NotFound``) and
unsupported.py. All names are imported from here.

``except ZooError`` is the ``try`` of the doors (the command line, the web): one table there turns
these classes into exit codes, another into HTTP answers. Each class's docstring is its default
message, ``hint`` is the next step, and keywords become the ``detail`` of an answer.
"""

from zoo.errors.conflict import (
    AddressInUse,
    Conflict,
    LeaseLost,
    ModelExists,
    RefExists,
    RefMoved,
    StillNeeded,
    UploadMoved,
)
from zoo.errors.damaged import (
    BlobNotFound,
    CatalogDamaged,
    Damaged,
    DigestMismatch,
    ParityBroken,
    VerificationFailed,
)
from zoo.errors.invalid import (
    BadName,
    BadRequest,
    BadSetting,
    ClassesDiffer,
    EmptyDataset,
    IncompletePackage,
    Invalid,
    MalformedArchive,
    MalformedCard,
    MalformedCheckpoint,
    MalformedPrototxt,
    MalformedUpload,
    OneClass,
    PictureTooSmall,
    SomeUnreadable,
    TooFewPictures,
    UnreadablePicture,
    UnsafeArchive,
    UnsafePickle,
    WeightsMismatch,
)
from zoo.errors.missing import (
    AccountNotFound,
    DatasetNotFound,
    FileNotFound,
    JobNotFound,
    LayerNotFound,
    LogNotFound,
    ModelNotFound,
    NotFound,
    PathNotFound,
    RevisionNotFound,
    TokenNotFound,
)
from zoo.errors.refused import (
    DeadlinePassed,
    Forbidden,
    GoneAway,
    NotReady,
    Overloaded,
    QuotaExceeded,
    TooLarge,
    TooManyRequests,
    TooSlow,
    Unauthenticated,
)
from zoo.errors.services import (
    CatalogUnavailable,
    EngineUnavailable,
    ServerUnreachable,
    StorageFull,
    StoreUnavailable,
    is_full,
    storage_full,
)
from zoo.errors.tree import ZooError
from zoo.errors.unsupported import (
    BoundToOneSize,
    NoHead,
    NotRunnable,
    UnknownFormat,
    Unsupported,
    UnsupportedLayers,
)
from zoo.errors.work import (
    EarlierJobFailed,
    GateMissed,
    Interrupted,
    JobFailed,
    OutOfMemory,
    RankLost,
    TrainingDiverged,
)

__all__ = [
    "AccountNotFound",
    "AddressInUse",
    "BadName",
    "BadRequest",
    "BadSetting",
    "BlobNotFound",
    "BoundToOneSize",
    "CatalogDamaged",
    "CatalogUnavailable",
    "ClassesDiffer",
    "Conflict",
    "Damaged",
    "DatasetNotFound",
    "DeadlinePassed",
    "DigestMismatch",
    "EarlierJobFailed",
    "EmptyDataset",
    "EngineUnavailable",
    "FileNotFound",
    "Forbidden",
    "GateMissed",
    "GoneAway",
    "IncompletePackage",
    "Interrupted",
    "Invalid",
    "JobFailed",
    "JobNotFound",
    "LayerNotFound",
    "LeaseLost",
    "LogNotFound",
    "MalformedArchive",
    "MalformedCard",
    "MalformedCheckpoint",
    "MalformedPrototxt",
    "MalformedUpload",
    "ModelExists",
    "ModelNotFound",
    "NoHead",
    "NotFound",
    "NotReady",
    "NotRunnable",
    "OneClass",
    "OutOfMemory",
    "Overloaded",
    "ParityBroken",
    "PathNotFound",
    "PictureTooSmall",
    "QuotaExceeded",
    "RankLost",
    "RefExists",
    "RefMoved",
    "RevisionNotFound",
    "ServerUnreachable",
    "SomeUnreadable",
    "StillNeeded",
    "StorageFull",
    "StoreUnavailable",
    "TokenNotFound",
    "TooFewPictures",
    "TooLarge",
    "TooManyRequests",
    "TooSlow",
    "TrainingDiverged",
    "Unauthenticated",
    "UnknownFormat",
    "UnreadablePicture",
    "UnsafeArchive",
    "UnsafePickle",
    "Unsupported",
    "UnsupportedLayers",
    "UploadMoved",
    "VerificationFailed",
    "WeightsMismatch",
    "ZooError",
    "is_full",
    "storage_full",
]
