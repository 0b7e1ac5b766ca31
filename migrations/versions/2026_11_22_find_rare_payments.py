"""Find payments of a rare size or type, and add up many, without looking at all that is kept of them."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_sums", ["account_id", "amount", "currency", "counterparty_iban"], unique=False
        )
        batch_op.create_index("ix_payment_account_id_type_id", ["account_id", "type", "id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_account_id_type_id")
        batch_op.drop_index("ix_payment_sums")
