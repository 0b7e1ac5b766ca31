"""Recent authentication: before what cannot be undone, a member proves once more who they are."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Login
from bunqflask.services.team import credentials, members, refusals, throttle
from bunqflask.services.team.logins import CurrentLogin

LIFETIME = timedelta(minutes=10)


def is_recent(login: CurrentLogin) -> bool:
    """Tell whether the member proved in the last ten minutes, in this login, who they are."""
    return not clock.is_over(login.confirmed_at, after=LIFETIME)


def confirm(login: CurrentLogin, password: str) -> None:
    """Record that the member gave their password just now.

    :raises LoginThrottled: too many tries in this login.
    :raises LoginRefused: it is not the password.
    """
    key = f"login:{login.id}"
    with refusals.of_password(login.member.email):
        member_id, password_hash = credentials.check_password(members.find(login.member.email), password, key)
    with transaction():
        credentials.lock_unchanged(member_id, password_hash)
        confirm_within(login)
        throttle.forget(key)


def confirm_within(login: CurrentLogin) -> None:
    """Record the same within the caller's transaction, which has checked it in another way."""
    db.session.execute(update(Login).where(Login.id == login.id).values(confirmed_at=clock.now()))
