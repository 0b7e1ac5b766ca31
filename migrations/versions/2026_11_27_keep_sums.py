"""Keep what payments add up to, by month and by day; the next readings fill it."""

import sqlalchemy as sa
from alembic import op

from bunqflask.database import types

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "summed_span",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=5), nullable=False),
        sa.Column("since", types.UtcMoment(), nullable=False),
        sa.Column("before", types.UtcMoment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["monetary_account.id"],
            name=op.f("fk_summed_span_account_id_monetary_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summed_span")),
        sa.UniqueConstraint("account_id", "unit", "since", name=op.f("uq_summed_span_account_id_unit_since")),
    )
    op.create_table(
        "span_sum",
        sa.Column("span_id", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=10), nullable=False),
        sa.Column("direction", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("own_iban", sa.String(length=40), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("amount", types.ExactAmount(), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["span_id"], ["summed_span.id"], name=op.f("fk_span_sum_span_id_summed_span"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("span_id", "currency", "direction", "type", "own_iban", name=op.f("pk_span_sum")),
        sqlite_with_rowid=False,
    )
    op.add_column("monetary_account", sa.Column("told_apart", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("monetary_account", "told_apart")
    op.drop_table("span_sum")
    op.drop_table("summed_span")
