"""Create all tables."""

import sqlalchemy as sa
from alembic import op

from bunqflask.database import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bunq_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("installation_id", sa.Integer(), nullable=True),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("path_user_id", sa.BigInteger(), nullable=True),
        sa.Column("holder_user_id", sa.BigInteger(), nullable=True),
        sa.Column("holder_type", sa.String(length=40), nullable=True),
        sa.Column("holder_name", sa.String(length=200), nullable=True),
        sa.Column("opened_at", types.UtcMoment(), nullable=True),
        sa.Column("expires_at", types.UtcMoment(), nullable=True),
        sa.Column("seal_id", sa.String(length=32), nullable=False),
        sa.Column("lease_holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", types.UtcMoment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bunq_session")),
        sa.UniqueConstraint("seal_id", name=op.f("uq_bunq_session_seal_id")),
    )
    op.create_table(
        "call_budget",
        sa.Column("endpoint", sa.String(length=200), nullable=False),
        sa.Column("spent", sa.JSON(), nullable=False),
        sa.Column("closed_until", types.UtcMoment(), nullable=True),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_call_budget")),
    )
    op.create_table(
        "login_throttle",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("window_ends_at", types.UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_throttle")),
    )
    op.create_table(
        "team_member",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", types.UtcMoment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_member")),
        sa.UniqueConstraint("email", name=op.f("uq_team_member_email")),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcMoment(), nullable=False),
        sa.Column("private_key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("bunq_installation_id", sa.BigInteger(), nullable=True),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("server_public_key", sa.Text(), nullable=True),
        sa.Column("api_key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("device_registered_at", types.UtcMoment(), nullable=True),
        sa.Column("oauth_client_id", sa.BigInteger(), nullable=True),
        sa.Column("client_id", sa.String(length=200), nullable=True),
        sa.Column("client_secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("psd2_certificate", sa.Text(), nullable=True),
        sa.Column("psd2_chain", sa.Text(), nullable=True),
        sa.Column("psd2_private_key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("psd2_registered_at", types.UtcMoment(), nullable=True),
        sa.Column("session_id", sa.Integer(), nullable=True),
        sa.Column("seal_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["bunq_session.id"],
            name=op.f("fk_installation_session_id_bunq_session"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        sa.UniqueConstraint("seal_id", name=op.f("uq_installation_seal_id")),
    )
    with op.batch_alter_table("installation", schema=None) as batch_op:
        batch_op.create_index(
            "uq_installation_current",
            ["environment"],
            unique=True,
            sqlite_where=sa.text("is_current"),
            postgresql_where=sa.text("is_current"),
        )

    op.create_table(
        "login",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("created_at", types.UtcMoment(), nullable=False),
        sa.Column("last_seen_at", types.UtcMoment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["team_member.id"], name=op.f("fk_login_member_id_team_member"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_login_token_hash")),
    )
    with op.batch_alter_table("login", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_member_id"), ["member_id"], unique=False)

    op.create_table(
        "connection",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("granted_user_id", sa.BigInteger(), nullable=False),
        sa.Column("granted_user_type", sa.String(length=40), nullable=False),
        sa.Column("display_name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("status_reason", sa.String(length=40), nullable=True),
        sa.Column("status_since", types.UtcMoment(), nullable=False),
        sa.Column("consented_at", types.UtcMoment(), nullable=False),
        sa.Column("access_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("session_id", sa.Integer(), nullable=True),
        sa.Column("installation_id", sa.Integer(), nullable=True),
        sa.Column("shared_by_id", sa.Integer(), nullable=True),
        sa.Column("shared_at", types.UtcMoment(), nullable=True),
        sa.Column("accounts_read_at", types.UtcMoment(), nullable=True),
        sa.Column("trouble", sa.String(length=40), nullable=True),
        sa.Column("trouble_facts", sa.JSON(), nullable=True),
        sa.Column("trouble_since", types.UtcMoment(), nullable=True),
        sa.Column("next_try_at", types.UtcMoment(), nullable=True),
        sa.Column("refused_at", types.UtcMoment(), nullable=True),
        sa.Column("seal_id", sa.String(length=32), nullable=False),
        sa.Column("lease_holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", types.UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["installation.id"],
            name=op.f("fk_connection_installation_id_installation"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["bunq_session.id"], name=op.f("fk_connection_session_id_bunq_session"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["shared_by_id"],
            ["team_member.id"],
            name=op.f("fk_connection_shared_by_id_team_member"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection")),
        sa.UniqueConstraint("environment", "granted_user_id", name=op.f("uq_connection_environment_granted_user_id")),
        sa.UniqueConstraint("seal_id", name=op.f("uq_connection_seal_id")),
    )
    op.create_table(
        "connection_member",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("since", types.UtcMoment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connection.id"],
            name=op.f("fk_connection_member_connection_id_connection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["team_member.id"],
            name=op.f("fk_connection_member_member_id_team_member"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "member_id", name=op.f("pk_connection_member")),
    )
    with op.batch_alter_table("connection_member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_connection_member_member_id"), ["member_id"], unique=False)

    op.create_table(
        "consent_attempt",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("renews_connection_id", sa.Integer(), nullable=True),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.Column("step_since", types.UtcMoment(), nullable=False),
        sa.Column("created_at", types.UtcMoment(), nullable=False),
        sa.Column("expires_at", types.UtcMoment(), nullable=False),
        sa.Column("link_hash", sa.String(length=64), nullable=False),
        sa.Column("link_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("link_browser_hash", sa.String(length=64), nullable=True),
        sa.Column("came_back_elsewhere", sa.Boolean(), nullable=False),
        sa.Column("approved_at", types.UtcMoment(), nullable=True),
        sa.Column("access_token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("session_id", sa.Integer(), nullable=True),
        sa.Column("installation_id", sa.Integer(), nullable=True),
        sa.Column("granted_user_id", sa.BigInteger(), nullable=True),
        sa.Column("granted_user_type", sa.String(length=40), nullable=True),
        sa.Column("granted_user_name", sa.String(length=200), nullable=True),
        sa.Column("accounts", sa.JSON(), nullable=True),
        sa.Column("next_try_at", types.UtcMoment(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(length=40), nullable=True),
        sa.Column("trouble_facts", sa.JSON(), nullable=True),
        sa.Column("connection_id", sa.Integer(), nullable=True),
        sa.Column("changes", sa.JSON(), nullable=True),
        sa.Column("seal_id", sa.String(length=32), nullable=False),
        sa.Column("lease_holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", types.UtcMoment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connection.id"],
            name=op.f("fk_consent_attempt_connection_id_connection"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["installation.id"],
            name=op.f("fk_consent_attempt_installation_id_installation"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["team_member.id"], name=op.f("fk_consent_attempt_member_id_team_member"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["renews_connection_id"],
            ["connection.id"],
            name=op.f("fk_consent_attempt_renews_connection_id_connection"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["bunq_session.id"],
            name=op.f("fk_consent_attempt_session_id_bunq_session"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_attempt")),
        sa.UniqueConstraint("link_hash", name=op.f("uq_consent_attempt_link_hash")),
        sa.UniqueConstraint("seal_id", name=op.f("uq_consent_attempt_seal_id")),
    )
    with op.batch_alter_table("consent_attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consent_attempt_member_id"), ["member_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_consent_attempt_step"), ["step"], unique=False)

    op.create_table(
        "monetary_account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("monetary_account_id", sa.BigInteger(), nullable=False),
        sa.Column("wrapper", sa.String(length=80), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("iban", sa.String(length=40), nullable=True),
        sa.Column("currency", sa.String(length=10), nullable=False),
        sa.Column("balance", types.ExactAmount(), nullable=True),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("sub_status", sa.String(length=60), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=True),
        sa.Column("savings_goal", types.ExactAmount(), nullable=True),
        sa.Column("updated_at", types.UtcMoment(), nullable=True),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("raw", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connection.id"],
            name=op.f("fk_monetary_account_connection_id_connection"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monetary_account")),
        sa.UniqueConstraint(
            "connection_id", "monetary_account_id", name=op.f("uq_monetary_account_connection_id_monetary_account_id")
        ),
    )
    op.create_table(
        "consent_state",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("data_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", types.UtcMoment(), nullable=False),
        sa.Column("seal_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["consent_attempt.id"],
            name=op.f("fk_consent_state_attempt_id_consent_attempt"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_consent_state")),
        sa.UniqueConstraint("seal_id", name=op.f("uq_consent_state_seal_id")),
    )


def downgrade() -> None:
    op.drop_table("consent_state")
    op.drop_table("monetary_account")
    with op.batch_alter_table("consent_attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_attempt_step"))
        batch_op.drop_index(batch_op.f("ix_consent_attempt_member_id"))

    op.drop_table("consent_attempt")
    with op.batch_alter_table("connection_member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_connection_member_member_id"))

    op.drop_table("connection_member")
    op.drop_table("connection")
    with op.batch_alter_table("login", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_member_id"))

    op.drop_table("login")
    with op.batch_alter_table("installation", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_installation_current", sqlite_where=sa.text("is_current"), postgresql_where=sa.text("is_current")
        )

    op.drop_table("installation")
    op.drop_table("team_member")
    op.drop_table("login_throttle")
    op.drop_table("call_budget")
    op.drop_table("bunq_session")
