"""Removing a team member, without leaving accounts behind that nobody holds."""

from __future__ import annotations

from sqlalchemy import delete, select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Connection, ConsentAttempt, MonetaryAccount, TeamMember
from bunqflask.services.connections import rights
from bunqflask.services.consent import attempts
from bunqflask.services.consent.disconnect import end_all_of, remove_callbacks_of
from bunqflask.services.team import members
from bunqflask.services.team.members import Member, TeamRefused


def remove(email: str, *, hand_over_to: str | None = None, disconnect: bool = False) -> list[str]:
    """Remove a person's login; return the names of accounts that were handed over or erased.

    Their own consents end. What others hold as well stays for them.

    :param hand_over_to: the email of the team member who gets the accounts this person alone holds, with the
        permissions that cover them.
    :param disconnect: erase those accounts instead.
    :raises TeamRefused: nobody has this email, it is the last login, or nothing was said about such accounts.
    """
    member = members.require(email)
    heir = members.require(hand_over_to) if hand_over_to is not None else None
    if len(members.list_all()) == 1:
        raise TeamRefused("The last team member cannot be removed: nobody could log in any more.")
    if heir is not None and heir.id == member.id:
        raise TeamRefused("Accounts cannot be handed over to the person who leaves.")
    if disconnect:
        remove_callbacks_of(member.id)
    with transaction():
        _lock_team()
        alone = rights.held_alone(member.id)
        names = _names(alone)
        if alone and heir is None and not disconnect:
            raise TeamRefused(
                f"{member.email} alone holds: {', '.join(names)}. "
                "Say --hand-over-to EMAIL, or --disconnect to erase them."
            )
        if heir is not None:
            rights.hand_over(member.id, heir.id, alone)
        end_all_of(member.id)
        _delete(member)
    return names


def _lock_team() -> None:
    """Lock all members for this transaction: until its end no consent of theirs makes a connection.

    :raises TeamRefused: only one is left, because another command removed the others.
    """
    if len(db.session.scalars(select(TeamMember.id).order_by(TeamMember.id).with_for_update()).all()) == 1:
        raise TeamRefused("The last team member cannot be removed: nobody could log in any more.")


def _delete(member: Member) -> None:
    for attempt in list(db.session.scalars(select(ConsentAttempt).filter_by(member_id=member.id))):
        attempts.erase(attempt)
    db.session.flush()
    db.session.execute(delete(TeamMember).where(TeamMember.id == member.id))


def _names(account_ids: set[int]) -> list[str]:
    """Return the names of accounts, each with that of the bunq user to whom it belongs."""
    query = select(Connection.display_name, MonetaryAccount.description).join(
        MonetaryAccount, MonetaryAccount.connection_id == Connection.id
    )
    found = db.session.execute(query.where(MonetaryAccount.id.in_(account_ids)).order_by(MonetaryAccount.id))
    return [f"{row.description} of {row.display_name}" for row in found]
