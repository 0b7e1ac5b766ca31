"""From read models of connections to what their pages show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from flask import url_for

from bunqflask.i18n import gettext as _
from bunqflask.models import ConnectionState, ConsentGrantState, ErrorKind
from bunqflask.services import workers
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview, Permission
from bunqflask.services.gateway.retry_policy import policy_for
from bunqflask.web.connections.view_models import (
    AccountRow,
    ConnectionCard,
    Ending,
    PermissionRow,
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
from bunqflask.web.errors.problem import Problem, Way
from bunqflask.web.ui import formatting

_SOON_MS = 100
Kind = Literal["person", "company", "unknown"]


def card(connection: ConnectionOverview, *, focus: bool = False) -> ConnectionCard:
    """Show a connection as the principal may see it."""
    rows: dict[Place, list[AccountRow]] = {"open": [], "apart": [], "closed": []}
    works = connection.state == ConnectionState.ACTIVE
    for account in connection.accounts:
        # Where the whole connection is over, the card says so, and the last known balances still count.
        rows[place(account.status, covered=account.is_covered or not works)].append(account_row(account, works=works))
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
        is_stopped=connection.is_stopped,
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
        problem=problem(connection),
        wants_sync=wants_sync,
        polling_trigger=_trigger(connection, updating=updating or is_checking),
        focus=focus,
    )


def account_row(account: AccountBalance, *, works: bool = True) -> AccountRow:
    """Show one monetary account as a line of a list.

    :param works: its connection works, so that it is to be named if no permission covers it.
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


def problem(connection: ConnectionOverview) -> Problem | None:
    """What to say on a connection's card; waiting for bunq's rate limit is no problem."""
    since = connection.state_since
    if connection.state == ConnectionState.LOST:
        when = f"{formatting.day(since, 'short')} {formatting.clock(since)}"
        return Problem(
            title=_("%(name)s needs to approve again") % {"name": formatting.name(connection.holder_name)},
            lead=_("bunq stopped accepting our permission on %(when)s. Everything stored here is still readable.")
            % {"when": when},
            status=200,
            facts=shown_facts(connection.error_facts),
            ways=[_reconnect(connection)] if connection.may_manage else [],
        )
    if connection.state != ConnectionState.ACTIVE or connection.error_kind in (None, ErrorKind.WAITING):
        return None
    policy = policy_for(connection.error_kind)
    return Problem(
        title=policy.title,
        lead=policy.lead,
        todo=list(policy.todo),
        status=200,
        facts=shown_facts(connection.error_facts),
    )


def _reconnect(connection: ConnectionOverview) -> Way:
    url = url_for("connections.reconnect", connection_id=connection.id)
    return Way(label=_("Reconnect"), url=url, method="post", primary=True)


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
