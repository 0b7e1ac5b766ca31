"""Add callbacks."""

import sqlalchemy as sa
from alembic import op

from bunqflask.database import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("account_sync", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wanted_at", types.UtcMoment(), nullable=True))

    with op.batch_alter_table("connection", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hook_hash", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("hook_token_sealed", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("hooks_set_at", types.UtcMoment(), nullable=True))
        batch_op.create_unique_constraint(batch_op.f("uq_connection_hook_hash"), ["hook_hash"])


def downgrade() -> None:
    with op.batch_alter_table("connection", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_connection_hook_hash"), type_="unique")
        batch_op.drop_column("hooks_set_at")
        batch_op.drop_column("hook_token_sealed")
        batch_op.drop_column("hook_hash")

    with op.batch_alter_table("account_sync", schema=None) as batch_op:
        batch_op.drop_column("wanted_at")
