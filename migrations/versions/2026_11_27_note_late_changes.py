"""Note payments that changed, or came, after later ones had been read."""

import sqlalchemy as sa
from alembic import op

import bunqflask.database.types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("payment_row_id", sa.BigInteger(), nullable=False),
        sa.Column("noticed_at", bunqflask.database.types.UtcMoment(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("amount_before", bunqflask.database.types.ExactAmount(), nullable=True),
        sa.Column("balance_before", bunqflask.database.types.ExactAmount(), nullable=True),
        sa.Column("created_before", bunqflask.database.types.UtcMoment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["monetary_account.id"],
            name=op.f("fk_payment_change_account_id_monetary_account"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["payment_row_id"],
            ["payment.id"],
            name=op.f("fk_payment_change_payment_row_id_payment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_change")),
    )
    op.create_index(op.f("ix_payment_change_account_id"), "payment_change", ["account_id"])
    op.create_index(op.f("ix_payment_change_payment_row_id"), "payment_change", ["payment_row_id"])


def downgrade() -> None:
    op.drop_table("payment_change")
