"""From attempts to obtain a consent to what their pages show."""

from __future__ import annotations

from datetime import datetime

import msgspec
from flask import url_for

from bunqflask.devices import device
from bunqflask.i18n import gettext as _
from bunqflask.models import AttemptStep, ConsentAttempt, ErrorKind
from bunqflask.services.connections import accounts, overview
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.consent import attempts, completion, invitations
from bunqflask.services.consent.attempts import AttemptProgress
from bunqflask.services.gateway import installations
from bunqflask.services.gateway.retry_policy import policy_for, waiting_lead
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.web.connections.presenters import account_row, card, kind
from bunqflask.web.connections.view_models import AccountRow, ConnectionCard
from bunqflask.web.consent import invitation_rows
from bunqflask.web.consent.view_models import AccountDiff, AttemptView, PendingAttempt
from bunqflask.web.errors.facts import shown_facts
from bunqflask.web.errors.messages import failure_message
from bunqflask.web.errors.problem import Problem
from bunqflask.web.ui import formatting
from bunqflask.web.ui.qr import qr_svg, stays_here

_ENDED = (
    AttemptStep.DENIED,
    AttemptStep.EXPIRED,
    AttemptStep.FAILED,
    AttemptStep.CANCELLED,
    AttemptStep.DISCARDED,
)
_POLLED = (AttemptStep.WAITING, AttemptStep.EXCHANGING, AttemptStep.CONNECTING)


def attempt_view(attempt: ConsentAttempt, principal: Principal) -> AttemptView:
    """Show an attempt to the member who started it."""
    # While the code is exchanged the person still sees a page that waits.
    step = AttemptStep.CONNECTING if attempt.step == AttemptStep.EXCHANGING else attempt.step
    connection = _connected(attempt, principal)
    if step == AttemptStep.CONNECTED and connection is None:
        step = AttemptStep.DISCARDED  # erased since
    link = _link(attempt) if step == AttemptStep.WAITING else ""
    known = _known(attempt, principal)
    return AttemptView(
        id=attempt.id,
        seen=seen(attempt),
        step=step,
        link=link,
        link_stays_here=bool(link) and stays_here(link),
        qr_svg=qr_svg(link) if link else None,
        expires_at=attempt.expires_at,
        opened=opened(attempt) if step == AttemptStep.WAITING else None,
        bunq_calls_us=installations.shown_name() if step == AttemptStep.WAITING else None,
        approved_at=attempt.approved_at,
        next_try_at=None if completion.is_due(attempt) else attempt.next_try_at,
        give_up_at=attempts.deadline(attempt),
        person=attempt.granted_user_name,
        person_kind=kind(attempt.granted_user_type or ""),
        connected_since=_connected_since(known) if known else None,
        ticked=_ticked(attempt) if step == AttemptStep.CONFIRM else [],
        account_diff=_account_diff(attempt, connection, known),
        other_person=step == AttemptStep.CONFIRM and completion.is_other_person(attempt),
        renews_name=attempt.renews_connection.display_name if attempt.renews_connection else None,
        card=card(connection, focus=True) if connection else _at_stake(attempt, principal),
        problem=problem(attempt),
        polling=is_polled(attempt),
        invitation=invitation_rows.row(invitations.of(attempt)) if attempt.is_invitation else None,
        asks_about_changes=step == AttemptStep.CONFIRM and not attempt.came_back_elsewhere,
    )


def pending(attempt: ConsentAttempt) -> PendingAttempt:
    """Show on the first page that a consent waits for the holder, for bunq or for an answer."""
    url = url_for("consent.show", attempt_id=attempt.id)
    if attempt.step == AttemptStep.WAITING:
        return PendingAttempt(
            id=attempt.id,
            url=url,
            text=_waiting_text(attempt),
            label=_("Continue"),
            link=_link(attempt),
            opened=opened(attempt) or "",
            expires_at=attempt.expires_at,
        )
    if attempt.step != AttemptStep.CONFIRM:
        return PendingAttempt(
            id=attempt.id, url=url, text=_("Approved – we’re still fetching the accounts."), label=_("Continue")
        )
    text = {
        "company": _("%(name)s approved on another device. Is this the right company?"),
    }.get(kind(attempt.granted_user_type or ""), _("%(name)s approved on another device. Is this the right person?"))
    name = formatting.name(attempt.granted_user_name)
    return PendingAttempt(id=attempt.id, url=url, text=text % {"name": name}, label=_("Check and answer"))


def opened(attempt: ConsentAttempt) -> str | None:
    """Say that somebody has gone on to bunq and when, while an attempt waits for approval."""
    if attempt.opened_at is None:
        return None
    time = formatting.clock(attempt.opened_at)
    if attempt.link_browser_hash is None:
        return _("Opened in your browser at %(time)s.") % {"time": time}
    return _("Opened in %(browser)s at %(time)s.") % {"browser": device(attempt.opened_user_agent or ""), "time": time}


def _waiting_text(attempt: ConsentAttempt) -> str:
    if attempt.renews_connection is None:
        return _("Waiting for somebody to approve in the bunq app.")
    name = formatting.name(attempt.renews_connection.display_name)
    return _("Waiting for %(name)s to approve again in the bunq app.") % {"name": name}


