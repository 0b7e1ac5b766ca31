"""Add notes."""

import sqlalchemy as sa
from alembic import op

from bunqflask.database import types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_PaymentRowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "note_reading",
        sa.Column("id", _PaymentRowId, autoincrement=False, nullable=False),
        sa.Column("read_at", types.UtcMoment(), nullable=True),
        sa.Column("trouble", sa.String(length=40), nullable=True),
        sa.Column("trouble_facts", sa.JSON(), nullable=True),
        sa.Column("next_try_at", types.UtcMoment(), nullable=True),
        sa.Column("lease_holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", types.UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["payment.id"], name=op.f("fk_note_reading_id_payment"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_note_reading")),
    )
    op.create_table(
        "note",
        sa.Column("payment_row_id", _PaymentRowId, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("note_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", types.UtcMoment(), nullable=True),
        sa.Column("updated_at", types.UtcMoment(), nullable=True),
        sa.Column("author", sa.String(length=500), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("attachment_ids", sa.JSON(), nullable=False),
        sa.Column("raw", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_row_id"],
            ["note_reading.id"],
            name=op.f("fk_note_payment_row_id_note_reading"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("payment_row_id", "kind", "note_id", name=op.f("pk_note")),
    )


def downgrade() -> None:
    op.drop_table("note")
    op.drop_table("note_reading")
