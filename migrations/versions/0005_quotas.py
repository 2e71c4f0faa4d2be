"""How much an owner may have."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "quotas",
        sa.Column("owner", sa.String(96), nullable=False),
        sa.Column("most_bytes", sa.BigInteger(), nullable=True),
        sa.Column("most_models", sa.Integer(), nullable=True),
        sa.Column("most_revisions", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("owner", name="pk_quotas"),
    )


def downgrade():
    op.drop_table("quotas")
