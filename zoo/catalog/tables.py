"""All tables of the catalog.

Constraints are named by convention, so that migrations can speak of them; enums are stored by
value; times are UTC. Rows stay in this room: everyone else sees domain values.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    event,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from zoo.domain.access import LOCAL_ACCOUNT, Role
from zoo.domain.dataset import Split
from zoo.domain.job import JobKind, JobState
from zoo.domain.revision import RefKind

LONGEST_PATH, LONGEST_LABEL = 1024, 256  # characters
LARGEST = 2**31 - 1  # number that key columns hold; a larger one is no row's

CONVENTION = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Moment(TypeDecorator[datetime]):
    """A time in UTC; SQLite gives it back without a zone, PostgreSQL in the session's."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: object) -> datetime | None:  # noqa: ARG002  # the signature is SQLAlchemy's
        """Put the zone back where the database lost or changed it."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def by_value(kind: type[StrEnum]) -> Enum:
    """Store an enum by its value, as text that later versions may add to."""
    return Enum(
        kind,
        native_enum=False,
        length=32,
        create_constraint=False,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads it from the class
        datetime: Moment,
        dict[str, Any]: JSON,
        Split: by_value(Split),
        JobKind: by_value(JobKind),
        JobState: by_value(JobState),
        Role: by_value(Role),
        RefKind: by_value(RefKind),
    }


class BlobRow(Base):
    """Bytes of the store that files or pictures point to; the row comes after the bytes."""

    __tablename__ = "blobs"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class ModelRow(Base):
    """A name under which revisions are published."""

    __tablename__ = "models"

    pk: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime]
    is_private: Mapped[bool] = mapped_column(default=False, server_default=false())
    deleted_at: Mapped[datetime | None]  # It can be restored until it is swept.
    refs: Mapped[list["RefRow"]] = relationship(order_by="RefRow.name")


class RevisionRow(Base):
    """An immutable set of files of one model."""

    __tablename__ = "revisions"

    pk: Mapped[int] = mapped_column(primary_key=True)
    model_pk: Mapped[int] = mapped_column(ForeignKey("models.pk"))
    id: Mapped[str] = mapped_column(String(40), index=True)
    message: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    previous_pk: Mapped[int | None] = mapped_column(ForeignKey("revisions.pk"))
    parent_pk: Mapped[int | None] = mapped_column(ForeignKey("revisions.pk"), index=True)
    dataset_pk: Mapped[int | None] = mapped_column(ForeignKey("datasets.pk"), index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    summary: Mapped[dict[str, Any]]
    traits: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")

    model: Mapped[ModelRow] = relationship()
    previous: Mapped["RevisionRow | None"] = relationship(
        foreign_keys=[previous_pk], remote_side=[pk]
    )
    parent: Mapped["RevisionRow | None"] = relationship(foreign_keys=[parent_pk], remote_side=[pk])
    dataset: Mapped["DatasetRow | None"] = relationship()
    files: Mapped[list["FileRow"]] = relationship(order_by="FileRow.path")

    __table_args__ = (
        # The same files published twice under one model are one revision.
        UniqueConstraint("model_pk", "id"),
    )


class FileRow(Base):
    """A file of a revision."""

    __tablename__ = "files"

    revision_pk: Mapped[int] = mapped_column(ForeignKey("revisions.pk"), primary_key=True)
    path: Mapped[str] = mapped_column(String(LONGEST_PATH), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class RefRow(Base):
    """A movable name of a revision."""

    __tablename__ = "refs"

    model_pk: Mapped[int] = mapped_column(ForeignKey("models.pk"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revisions.pk"), index=True)
    kind: Mapped[RefKind] = mapped_column(server_default=RefKind.BRANCH.value)
    is_protected: Mapped[bool] = mapped_column(default=False, server_default=false())
    revision: Mapped[RevisionRow] = relationship()


class RefMoveRow(Base):
    """One move of a ref, kept for ever."""

    __tablename__ = "ref_moves"

    pk: Mapped[int] = mapped_column(primary_key=True)
    model_pk: Mapped[int] = mapped_column(ForeignKey("models.pk"), index=True)
    ref: Mapped[str] = mapped_column(String(128))
    old_pk: Mapped[int | None] = mapped_column(ForeignKey("revisions.pk"))
    new_pk: Mapped[int | None] = mapped_column(ForeignKey("revisions.pk"))
    at: Mapped[datetime]

    old: Mapped[RevisionRow | None] = relationship(foreign_keys=[old_pk])
    new: Mapped[RevisionRow | None] = relationship(foreign_keys=[new_pk])


class RenameRow(Base):
    """A name that a model had, under which it is still found."""

    __tablename__ = "renames"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    model_pk: Mapped[int] = mapped_column(ForeignKey("models.pk"))
    at: Mapped[datetime]
    model: Mapped[ModelRow] = relationship()


class ModelChangeRow(Base):
    """The last change of a model that searches must know of; it outlives the model."""

    __tablename__ = "model_changes"

    model_pk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)  # counts up with each change


class DatasetRow(Base):
    """A manifest of labelled pictures; one name may have several over time, the newest counts."""

    __tablename__ = "datasets"

    pk: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    id: Mapped[str] = mapped_column(String(40), index=True)
    classes: Mapped[list[str]] = mapped_column(JSON)
    skipped: Mapped[list[list[str]]] = mapped_column(JSON)  # [path, reason]
    counts: Mapped[dict[str, Any]]  # split -> class -> pictures
    split_source: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    pictures: Mapped[list["PictureRow"]] = relationship(order_by="PictureRow.position")

    __table_args__ = (UniqueConstraint("name", "id"),)


class PictureRow(Base):
    """One labelled picture of a dataset."""

    __tablename__ = "pictures"

    dataset_pk: Mapped[int] = mapped_column(ForeignKey("datasets.pk"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    path: Mapped[str] = mapped_column(String(LONGEST_PATH))
    label: Mapped[str] = mapped_column(String(LONGEST_LABEL))
    split: Mapped[Split]
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class JobRow(Base):
    """One piece of work; all that the web and the workers share."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[JobKind]
    state: Mapped[JobState] = mapped_column(index=True)
    priority: Mapped[int] = mapped_column(default=0)
    params: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    attempt: Mapped[int] = mapped_column(default=0)  # the fencing token
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    account: Mapped[str] = mapped_column(String(96), server_default=LOCAL_ACCOUNT)
    # Seconds by the clock named beside them; see `zoo.catalog.leases`.
    lease_until: Mapped[float | None] = mapped_column(Double)
    not_before: Mapped[float | None] = mapped_column(Double)
    clock: Mapped[str | None] = mapped_column(String(64))
    passed: Mapped[int] = mapped_column(default=0, server_default="0")  # by how many smaller jobs
    threads: Mapped[int | None]  # asked for; null is what is usual for the kind
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    gpus: Mapped[int | None]
    is_pausing: Mapped[bool] = mapped_column(default=False, server_default=false())
    rerun_of: Mapped[int | None] = mapped_column(index=True)


