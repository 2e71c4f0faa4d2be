"""Kinds of refs and their protection; models that were deleted or renamed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("models", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("refs", sa.Column("kind", sa.String(32), nullable=False, server_default="branch"))
    op.add_column(
        "refs", sa.Column("is_protected", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "renames",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("model_pk", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model_pk"], ["models.pk"], name="fk_renames_model_pk_models"),
        sa.PrimaryKeyConstraint("name", name="pk_renames"),
    )


def downgrade():
    op.drop_table("renames")
    op.drop_column("refs", "is_protected")
    op.drop_column("refs", "kind")
    op.drop_column("models", "deleted_at")
