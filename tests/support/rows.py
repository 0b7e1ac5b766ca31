"""Looking behind the pages: what the app has stored, and moving its times instead of waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import func, update

from bunqflask import clock, create_app, worker
from bunqflask.config import Config
from bunqflask.database import transactions
from bunqflask.extensions import db
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    BunqSession,
    Connection,
    Consent,
    ConsentAccount,
    ConsentAttempt,
    ConsentState,
    Installation,
    Login,
    LoginThrottle,
    MonetaryAccount,
    Payment,
    RateLimitWindow,
    TeamMember,
)
from bunqflask.services.team import resets
from tests.support.apps import ThreadSite, bare_environ, let_go, reserve_port, served
from tests.support.bank import Bank


@contextmanager
def behind(app: Flask) -> Iterator[None]:
    """Work with the app's database, outside any request."""
    with app.app_context():
        yield
        db.session.remove()


@contextmanager
def read_only() -> Iterator[None]:
    """Let the rule for requests and workers hold in the test's own thread, which may otherwise write anywhere."""
    before = transactions._may_write.set(False)
    try:
        yield
    finally:
        transactions._may_write.reset(before)


def run_duties(app: Flask) -> None:
    """Let the worker do all its duties once, but for the examination of the server, whose calls few tests are about."""
    with behind(app), read_only():
        worker.run_duties_once(duty for duty in worker.DUTIES if duty.name != "examine this server")


def count(app: Flask, model: type[Any], **columns: Any) -> int:
    """Return how many rows there are, of those with these values."""
    with behind(app):
        return int(db.session.scalar(db.select(func.count()).select_from(model).filter_by(**columns)) or 0)


def attempts(app: Flask) -> list[ConsentAttempt]:
    """Return all attempts, the oldest first."""
    with behind(app):
        found = list(db.session.scalars(db.select(ConsentAttempt).order_by(ConsentAttempt.created_at)))
        db.session.expunge_all()
    return found


def connection(app: Flask) -> Connection:
    """Return the only connection."""
    with behind(app):
        found: Connection = db.session.scalars(db.select(Connection)).unique().one()
        db.session.expunge_all()
    return found


def consents(app: Flask) -> list[Consent]:
    """Return all consents, the newest first."""
    with behind(app):
        found = list(db.session.scalars(db.select(Consent).order_by(Consent.granted_at.desc(), Consent.id.desc())))
        db.session.expunge_all()
    return found


def consent(app: Flask) -> Consent:
    """Return the newest consent."""
    return consents(app)[0]


def hold(connection_id: int, member_id: int) -> None:
    """Let a member hold all accounts of a connection by a consent without a permission; inside `behind`."""
    now = clock.now()
    consent = Consent(connection_id=connection_id, member_id=member_id, granted_at=now, state_since=now)
    db.session.add(consent)
    db.session.flush()
    for account_id in db.session.scalars(db.select(MonetaryAccount.id).filter_by(connection_id=connection_id)).all():
        db.session.add(ConsentAccount(consent_id=consent.id, account_id=account_id))
        db.session.add(AccountHolder(account_id=account_id, member_id=member_id, since=now))
    db.session.flush()


def share_all(by_member_id: int) -> None:
    """Share all accounts that a member holds with the whole team; inside `behind`."""
    for account_id in db.session.scalars(db.select(AccountHolder.account_id).filter_by(member_id=by_member_id)).all():
        share = AccountShare(account_id=account_id, granted_by_id=by_member_id, since=clock.now())
        db.session.add(share)
    db.session.commit()


def reader() -> int:
    """Return the id of the newest consent; inside `behind`."""
    return int(db.session.scalars(db.select(Consent.id).order_by(Consent.id.desc()).limit(1)).one())


def owner(connection_id: int = 1) -> TeamMember:
    """Return the member who consented first for a connection; inside `behind`."""
    query = db.select(TeamMember).join(Consent, Consent.member_id == TeamMember.id)
    found: TeamMember = db.session.scalars(query.filter(Consent.connection_id == connection_id).limit(1)).one()
    return found


def permissions(app: Flask) -> int:
    """Return in how many places an access token, or a session opened with one, is stored."""
    with behind(app):
        sealed = [Consent.access_token_sealed, ConsentAttempt.access_token_sealed]
        tokens = sum(len(db.session.scalars(db.select(each).where(each.is_not(None))).all()) for each in sealed)
        ours = db.select(Installation.session_id).where(Installation.session_id.is_not(None))
        sessions = db.session.scalars(db.select(BunqSession.id).where(BunqSession.id.not_in(ours))).all()
    return tokens + len(sessions)


def age_attempts(app: Flask, by: timedelta) -> None:
    """Let time pass for every attempt and every state."""
    moments = ("created_at", "expires_at", "step_since", "next_try_at", "approved_at")
    with behind(app):
        for attempt in db.session.scalars(db.select(ConsentAttempt)):
            for name in moments:
                if moment := getattr(attempt, name):
                    setattr(attempt, name, moment - by)
        db.session.commit()
    age_states(app, by)


