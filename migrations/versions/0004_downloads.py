"""How often files of revisions were downloaded, by day."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "downloads",
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model_pk", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revisions.pk"], name="fk_downloads_revision_pk_revisions"
        ),
        sa.ForeignKeyConstraint(["model_pk"], ["models.pk"], name="fk_downloads_model_pk_models"),
        sa.PrimaryKeyConstraint("revision_pk", "path", "day", name="pk_downloads"),
    )
    op.create_index("ix_downloads_model_pk", "downloads", ["model_pk"])


def downgrade():
    op.drop_index("ix_downloads_model_pk", "downloads")
    op.drop_table("downloads")