class DependencyRow(Base):
    """A job that has to succeed before another one can be taken."""

    __tablename__ = "job_dependencies"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    after_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True, index=True)


class TurnRow(Base):
    """When a job of an account was last taken; turns count up, whatever a clock says."""

    __tablename__ = "turns"

    account: Mapped[str] = mapped_column(String(96), primary_key=True)
    turn: Mapped[int] = mapped_column(BigInteger)


class AttemptRow(Base):
    """One try at a job."""

    __tablename__ = "attempts"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str] = mapped_column(String(200))  # host and process that claimed it
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(32))
    share: Mapped[dict[str, Any] | None]  # what it was given of its machine; null is all
    error: Mapped[dict[str, Any] | None]  # why the job is tried again
    log_digest: Mapped[str | None] = mapped_column(String(64))  # what it printed, once kept


class EventRow(Base):
    """One thing an attempt said of its progress."""

    __tablename__ = "job_events"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    at: Mapped[datetime]
    step: Mapped[str] = mapped_column(String(32))
    message: Mapped[str] = mapped_column(Text)
    done: Mapped[int | None]
    total: Mapped[int | None]


class AccountRow(Base):
    """Someone who may ask."""

    __tablename__ = "accounts"

    pk: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(96), unique=True)
    created_at: Mapped[datetime]
    grants: Mapped[list["GrantRow"]] = relationship(order_by="GrantRow.owner")


