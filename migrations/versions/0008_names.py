"""Names by code points in PostgreSQL, whatever language the database sorts by."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("models", "datasets")


def is_postgresql():
    return op.get_context().dialect.name == "postgresql"


def upgrade():
    # SQLite sorts by code points already.
    if is_postgresql():
        for table in TABLES:
            op.create_index(f"ix_{table}_name_c", table, [sa.text('name COLLATE "C"')])


def downgrade():
    if is_postgresql():
        for table in TABLES:
            op.drop_index(f"ix_{table}_name_c", table_name=table)