def _link(attempt: ConsentAttempt) -> str:
    return url_for("consent.link", token=attempt.link_token, _external=True)


def is_polled(attempt: ConsentAttempt | AttemptProgress) -> bool:
    """Tell whether the page of an attempt asks again whether anything has changed."""
    return attempt.step in _POLLED


def seen(attempt: ConsentAttempt | AttemptProgress) -> str:
    """Name what the page shows of an attempt, so that a poll can tell whether anything has changed."""
    next_try = attempt.next_try_at.isoformat() if attempt.next_try_at else ""
    opened = "|".join(each.isoformat() for each in (attempt.seen_at, attempt.opened_at) if each)
    return f"{attempt.step}|{next_try}|{attempt.error_kind or ''}|{opened}"


def problem(attempt: ConsentAttempt) -> Problem | None:
    """What to say on an attempt's page when something stands in its way, or has ended it."""
    if attempt.step == AttemptStep.FAILED:
        return failed_problem(attempt)
    if attempt.error_kind is None or attempt.step not in (AttemptStep.CONNECTING, AttemptStep.EXCHANGING):
        return None
    if attempt.error_kind == ErrorKind.WAITING:
        return Problem(title=_("Approved. Fetching the accounts"), lead=waiting_lead(), status=200)
    policy = policy_for(attempt.error_kind)
    return Problem(
        title=policy.title,
        lead=policy.lead if policy.todo else _("We’ll retry automatically."),
        todo=list(policy.todo),
        who=policy.who,
        status=policy.status,
        facts=shown_facts(attempt.error_facts),
    )


def failed_problem(attempt: ConsentAttempt) -> Problem:
    """What to say of an attempt that ended in failure."""
    message = failure_message(attempt.failure)
    return Problem(
        title=message.title,
        lead=_("We couldn’t use the approval, so we deleted it. Please approve again."),
        happened=message.happened,
        who=message.who,
        reference=attempts.reference(attempt),
        status=message.status,
        facts=shown_facts(attempt.error_facts),
    )


def _known(attempt: ConsentAttempt, principal: Principal) -> ConnectionOverview | None:
    """The connection that an attempt waiting for an answer would renew, if the principal sees it already."""
    if attempt.step != AttemptStep.CONFIRM or attempt.granted_user_id is None:
        return None
    return overview.of_bunq_user(principal, attempt.granted_user_id)


def _connected(attempt: ConsentAttempt, principal: Principal) -> ConnectionOverview | None:
    """The connection that the consent was taken up in, as long as the principal has a right on it."""
    if attempt.step != AttemptStep.CONNECTED or attempt.connection_id is None:
        return None
    try:
        return overview.get(principal, attempt.connection_id, with_standing=True)
    except NotFoundHere:
        return None


def _at_stake(attempt: ConsentAttempt, principal: Principal) -> ConnectionCard | None:
    """The connection of who approved an attempt that came to nothing; else the one that it was to renew.

    bunq may have ended its permissions with the approval: they are tested, and the page shows how.
    """
    if attempt.step not in _ENDED:
        return None
    approver = attempt.granted_user_id
    found = overview.of_bunq_user(principal, approver, with_standing=True) if approver is not None else None
    try:
        if found is None and attempt.renews_connection_id is not None:
            found = overview.get(principal, attempt.renews_connection_id, with_standing=True)
    except NotFoundHere:
        return None
    return card(found) if found is not None else None


def _ticked(attempt: ConsentAttempt) -> list[AccountRow]:
    """The accounts that were ticked at bunq, none of which is stored yet."""
    listed = accounts.from_raw(attempt.accounts or [])
    return [_unstored(account_row(overview.balance_of(each, 0, attempt.granted_user_name or ""))) for each in listed]


def _unstored(row: AccountRow) -> AccountRow:
    """Show of an account, before the member has answered, its name and the end of its IBAN: no amount."""
    ending = row.iban[-4:] if row.iban else None
    return msgspec.structs.replace(row, iban=None, iban_ending=ending, amount=None, goal=None, pill=None)


def _connected_since(connection: ConnectionOverview) -> datetime | None:
    """Since when the principal has had a permission of theirs on it."""
    return min((each.granted_at for each in connection.permissions if each.is_own), default=None)


def _account_diff(
    attempt: ConsentAttempt, connection: ConnectionOverview | None, known: ConnectionOverview | None
) -> AccountDiff | None:
    if connection is not None and attempt.account_diff:
        rows = {each.monetary_account_id: account_row(each) for each in connection.accounts}
        shown = {name: [rows[key] for key in keys if key in rows] for name, keys in attempt.account_diff.items()}
        return AccountDiff(**shown)
    if known is None:
        return None
    before = {each.monetary_account_id: each for each in known.held}
    listed = accounts.from_raw(attempt.accounts or [])
    after = {row.monetary_account_id: overview.balance_of(row, known.id, known.holder_name) for row in listed}
    return AccountDiff(
        new=[_unstored(account_row(each)) for key, each in after.items() if key not in before],
        gone=[account_row(each) for key, each in before.items() if key not in after],
        stays=[account_row(each) for key, each in before.items() if key in after],
    )
