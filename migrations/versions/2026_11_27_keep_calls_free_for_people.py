"""Let work that nobody waits for leave the next call to bunq to a person who waits."""

import sqlalchemy as sa
from alembic import op

import bunqflask.database.types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("call_budget", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kept_free_until", bunqflask.database.types.UtcMoment(timezone=True), nullable=True)
        )


def downgrade() -> None:
    with op.batch_alter_table("call_budget", schema=None) as batch_op:
        batch_op.drop_column("kept_free_until")
