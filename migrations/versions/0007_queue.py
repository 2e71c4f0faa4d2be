"""A fair queue: turns, dependencies, what jobs need, and leases by one clock."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAME = sa.String(96)
TIME = sa.DateTime(timezone=True)


def _of_jobs():
    return (
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("not_before", sa.Double(), nullable=True),
        sa.Column("clock", sa.String(64), nullable=True),
        sa.Column("passed", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("threads", sa.Integer(), nullable=True),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("gpus", sa.Integer(), nullable=True),
        sa.Column("is_pausing", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("rerun_of", sa.Integer(), nullable=True),
    )


def _of_attempts():
    return (
        sa.Column("share", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("log_digest", sa.String(64), nullable=True),
    )


def upgrade():
    # A job that runs meanwhile keeps its attempt; its lease is by no clock and so has run out.
    op.drop_column("jobs", "lease_until")
    for column in _of_jobs():
        op.add_column("jobs", column)
    op.create_index("ix_jobs_rerun_of", "jobs", ["rerun_of"])
    for column in _of_attempts():
        op.add_column("attempts", column)
    op.create_table(
        "job_dependencies",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("after_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_dependencies_job_id_jobs"),
        sa.ForeignKeyConstraint(
            ["after_id"], ["jobs.id"], name="fk_job_dependencies_after_id_jobs"
        ),
        sa.PrimaryKeyConstraint("job_id", "after_id", name="pk_job_dependencies"),
    )
    op.create_index("ix_job_dependencies_after_id", "job_dependencies", ["after_id"])
    op.create_table(
        "turns",
        sa.Column("account", NAME, nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_turns"),
    )


def downgrade():
    # What is put aside or waits has no state of that name there; it is asked for again.
    op.execute(
        "UPDATE jobs SET state = 'cancelled', finished_at = created_at"
        " WHERE state IN ('waiting', 'paused')"
    )
    op.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
    op.drop_table("turns")
    op.drop_table("job_dependencies")
    for column in _of_attempts():
        op.drop_column("attempts", column.name)
    op.drop_index("ix_jobs_rerun_of", table_name="jobs")
    for column in _of_jobs():
        op.drop_column("jobs", column.name)
    op.add_column("jobs", sa.Column("lease_until", TIME, nullable=True))
