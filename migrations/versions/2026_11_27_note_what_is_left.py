"""Sessions and installations that nothing uses any more are noted, so that a crash before they are closed forgets none."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TABLES = ("bunq_session", "installation")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("left_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "left_at")
