"""Add payments and their search."""

import sqlalchemy as sa
from alembic import op

from bunqflask.database import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_sync",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stretches", sa.JSON(), nullable=False),
        sa.Column("read_at", types.UtcMoment(), nullable=True),
        sa.Column("trouble", sa.String(length=40), nullable=True),
        sa.Column("trouble_facts", sa.JSON(), nullable=True),
        sa.Column("next_try_at", types.UtcMoment(), nullable=True),
        sa.Column("verified_id", sa.BigInteger(), nullable=True),
        sa.Column("breaks", sa.JSON(), nullable=False),
        sa.Column("lease_holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", types.UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["id"], ["monetary_account.id"], name=op.f("fk_account_sync_id_monetary_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_sync")),
    )
    op.create_table(
        "payment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UtcMoment(), nullable=False),
        sa.Column("updated_at", types.UtcMoment(), nullable=False),
        sa.Column("amount", types.ExactAmount(), nullable=False),
        sa.Column("currency", sa.String(length=10), nullable=False),
        sa.Column("balance_after", types.ExactAmount(), nullable=True),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("sub_type", sa.String(length=40), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("counterparty_name", sa.String(length=500), nullable=False),
        sa.Column("counterparty_iban", sa.String(length=40), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["monetary_account.id"],
            name=op.f("fk_payment_account_id_monetary_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
    )
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.create_index("ix_payment_account_id_created_at", ["account_id", "created_at"], unique=False)
        batch_op.create_index("ix_payment_account_id_id", ["account_id", "id"], unique=False)

    op.create_table(
        "payment_raw",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["payment.id"], name=op.f("fk_payment_raw_id_payment"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_raw")),
    )
    _add_search()


def _add_search() -> None:
    """Let the database find words: FTS5 on SQLite, a tsvector on PostgreSQL, both over the column `words`."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE payment ADD COLUMN payment_search tsvector "
            "GENERATED ALWAYS AS (to_tsvector('simple', words)) STORED"
        )
        op.execute("CREATE INDEX payment_search_words ON payment USING gin (payment_search)")
        return
    op.execute(
        "CREATE VIRTUAL TABLE payment_search USING fts5("
        "words, content='payment', content_rowid='id', prefix='2 3', tokenize='unicode61')"
    )
    add = "INSERT INTO payment_search(rowid, words) VALUES (new.id, new.words);"
    drop = "INSERT INTO payment_search(payment_search, rowid, words) VALUES ('delete', old.id, old.words);"
    op.execute(f"CREATE TRIGGER payment_search_add AFTER INSERT ON payment BEGIN {add} END")
    op.execute(f"CREATE TRIGGER payment_search_drop AFTER DELETE ON payment BEGIN {drop} END")
    op.execute(f"CREATE TRIGGER payment_search_change AFTER UPDATE OF words ON payment BEGIN {drop} {add} END")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE payment_search")
    op.drop_table("payment_raw")
    with op.batch_alter_table("payment", schema=None) as batch_op:
        batch_op.drop_index("ix_payment_account_id_id")
        batch_op.drop_index("ix_payment_account_id_created_at")

    op.drop_table("payment")
    op.drop_table("account_sync")