class GrantRow(Base):
    """The role of an account for an owner; ``*`` is every owner, '' what has none."""

    __tablename__ = "grants"

    account_pk: Mapped[int] = mapped_column(ForeignKey("accounts.pk"), primary_key=True)
    owner: Mapped[str] = mapped_column(String(96), primary_key=True)
    role: Mapped[Role]


class TokenRow(Base):
    """A token; its secret is known to whoever was given it, and to nobody else."""

    __tablename__ = "tokens"

    pk: Mapped[int] = mapped_column(primary_key=True)
    account_pk: Mapped[int] = mapped_column(ForeignKey("accounts.pk"), index=True)
    label: Mapped[str] = mapped_column(String(96))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[Role]
    owner: Mapped[str | None] = mapped_column(String(96))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    account: Mapped[AccountRow] = relationship()


class AuditRow(Base):
    """One change that somebody made."""

    __tablename__ = "audit"

    pk: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    account: Mapped[str] = mapped_column(String(96))
    token: Mapped[str | None] = mapped_column(String(96))
    address: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(200), index=True)
    detail: Mapped[dict[str, Any]]


class UploadRow(Base):
    """Bytes that were sent for a model and may be named by a revision of it; kept from sweeps."""

    __tablename__ = "uploads"

    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    account: Mapped[str] = mapped_column(String(96))
    at: Mapped[datetime] = mapped_column(index=True)


class DownloadRow(Base):
    """How often a file of a revision was downloaded on a day, in UTC."""

    __tablename__ = "downloads"

    revision_pk: Mapped[int] = mapped_column(ForeignKey("revisions.pk"), primary_key=True)
    path: Mapped[str] = mapped_column(String(LONGEST_PATH), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    model_pk: Mapped[int] = mapped_column(ForeignKey("models.pk"), index=True)
    count: Mapped[int] = mapped_column(BigInteger)


class QuotaRow(Base):
    """How much an owner may have, where that differs from the settings; null is no limit."""

    __tablename__ = "quotas"

    owner: Mapped[str] = mapped_column(String(96), primary_key=True)
    most_bytes: Mapped[int | None] = mapped_column(BigInteger)
    most_models: Mapped[int | None]
    most_revisions: Mapped[int | None]


# Lists in pages go by code points. PostgreSQL sorts as the language of a database does, and then no
# other index helps them; SQLite does so by itself. Alembic compares neither collations nor what is
# for one database alone, so the tables here do not know of these indexes, and it is told to pass.
CODE_POINTS = "C"  # PostgreSQL's name for that order
BY_CODE_POINTS = {"ix_models_name_c": "models", "ix_datasets_name_c": "datasets"}
for _index, _table in BY_CODE_POINTS.items():
    _made = DDL(  # type: ignore[no-untyped-call]  # SQLAlchemy has it so
        f'CREATE INDEX {_index} ON {_table} (name COLLATE "{CODE_POINTS}")'
    )
    event.listen(
        Base.metadata.tables[_table], "after_create", _made.execute_if(dialect="postgresql")
    )


def is_compared(_item: object, name: str | None, kind: str, *_: object) -> bool:
    """Tell alembic what it is to compare."""
    return kind != "index" or name not in BY_CODE_POINTS
