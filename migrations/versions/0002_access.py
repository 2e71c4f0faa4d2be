"""Accounts with roles and tokens, the audit log, private models, bytes that were sent."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ENUM = sa.String(32)
NAME = sa.String(96)


def upgrade():
    op.add_column(
        "models", sa.Column("is_private", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("jobs", sa.Column("account", NAME, nullable=False, server_default="local"))
    op.create_table(
        "accounts",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "grants",
        sa.Column("account_pk", sa.Integer(), nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("role", ENUM, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_pk"], ["accounts.pk"], name="fk_grants_account_pk_accounts"
        ),
        sa.PrimaryKeyConstraint("account_pk", "owner", name="pk_grants"),
    )
    op.create_table(
        "tokens",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("account_pk", sa.Integer(), nullable=False),
        sa.Column("label", NAME, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", ENUM, nullable=False),
        sa.Column("owner", NAME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["account_pk"], ["accounts.pk"], name="fk_tokens_account_pk_accounts"
        ),
        sa.PrimaryKeyConstraint("pk", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
    op.create_index("ix_tokens_account_pk", "tokens", ["account_pk"])
    op.create_table(
        "audit",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("account", NAME, nullable=False),
        sa.Column("token", NAME, nullable=True),
        sa.Column("address", sa.String(64), nullable=True),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_table(
        "uploads",
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("account", NAME, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("model", "digest", name="pk_uploads"),
    )
    op.create_index("ix_uploads_at", "uploads", ["at"])


def downgrade():
    for table in ("uploads", "audit", "tokens", "grants", "accounts"):
        op.drop_table(table)
    op.drop_column("jobs", "account")
    op.drop_column("models", "is_private")
