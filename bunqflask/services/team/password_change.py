"""A member's own change of their password."""

from __future__ import annotations

from bunqflask.database.transactions import transaction
from bunqflask.i18n import gettext as _
from bunqflask.models import AuditKind, NoticeKind
from bunqflask.services.audit import trail
from bunqflask.services.notices import inbox
from bunqflask.services.team import credentials, members, passwords, refusals, throttle
from bunqflask.services.team.logins import CurrentLogin
from bunqflask.services.team.passwords import PasswordRefused
from bunqflask.services.team.visitor import Visitor


def change_password(login: CurrentLogin, current: str, new: str, visitor: Visitor) -> None:
    """Check the current password, store a new one and end the member's other logins.

    A borrowed browser gets no more tries than a stranger.

    :raises LoginThrottled: too many tries in this login.
    :raises LoginRefused: it is not the password, or was reset while it was compared.
    :raises PasswordRefused: the new one is the current one, too short, too long or easy to guess.
    """
    key, member = f"login:{login.id}", login.member
    with refusals.of_password(member.email):
        member_id, password_hash = credentials.check_password(members.find(member.email), current, key)
    if passwords.matches(password_hash, new):
        raise PasswordRefused(_("That is your current password. Choose another one."))
    new_hash = passwords.hash_new(new, email=member.email, name=member.name)
    with transaction():
        credentials.lock_unchanged(member_id, password_hash)
        members.store_password(member_id, new_hash, keep_login=login.id)
        inbox.add_within(member_id, NoticeKind.PASSWORD_CHANGED, browser_id=login.browser_id, **visitor.facts())
        trail.record(AuditKind.PASSWORD_CHANGED, actor_id=member_id)
        throttle.forget(key)