def age_states(app: Flask, by: timedelta) -> None:
    """Let time pass for every state alone."""
    with behind(app):
        for state in db.session.scalars(db.select(ConsentState)):
            state.expires_at -= by
        db.session.commit()


def age_refusals(app: Flask, by: timedelta) -> None:
    """Let time pass since bunq refused a permission, and let the next try be now."""
    with behind(app):
        for model in (ConsentAttempt, Consent):
            for row in db.session.scalars(db.select(model).where(model.refused_since.is_not(None))):
                row.refused_at, row.refused_since = row.refused_at - by, row.refused_since - by
        db.session.commit()
    due_now(app)


def due_now(app: Flask) -> None:
    """Let the next try of every attempt and consent be now."""
    with behind(app):
        for model in (ConsentAttempt, Consent):
            db.session.execute(update(model).values(next_try_at=clock.now() - timedelta(seconds=1)))
        db.session.commit()


def end_leases(app: Flask) -> None:
    """Let enough time pass for every lease of a worker that is gone."""
    with behind(app):
        for model in (ConsentAttempt, Connection, BunqSession):
            db.session.execute(update(model).values(lease_until=clock.now() - timedelta(seconds=1)))
        db.session.commit()


def wait_for_bunqs_turn(app: Flask, bank: Bank, *, seconds: int) -> None:
    """Let time pass at the bank and for the calls spent there, and let the next tries be now."""
    bank.advance(seconds)
    with behind(app):
        db.session.execute(db.delete(RateLimitWindow))
        db.session.commit()
    due_now(app)


def age_accounts(app: Flask, by: timedelta) -> None:
    """Let the accounts of every connection have been read longer ago."""
    with behind(app):
        for each in db.session.scalars(db.select(Connection)).unique():
            if each.accounts_synced_at:
                each.accounts_synced_at -= by
        db.session.commit()


def age_logins(app: Flask, *, unused_for: timedelta = timedelta(0), made_ago: timedelta = timedelta(0)) -> None:
    """Let time pass for every login."""
    with behind(app):
        for each in db.session.scalars(db.select(Login)):
            each.last_seen_at -= unused_for
            each.created_at -= made_ago
        db.session.commit()


def logins() -> list[Login]:
    """Return all logins; inside `behind`."""
    return list(db.session.scalars(db.select(Login)))


def payment_ids() -> list[int]:
    """Return the ids of all payment rows; inside `behind`."""
    return list(db.session.scalars(db.select(Payment.id).order_by(Payment.id)))


def age_throttles(app: Flask, by: timedelta) -> None:
    """Let time pass for the counted tries to log in."""
    with behind(app):
        for each in db.session.scalars(db.select(LoginThrottle)):
            each.window_ends_at -= by
        db.session.commit()


def throttled() -> list[str]:
    """Return the keys under which tries to log in are counted; inside `behind`."""
    return list(db.session.scalars(db.select(LoginThrottle.key)))


def reset_password(email: str, password: str) -> None:
    """Let a team member choose a password by the link of `flask team reset`; inside `behind`."""
    resets.use(resets.make(email).url.rpartition("/")[2], password)


def forget_throttle(key: str) -> None:
    """Forget the counted tries of an account or an address; inside `behind`."""
    db.session.execute(db.delete(LoginThrottle).where(LoginThrottle.key == key))
    db.session.commit()


def inner_address(site: ThreadSite) -> str:
    """Return where a served site really listens, whatever its public address says."""
    return site.environ["LISTENS_AT"]


@contextmanager
def bare_site(database_url: str, **settings: str) -> Iterator[ThreadSite]:
    """Serve the app on a thread, without a bank."""
    with reserve_port() as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        named = {"BUNQ_ENVIRONMENT": "production"} if settings.get("PUBLIC_URL", "").startswith("https") else {}
        environ = {**bare_environ(database_url), **named, "PUBLIC_URL": url, "LISTENS_AT": url, **settings}
        app = create_app(Config.from_env(environ))
        with served(app, listener, environ) as site:
            yield site
        let_go(app)


def monetary_accounts() -> list[MonetaryAccount]:
    """Return all monetary accounts in bunq's order; inside `behind`."""
    return list(db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.monetary_account_id)))


def first_account(app: Flask) -> int:
    """Return bunq's id of the first monetary account."""
    with behind(app):
        return monetary_accounts()[0].monetary_account_id


def is_leased(app: Flask) -> bool:
    """Tell whether some worker reads the accounts of a connection."""
    with behind(app):
        return db.session.scalar(db.select(Connection.id).where(Connection.lease_until.is_not(None))) is not None


def end_sessions(app: Flask) -> None:
    """Forget the tokens of all sessions at bunq."""
    with behind(app):
        db.session.execute(update(BunqSession).values(token_sealed=None))
        db.session.commit()
