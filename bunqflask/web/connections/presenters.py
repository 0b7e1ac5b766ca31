"""From rows to what the pages show of them: cards, account lines, attempts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from flask import current_app, url_for

from bunqflask.database import leases
from bunqflask.i18n import gettext as _
from bunqflask.models import Connection, ConsentAttempt, MonetaryAccount
from bunqflask.services.connections import access, accounts
from bunqflask.services.consent import attempts, completion
from bunqflask.services.team.members import Member
from bunqflask.web.connections.view_models import (
    AccountRow,
    AttemptView,
    Changes,
    ConnectionCard,
    PendingAttempt,
    Sharing,
    Step,
    color,
    goal,
    icon,
    pill,
    place,
    qr_svg,
    stays_here,
    totals,
    type_label,
)
from bunqflask.web.errors import handlers
from bunqflask.web.ui import formatting

_SOON_MS = 100
Kind = Literal["person", "company", "unknown"]


def card(connection: Connection, member: Member, *, focus: bool = False, notice: str | None = None) -> ConnectionCard:
    """Show a connection as this member may see it."""
    rows: dict[str, list[AccountRow]] = {"open": [], "apart": [], "closed": []}
    for account in access.accounts_of(connection):
        shown = account_row(account, connection.display_name)
        rows[place(account.status, shared=account.is_shared)].append(shown)
    reading = leases.is_taken(connection)
    wants_reading = accounts.is_stale(connection)
    due = accounts.is_due(connection)
    may_act = access.belongs_to(connection, member)
    return ConnectionCard(
        id=connection.id,
        name=connection.display_name,
        kind=kind(connection.granted_user_type),
        state=cast(Literal["active", "lost", "disconnected"], connection.status),
        sharing=_sharing(connection, may_act=may_act),
        may_act=may_act,
        seen_by=[each.member.name for each in connection.members],
        sums=totals(rows["open"]),
        open=rows["open"],
        apart=rows["apart"],
        closed=rows["closed"],
        updated_at=connection.accounts_read_at,
        updating=wants_reading and (reading or due or connection.trouble == "waiting"),
        next_try_at=None if due else connection.next_try_at,
        trouble=handlers.connection_trouble(connection),
        polling=wants_reading,
        # The first look comes right after the page; then often while it is read, and else at ease.
        polling_trigger=_trigger(due=due, reading=reading, waiting=connection.trouble in ("waiting", "checking")),
        focus=focus,
        notice=notice,
    )


def account_row(account: MonetaryAccount, holder: str) -> AccountRow:
    """Show one monetary account; `holder` is whose connection it is, and so no co-owner worth naming."""
    owners = _co_owners(account.raw, holder)
    waiting_for = [name for name, status in owners if status == "PENDING"]
    closed = account.status == "CANCELLED" and account.updated_at is not None
    return AccountRow(
        monetary_account_id=account.monetary_account_id,
        name=account.description,
        type_label=type_label(account.wrapper, account.currency, [name for name, _status in owners]),
        icon=icon(account.wrapper),
        iban=account.iban,
        amount=account.balance,
        currency=account.currency,
        color=color(account.color),
        pill=pill(
            account.status,
            account.sub_status,
            amount=account.balance,
            shared=account.is_shared,
            waiting_for=waiting_for,
        ),
        goal=goal(account.balance, account.savings_goal),
        closed_on=account.updated_at.date() if closed and account.updated_at else None,
    )


def attempt_view(attempt: ConsentAttempt, member: Member) -> AttemptView:
    """Show an attempt to the member who started it."""
    # While the code is exchanged the person still sees a page that waits.
    step = "connecting" if attempt.step == "exchanging" else attempt.step
    connection = attempt.connection
    if step == "connected" and connection is None:
        step = "discarded"  # erased since
    link = url_for("consent.link", token=attempt.link_token, _external=True) if step == "waiting" else ""
    shown = connection if step == "connected" else None
    known = _known(attempt, member)
    return AttemptView(
        id=attempt.id,
        seen=seen(attempt),
        step=cast(Step, step),
        link=link,
        link_stays_here=bool(link) and stays_here(link),
        qr_svg=qr_svg(link) if link else None,
        expires_at=attempt.expires_at,
        approved_at=attempt.approved_at,
        next_try_at=None if completion.is_due(attempt) else attempt.next_try_at,
        give_up_at=attempts.deadline(attempt),
        person=attempt.granted_user_name,
        person_kind=kind(attempt.granted_user_type or ""),
        connected_since=known.consented_at if known else None,
        changes=_changes(attempt, known),
        other_person=step == "confirm" and completion.is_other_person(attempt),
        renews_name=attempt.renews_connection.display_name if attempt.renews_connection else None,
        card=card(shown, member, focus=True) if shown else None,
        problem=handlers.attempt_problem(attempt),
        polling=is_polled(attempt),
    )


def pending(attempt: ConsentAttempt) -> PendingAttempt:
    """Show on the first page that a consent waits for bunq or for an answer."""
    if attempt.step == "confirm":
        text = _("%(name)s approved on another device. Is this the right person?") % {
            "name": formatting.name(attempt.granted_user_name)
        }
    else:
        text = _("A permission was given; the accounts are still to be fetched.")
    return PendingAttempt(url=url_for("consent.show", attempt_id=attempt.id), text=text)


def is_polled(attempt: Any) -> bool:
    """Tell whether the page of an attempt asks again by itself whether anything has changed."""
    return attempt.step in ("waiting", "exchanging", "connecting")


def seen(attempt: Any) -> str:
    """Name what the page shows of an attempt, so that a poll can tell whether anything has changed."""
    next_try = attempt.next_try_at.isoformat() if attempt.next_try_at else ""
    return f"{attempt.step}|{next_try}|{attempt.trouble or ''}"


def kind(user_type: str) -> Kind:
    """Tell a person from a company by the name that bunq wraps a user in."""
    kinds: dict[str, Kind] = {"UserPerson": "person", "UserCompany": "company"}
    return kinds.get(user_type, "unknown")


def _known(attempt: ConsentAttempt, member: Member) -> Connection | None:
    """The connection that an attempt waiting for an answer would renew, if the member sees it already."""
    if attempt.step != "confirm" or attempt.granted_user_id is None:
        return None
    visible = access.list_for(member)
    same = [each for each in visible if each.granted_user_id == attempt.granted_user_id]
    return next((each for each in same if each.environment == current_app.config["BUNQ_ENVIRONMENT"]), None)


def _changes(attempt: ConsentAttempt, known: Connection | None) -> Changes | None:
    if attempt.step == "connected" and attempt.changes and attempt.connection:
        holder = attempt.connection.display_name
        rows = {row.monetary_account_id: account_row(row, holder) for row in attempt.connection.monetary_accounts}
        return Changes(**{name: [rows[key] for key in keys if key in rows] for name, keys in attempt.changes.items()})
    if known is None:
        return None
    holder = known.display_name
    before = {row.monetary_account_id: row for row in known.monetary_accounts if row.is_shared}
    after = {row.monetary_account_id: row for row in accounts.from_raw(attempt.accounts or [])}
    return Changes(
        new=[account_row(row, holder) for key, row in after.items() if key not in before],
        gone=[account_row(row, holder) for key, row in before.items() if key not in after],
        stays=[account_row(row, holder) for key, row in after.items() if key in before],
    )


def _sharing(connection: Connection, *, may_act: bool) -> Sharing:
    if not may_act:
        return "team_guest"
    if connection.shared_at is not None:
        return "team"
    return "members" if len(connection.members) > 1 else "private"


def _trigger(*, due: bool, reading: bool, waiting: bool) -> str:
    if due and not reading:
        return f"load delay:{_SOON_MS}ms"
    return "every 2s" if reading or waiting else "every 20s"


def _co_owners(raw: dict[str, Any], holder: str) -> Sequence[tuple[str, str]]:
    # bunq lists the holder among the owners; somebody else of the same name stays.
    listed = raw.get("all_co_owner")
    owners = []
    for item in listed if isinstance(listed, list) else []:
        alias = item.get("alias") if isinstance(item, dict) else None
        name = alias.get("display_name") if isinstance(alias, dict) else None
        if isinstance(name, str) and name:
            owners.append((name, str(item.get("status") or "")))
    # By the full name, or by the short one that bunq writes on the account.
    own = [index for index, (name, _status) in enumerate(owners) if name in (holder, raw.get("display_name"))]
    return owners[: own[0]] + owners[own[0] + 1 :] if own else owners
