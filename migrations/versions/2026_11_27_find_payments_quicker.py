"""Find words quicker, in a smaller index: neither where in a payment a word stands, nor how often, is ever asked.

And on PostgreSQL let the index of amounts tell which payments have them, as every index of SQLite's does.
"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SUMS = ["account_id", "amount", "currency", "counterparty_iban"]
_LONG = re.compile(r"(\w{100})(?=\w)")
_payment = sa.table("payment", sa.column("id", sa.BigInteger), sa.column("words", sa.Text))


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _cut_long_words()
        op.execute("ALTER TABLE payment DROP COLUMN payment_search")  # and its index
        # The words are apart already; PostgreSQL's own parser would tell numbers and underscores apart in its way.
        op.execute(
            "ALTER TABLE payment ADD COLUMN payment_search tsvector "
            "GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED"
        )
        op.execute("CREATE INDEX payment_search_words ON payment USING gin (payment_search)")
        op.drop_index("ix_payment_sums", "payment")
        op.create_index("ix_payment_sums", "payment", _SUMS, postgresql_include=["id"])
        return
    _drop_search()
    _cut_long_words()
    _create_search("prefix='2 3 4', detail=none, columnsize=0, tokenize=\"ascii tokenchars '_'\"")
    op.execute("CREATE VIRTUAL TABLE payment_search_terms USING fts5vocab(payment_search, instance)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_payment_sums", "payment")
        op.create_index("ix_payment_sums", "payment", _SUMS)
        op.execute("ALTER TABLE payment DROP COLUMN payment_search")
        op.execute(
            "ALTER TABLE payment ADD COLUMN payment_search tsvector "
            "GENERATED ALWAYS AS (to_tsvector('simple', words)) STORED"
        )
        op.execute("CREATE INDEX payment_search_words ON payment USING gin (payment_search)")
        return
    op.execute("DROP TABLE payment_search_terms")
    _drop_search()
    _create_search("prefix='2 3', tokenize='unicode61'")


def _drop_search() -> None:
    for name in ("add", "drop", "change"):
        op.execute(f"DROP TRIGGER payment_search_{name}")
    op.execute("DROP TABLE payment_search")


def _create_search(options: str) -> None:
    op.execute(
        f"CREATE VIRTUAL TABLE payment_search USING fts5(words, content='payment', content_rowid='id', {options})"
    )
    op.execute("INSERT INTO payment_search(payment_search) VALUES ('rebuild')")
    add = "INSERT INTO payment_search(rowid, words) VALUES (new.id, new.words);"
    drop = "INSERT INTO payment_search(payment_search, rowid, words) VALUES ('delete', old.id, old.words);"
    op.execute(f"CREATE TRIGGER payment_search_add AFTER INSERT ON payment BEGIN {add} END")
    op.execute(f"CREATE TRIGGER payment_search_drop AFTER DELETE ON payment BEGIN {drop} END")
    op.execute(f"CREATE TRIGGER payment_search_change AFTER UPDATE OF words ON payment BEGIN {drop} {add} END")


def _cut_long_words() -> None:
    """Cut words that are longer than an index takes, as those of new payments are."""
    connection = op.get_bind()
    long = sa.select(_payment).where(sa.func.length(_payment.c.words) > 100)
    for row in connection.execute(long).fetchall():
        words = _LONG.sub(r"\1 ", row.words)
        if words != row.words:
            connection.execute(_payment.update().where(_payment.c.id == row.id).values(words=words))
