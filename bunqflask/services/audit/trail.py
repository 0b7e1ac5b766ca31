"""Recording what people do and see, in the transaction in which it happens.

The event is written last in the caller's unit of work, because the chain has one end, and a writer that appends to it
holds up the next one. After the commit the event goes to the logger `bunqflask.audit` too; a rolled-back event leaves
nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from bunqflask import clock
from bunqflask.database.transactions import after_commit, write_last
from bunqflask.extensions import db
from bunqflask.models import AuditKind, TeamMember
from bunqflask.services.audit import chain, log_lines, origin

_NAME, _BROWSER, _ADDRESS = 300, 300, 64


def record(
    kind: AuditKind,
    *,
    actor_id: int | None,
    subject: str = "",
    subject_member_id: int | None = None,
    login_id: int | None = None,
    connection_id: int | None = None,
    account_ids: Iterable[int] = (),
    **facts: Any,
) -> None:
    """Record an event in the open unit of work, with the address and browser of the request, or the shell's user.

    :param actor_id: the team member who acts; None where nobody is logged in.
    :param subject: the name of what it is about, as it is now; without one, that of the member it is about.
    :param login_id: the login that it makes, where that is not the one by which it is done.
    :param account_ids: our ids of the monetary accounts it is about; their holders can read the event.
    :param facts: as `AuditKind` names them, as JSON; never an amount, a text of bunq, a search or a secret.
    :raises RuntimeError: no unit of work is open.
    """
    source = origin.current()
    values = {
        "at": clock.now(),
        "kind": kind,
        "actor_id": actor_id,
        "actor_text": _clean(_acting(actor_id, source.actor), _NAME),
        "login_id": login_id or source.login_id,
        "address": _clean(source.address, _ADDRESS),
        "browser": _clean(source.browser, _BROWSER),
        "connection_id": connection_id,
        "subject_member_id": subject_member_id,
        "subject": _clean(subject or _named(subject_member_id).rpartition(" <")[0], _NAME),
        "facts": facts,
    }
    accounts = tuple(account_ids)
    is_shell = source.is_shell

    def append() -> None:
        stored = chain.append(values, accounts)
        after_commit(lambda: log_lines.write(stored, is_shell=is_shell))

    write_last(append)


def _acting(actor_id: int | None, shell_user: str) -> str:
    """Return who acts: a member, a user of this machine, or one on behalf of the other."""
    return " for ".join(each for each in (shell_user, _named(actor_id)) if each)


def _named(member_id: int | None) -> str:
    if member_id is None:
        return ""
    row = db.session.execute(select(TeamMember.name, TeamMember.email).where(TeamMember.id == member_id)).first()
    return f"{row.name} <{row.email}>" if row is not None else ""


def _clean(text: str, length: int) -> str:
    """Return a text that each database takes and that stays on one line."""
    printable = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:length])
    return printable.encode("utf-8", "replace").decode()
