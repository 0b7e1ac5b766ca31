"""From read models of connections to what their pages show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from flask import url_for

from bunqflask.i18n import gettext as _
from bunqflask.models import Condition, ConnectionState, ConsentGrantState, ErrorKind
from bunqflask.services import workers
from bunqflask.services.connections import condition_texts
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview, Permission
from bunqflask.services.connections.standing import Actor
from bunqflask.web.connections.view_models import (
    AccountRow,
    ConditionNote,
    ConnectionCard,
    Ending,
    PermissionRow,
    Pill,
    PillKind,
    Place,
    Sharing,
    Staying,
    color,
    goal,
    icon,
    pill,
    place,
    totals,
    type_label,
)
from bunqflask.web.errors.facts import shown_facts
from bunqflask.web.errors.problem import Way
from bunqflask.web.payments.place import account_url
from bunqflask.web.ui import formatting

_SOON_MS = 100
Kind = Literal["person", "company", "unknown"]


def card(connection: ConnectionOverview, *, focus: bool = False) -> ConnectionCard:
    """Show a connection, loaded with its standing, as the principal may see it."""
    standing = connection.standing
    rows: dict[Place, list[AccountRow]] = {"open": [], "apart": [], "closed": []}
    works = connection.state == ConnectionState.ACTIVE
    for account in connection.accounts:
        # Where the whole connection is over, the card says so, and the last known balances still count.
        shown = account_row(account, works=works, url=account_url(account))
        rows[place(account.status, covered=account.is_covered or not works)].append(shown)
    wants_sync = connection.may_manage and connection.is_stale and connection.is_due and not connection.is_requested
    # A request that has failed waits for its next try, and may be made again meanwhile.
    is_requested = connection.is_requested and connection.is_due
    updating = connection.is_syncing or is_requested
    is_checking = connection.error_kind in (ErrorKind.WAITING, ErrorKind.CHECKING)
    return ConnectionCard(
        id=connection.id,
        name=connection.holder_name,
        kind=kind(connection.holder_type),
        state=connection.state.value,
        pill=condition_pill(connection),
        note=condition_note(connection),
        is_to_be_renewed=standing.condition == Condition.STOPPED and standing.who == Actor.HOLDER,
        sharing=sharing(connection),
        may_act=connection.may_manage,
        connected_by=_names(account.holder_names for account in connection.accounts),
        shared_with=_names(account.reader_names for account in connection.held),
        shared_count=sum(_is_seen_by_others(account) for account in connection.held),
        held_count=len(connection.held),
        permissions=[_permission(each, connection) for each in connection.permissions],
        sums=totals(rows["open"]),
        open=rows["open"],
        apart=rows["apart"],
        closed=rows["closed"],
        updated_at=connection.accounts_synced_at,
        updating=updating,
        worker_is_missing=is_requested and not workers.is_alive(),
        next_try_at=None if connection.is_due else connection.next_try_at,
        wants_sync=wants_sync,
        polling_trigger=_trigger(connection, updating=updating or is_checking),
        focus=focus,
    )


def account_row(account: AccountBalance, *, works: bool = True, url: str | None = None) -> AccountRow:
    """Show one monetary account as a line of a list.

    :param works: its connection works, so that it is to be named if no permission covers it.
    :param url: of its payments, where the line leads to them.
    """
    owners = [owner.name for owner in account.co_owners]
    waiting_for = [owner.name for owner in account.co_owners if owner.status == "PENDING"]
    closed = account.status == "CANCELLED" and account.updated_at is not None
    return AccountRow(
        connection_id=account.connection_id,
        monetary_account_id=account.monetary_account_id,
        name=account.name,
        type_label=type_label(account.wrapper, account.currency, owners),
        icon=icon(account.wrapper),
        iban=account.iban,
        amount=account.balance,
        currency=account.currency,
        color=color(account.color),
        pill=pill(
            account.status,
            account.sub_status,
            amount=account.balance,
            covered=account.is_covered or not works,
            waiting_for=waiting_for,
        ),
        uncovered_since=account.uncovered_since if works else None,
        url=url,
        goal=goal(account.balance, account.savings_goal),
        closed_on=account.updated_at.date() if closed and account.updated_at else None,
    )


def ending(connection: ConnectionOverview) -> Ending:
    """Show what happens when the reader gives up their rights on a connection."""
    others = {
        account_id
        for each in connection.permissions
        if not each.is_own and each.state == ConsentGrantState.ACTIVE
        for account_id in each.account_ids
    }
    return Ending(
        deleted=[account.name for account in connection.held if not account.other_holder_names],
        staying=[
            Staying(account.name, list(account.other_holder_names), account.id in others)
            for account in connection.held
            if account.other_holder_names
        ],
        ends_shares=any(account.reader_names or account.is_team_shared for account in connection.held),
        is_over=not any(each.is_own and each.state == ConsentGrantState.ACTIVE for each in connection.permissions),
    )


def kind(user_type: str) -> Kind:
    """Tell a person from a company by the name that bunq wraps a user in."""
    kinds: dict[str, Kind] = {"UserPerson": "person", "UserCompany": "company"}
    return kinds.get(user_type, "unknown")


def condition_pill(connection: ConnectionOverview) -> Pill:
    """Show a condition in one or two words, and an error that has not stopped the connection yet."""
    standing = connection.standing
    if _interruption(connection) is not None:
        return Pill("warn", _("Trying again"))
    kinds: dict[Condition, PillKind] = {
        Condition.WORKING: "ok",
        Condition.RENEW_SOON: "warn",
        Condition.STOPPED: "bad" if standing.recovery is None else "warn",
        Condition.DISCONNECTED: "neutral",
    }
    return Pill(kinds[standing.condition], condition_texts.label(standing))


def condition_note(connection: ConnectionOverview) -> ConditionNote | None:
    """Show why a connection is not up to date, or is to be renewed; None where there is nothing to say."""
    standing, name = connection.standing, formatting.name(connection.holder_name)
    said, facts, since = condition_texts.explanation(standing, name), standing.facts, standing.since
    if said is None:
        said, facts = _interruption(connection), connection.error_facts
    if said is None:
        return None
    is_bad, is_recovering = standing.condition == Condition.STOPPED, standing.recovery is not None
    return ConditionNote(
        kind="info" if is_recovering else "bad" if is_bad else "warn",
        icon="clock" if is_recovering or standing.condition == Condition.RENEW_SOON else "warning",
        title=said.title,
        lead=said.lead,
        who=said.who,
        todo=said.todo,
        since=since if standing.condition != Condition.WORKING else None,
        next_try_at=(standing.next_try_at or connection.next_try_at) if not connection.is_due else None,
        facts=shown_facts(facts) if connection.may_manage and not is_recovering else [],
        ways=[_renew(connection)] if connection.may_manage and standing.who == Actor.HOLDER else [],
    )


def _interruption(connection: ConnectionOverview) -> condition_texts.Explanation | None:
    is_working = connection.standing.condition == Condition.WORKING
    return condition_texts.interruption(connection.error_kind) if is_working else None


def _renew(connection: ConnectionOverview) -> Way:
    url = url_for("connections.reconnect", connection_id=connection.id)
    label = _("Renew now") if connection.standing.condition == Condition.RENEW_SOON else _("Reconnect")
    return Way(label=label, url=url, method="post", primary=connection.standing.condition == Condition.STOPPED)


def sharing(connection: ConnectionOverview) -> Sharing:
    """Tell who else sees what the reader holds of a connection; `guest` where the reader holds nothing of it."""
    if not connection.may_manage:
        return "guest"
    if any(account.is_team_shared for account in connection.held):
        return "team"
    return "members" if any(map(_is_seen_by_others, connection.held)) else "private"


def _is_seen_by_others(account: AccountBalance) -> bool:
    return account.is_team_shared or bool(account.other_holder_names or account.reader_names)


def _names(groups: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in group))


def _permission(permission: Permission, connection: ConnectionOverview) -> PermissionRow:
    return PermissionRow(
        member_name=permission.member_name,
        is_own=permission.is_own,
        granted_at=permission.granted_at,
        lost_at=permission.state_since if permission.state == ConsentGrantState.LOST else None,
        accounts=[account.name for account in connection.accounts if account.id in permission.account_ids],
    )


def _trigger(connection: ConnectionOverview, *, updating: bool) -> str | None:
    """When the card asks for itself again: often while it is updated, now and then while its list is old."""
    if updating:
        return "every 2s"
    return "every 20s" if connection.is_stale else None
