"""Models, revisions, files, refs with their moves, datasets with their pictures, jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ENUM = sa.String(32)


def upgrade():
    op.create_table(
        "blobs",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_blobs"),
    )
    _create_jobs()
    _create_datasets()
    _create_models()


def _create_jobs():
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", ENUM, nullable=False),
        sa.Column("state", ENUM, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("outcome", ENUM, nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_attempts_job_id_jobs"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_attempts"),
    )
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_events_job_id_jobs"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_events"),
    )


def _create_datasets():
    op.create_table(
        "datasets",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("split_source", sa.String(16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_datasets"),
        sa.UniqueConstraint("name", "id", name="uq_datasets_name_id"),
    )
    op.create_index("ix_datasets_name", "datasets", ["name"])
    op.create_index("ix_datasets_id", "datasets", ["id"])
    op.create_table(
        "pictures",
        sa.Column("dataset_pk", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("label", sa.String(256), nullable=False),
        sa.Column("split", ENUM, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_pk"], ["datasets.pk"], name="fk_pictures_dataset_pk_datasets"
        ),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name="fk_pictures_digest_blobs"),
        sa.PrimaryKeyConstraint("dataset_pk", "position", name="pk_pictures"),
    )
    op.create_index("ix_pictures_digest", "pictures", ["digest"])


def _create_models():
    op.create_table(
        "models",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_models"),
        sa.UniqueConstraint("name", name="uq_models_name"),
    )
    op.create_table(
        "revisions",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("model_pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("previous_pk", sa.Integer(), nullable=True),
        sa.Column("parent_pk", sa.Integer(), nullable=True),
        sa.Column("dataset_pk", sa.Integer(), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["model_pk"], ["models.pk"], name="fk_revisions_model_pk_models"),
        sa.ForeignKeyConstraint(
            ["previous_pk"], ["revisions.pk"], name="fk_revisions_previous_pk_revisions"
        ),
        sa.ForeignKeyConstraint(
            ["parent_pk"], ["revisions.pk"], name="fk_revisions_parent_pk_revisions"
        ),
        sa.ForeignKeyConstraint(
            ["dataset_pk"], ["datasets.pk"], name="fk_revisions_dataset_pk_datasets"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_revisions_job_id_jobs"),
        sa.PrimaryKeyConstraint("pk", name="pk_revisions"),
        sa.UniqueConstraint("model_pk", "id", name="uq_revisions_model_pk_id"),
    )
    op.create_index("ix_revisions_id", "revisions", ["id"])
    op.create_index("ix_revisions_parent_pk", "revisions", ["parent_pk"])
    op.create_index("ix_revisions_dataset_pk", "revisions", ["dataset_pk"])
    op.create_table(
        "files",
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revisions.pk"], name="fk_files_revision_pk_revisions"
        ),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name="fk_files_digest_blobs"),
        sa.PrimaryKeyConstraint("revision_pk", "path", name="pk_files"),
    )
    op.create_index("ix_files_digest", "files", ["digest"])
    _create_refs()


def _create_refs():
    op.create_table(
        "refs",
        sa.Column("model_pk", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["model_pk"], ["models.pk"], name="fk_refs_model_pk_models"),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revisions.pk"], name="fk_refs_revision_pk_revisions"
        ),
        sa.PrimaryKeyConstraint("model_pk", "name", name="pk_refs"),
    )
    op.create_index("ix_refs_revision_pk", "refs", ["revision_pk"])
    op.create_table(
        "ref_moves",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("model_pk", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(128), nullable=False),
        sa.Column("old_pk", sa.Integer(), nullable=True),
        sa.Column("new_pk", sa.Integer(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["model_pk"], ["models.pk"], name="fk_ref_moves_model_pk_models"),
        sa.ForeignKeyConstraint(["old_pk"], ["revisions.pk"], name="fk_ref_moves_old_pk_revisions"),
        sa.ForeignKeyConstraint(["new_pk"], ["revisions.pk"], name="fk_ref_moves_new_pk_revisions"),
        sa.PrimaryKeyConstraint("pk", name="pk_ref_moves"),
    )
    op.create_index("ix_ref_moves_model_pk", "ref_moves", ["model_pk"])


def downgrade():
    for table in (
        "ref_moves",
        "refs",
        "files",
        "revisions",
        "models",
        "pictures",
        "datasets",
        "job_events",
        "attempts",
        "jobs",
        "blobs",
    ):
        op.drop_table(table)
