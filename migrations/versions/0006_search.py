"""What revisions are found by, and which models changed since an index of them was made."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BATCH = 1000
REVISIONS = sa.table(
    "revisions",
    sa.column("pk", sa.Integer),
    sa.column("summary", sa.JSON),
    sa.column("traits", sa.JSON),
    sa.column("dataset_pk", sa.Integer),
)
DATASETS = sa.table("datasets", sa.column("pk", sa.Integer), sa.column("name", sa.String))
GRAPHS = sa.table("files", sa.column("revision_pk", sa.Integer), sa.column("path", sa.String))


def upgrade():
    op.create_table(
        "model_changes",
        sa.Column("model_pk", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model_pk", name="pk_model_changes"),
        sa.UniqueConstraint("number", name="uq_model_changes_number"),
    )
    op.execute("INSERT INTO model_changes (model_pk, number) SELECT pk, pk FROM models")
    op.add_column("revisions", sa.Column("traits", sa.JSON(), nullable=False, server_default="{}"))
    connection = op.get_bind()
    wanted = (
        sa.select(
            REVISIONS.c.pk,
            REVISIONS.c.summary,
            DATASETS.c.name,
            sa.exists()
            .where(GRAPHS.c.revision_pk == REVISIONS.c.pk, GRAPHS.c.path == "model.onnx")
            .label("is_served"),
        )
        .select_from(REVISIONS.outerjoin(DATASETS, DATASETS.c.pk == REVISIONS.c.dataset_pk))
        .order_by(REVISIONS.c.pk)
        .limit(BATCH)
    )
    after = 0
    while rows := connection.execute(wanted.where(REVISIONS.c.pk > after)).all():
        after = rows[-1].pk
        connection.execute(
            sa.update(REVISIONS)
            .where(REVISIONS.c.pk == sa.bindparam("key"))
            .values(traits=sa.bindparam("told")),
            [{"key": row.pk, "told": _traits(row)} for row in rows],
        )


def downgrade():
    op.drop_column("revisions", "traits")
    op.drop_table("model_changes")


def _traits(row):
    """Tell what the summary tells; cards are read when the next revision is published."""
    summary = row.summary or {}
    told = {
        "architecture": summary.get("architecture"),
        "source": summary.get("source"),
        "runs": summary.get("runs") or ("classifier" if row.is_served else "stored"),
        "licence": summary.get("license"),
        "dataset": row.name,
        "strategy": summary.get("strategy"),
    }
    values = {key: [one[:200]] for key, one in told.items() if isinstance(one, str) and one}
    sizes = {
        key: summary[key]
        for key in ("classes", "parameters")
        if type(summary.get(key)) is int and 0 <= summary[key] < 2**63
    }
    return values | sizes
