"""What was stored since the last proof is noted, so that only that has to be proved."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account_sync", sa.Column("unproved_from", sa.BigInteger))
    op.add_column("account_sync", sa.Column("proved_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("account_sync", "proved_at")
    op.drop_column("account_sync", "unproved_from")
