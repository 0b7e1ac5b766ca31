"""What bunq said of a payment is packed with lz4, which takes PostgreSQL a third of the time, where the server has it."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _pack("lz4")


def downgrade() -> None:
    _pack("pglz")


def _pack(method: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    # Servers before version 14 do not know the words, others may have been built without lz4: they pack as before.
    op.execute(
        "DO $$ BEGIN "
        f"EXECUTE 'ALTER TABLE payment_raw ALTER COLUMN data SET COMPRESSION {method}'; "
        "EXCEPTION WHEN feature_not_supported OR syntax_error THEN NULL; "
        "END $$"
    )
