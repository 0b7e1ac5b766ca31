"""The words of every notice: the same in the app, in mail and by ntfy.

A subject without names, one sentence, what to do, and the page where to do it. Amounts, counterparties and IBANs occur
only where the member asked for amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from babel.dates import format_date
from sqlalchemy import select

from bunqflask import invisible
from bunqflask.devices import device
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.models import Connection, NoticeKind, StopReason
from bunqflask.services import policy
from bunqflask.services.connections import condition_texts
from bunqflask.services.payments import local_days
from bunqflask.services.principal import Principal

_NAME_LENGTH = 140
_Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """A notice in words; `path` leads to the page about it, within this site, and `what_to_do` may be empty."""

    subject: str
    sentence: str
    what_to_do: str = ""
    path: str = "/notices"


@dataclass(frozen=True)
class Names:
    """How what a member may see is called; the rest has no name for them."""

    connections: Mapping[int, str] = field(default_factory=dict)
    accounts: Mapping[int, str] = field(default_factory=dict)
    account_paths: Mapping[int, str] = field(default_factory=dict)

    def connection(self, facts: _Facts) -> str:
        return one_line(self.connections.get(facts["connection_id"], "")) or _("a connection that you no longer see")

    def account(self, facts: _Facts) -> str:
        return one_line(self.accounts.get(facts["account_id"], "")) or _("an account that you no longer see")

    def connection_path(self, facts: _Facts) -> str:
        connection_id = facts["connection_id"]
        return f"/connections/{connection_id}" if connection_id in self.connections else "/notices"

    def account_path(self, facts: _Facts) -> str:
        return self.account_paths.get(facts["account_id"], "/notices")


def names_for(person: Principal) -> Names:
    """Return the names of all that a member may see now: two statements."""
    query = select(Connection.id, Connection.display_name).where(policy.is_visible_to(person))
    seen = policy.accounts_seen_by(person)
    return Names(
        {row.id: row.display_name for row in db.session.execute(query)},
        {account_id: each.row.description for account_id, each in seen.items()},
        {
            account_id: f"/connections/{each.row.connection_id}/accounts/{each.row.monetary_account_id}/payments"
            for account_id, each in seen.items()
        },
    )


def say(kind: NoticeKind, facts: _Facts, names: Names) -> Said:
    """Return a notice in words."""
    return _WORDS[kind](facts, names)


def one_line(text: str) -> str:
    """Return a text from outside as one line without invisible characters, at most as long as a name."""
    line = " ".join(invisible.remove(text).split())
    return line if len(line) <= _NAME_LENGTH else line[: _NAME_LENGTH - 1].rstrip() + "…"


def _login(facts: _Facts) -> dict[str, str]:
    shown = {key: one_line(str(value)) for key, value in facts.items()}
    return shown | {"browser": device(facts.get("browser", ""))}


def _of_login(subject: str, sentence: str, what_to_do: str, path: str = "/settings") -> Callable[[_Facts, Names], Said]:
    return lambda facts, _names: Said(_(subject), _(sentence) % _login(facts), _(what_to_do), path)


def _time(iso: str) -> str:
    """Return a stored timestamp as a person reads it, in the site's time zone."""
    local = datetime.fromisoformat(iso).astimezone(local_days.zone())
    return f"{format_date(local.date(), 'd MMMM y', locale='en')}, {local:%H:%M}"


def _day(iso: str) -> str:
    return format_date(datetime.fromisoformat(iso[:10]).date(), "d MMMM y", locale="en")


def _factor_changed(facts: _Facts, _names: Names) -> Said:
    sentence = {
        "added": _("A second factor was added: %(factor)s."),
        "removed": _("A second factor was removed: %(factor)s."),
        "reset": _("The person who runs this site removed your second factors: %(factor)s."),
        "codes": _("New recovery codes were made."),
    }[facts["change"]]
    return Said(
        _("Your second factors changed"),
        sentence % _login(facts),
        _("If it wasn’t you, change your password."),
        "/settings/factors",
    )


def _joined(facts: _Facts, _names: Names) -> Said:
    shown = {key: one_line(str(value)) for key, value in facts.items()}
    sentence = _("%(member)s connected %(connection)s too, with these accounts of yours: %(accounts)s.") % shown
    return Said(_("Another member connected accounts of yours"), sentence, path="/")


def _stopped(facts: _Facts, names: Names) -> Said:
    title = condition_texts.has_stopped(names.connection(facts))
    shown = {"why": condition_texts.reason(StopReason(facts["reason"])), "time": _time(facts["since"])}
    return Said(
        _("A connection stopped"),
        f"{title}: " + _("%(why)s. Nothing new has arrived since %(time)s.") % shown,
        _("Open the connection to see why, and who can repair it."),
        names.connection_path(facts),
    )


def _recovered(facts: _Facts, names: Names) -> Said:
    shown = {"connection": names.connection(facts), "time": _time(facts["stopped_since"])}
    return Said(
        _("A connection works again"),
        _("%(connection)s is up to date again. It had stopped on %(time)s.") % shown,
        path=names.connection_path(facts),
    )


def _renewal_due(facts: _Facts, names: Names) -> Said:
    left = facts["days_left"]
    shown = {"connection": names.connection(facts), "day": _day(facts["day"]), "count": left}
    sentence = (
        ngettext(
            "Your own reminder to renew %(connection)s is in %(count)s day, on %(day)s.",
            "Your own reminder to renew %(connection)s is in %(count)s days, on %(day)s.",
            left,
        )
        if left > 0
        else _("Your own reminder to renew %(connection)s was for %(day)s.")
    )
    return Said(
        _("A connection should be renewed soon"),
        sentence % shown,
        _("bunq names no day on which its permission ends. Renew it when it suits you."),
        names.connection_path(facts),
    )


def _invitation_opened(facts: _Facts, _names: Names) -> Said:
    return Said(
        _("Your link to connect bunq was opened"),
        _("The person whom you sent a link to connect bunq has opened it."),
        path=f"/connect/{facts['attempt_id']}",
    )


def _invitation_approved(facts: _Facts, _names: Names) -> Said:
    return Said(
        _("A connection waits for your confirmation"),
        _("The person whom you sent a link to connect bunq has approved it at bunq."),
        _("Confirm that it is the right person; nothing is read before."),
        f"/connect/{facts['attempt_id']}",
    )


def _changed(facts: _Facts, names: Names) -> Said:
    count = len(facts["change_ids"])
    sentence = ngettext(
        "%(count)s payment of %(account)s changed at bunq after it was stored, or came late.",
        "%(count)s payments of %(account)s changed at bunq after they were stored, or came late.",
        count,
    )
    return Said(
        _("Payments changed afterwards"),
        sentence % {"count": count, "account": names.account(facts)},
        _("If you have exported this period already, export it again."),
        names.account_path(facts),
    )


def _arrived(facts: _Facts, names: Names) -> Said:
    return Said(
        _("Money came in"),
        _("Money came in on %(account)s.") % {"account": names.account(facts)},
        path=names.account_path(facts),
    )


def _balance_low(facts: _Facts, names: Names) -> Said:
    return Said(
        _("A balance is low"),
        _("The balance of %(account)s is below your limit.") % {"account": names.account(facts)},
        path=names.account_path(facts),
    )


def _fault(facts: _Facts, _names: Names) -> Said:
    checks = ", ".join(one_line(str(each)).replace("_", " ") for each in facts["checks"])
    return Said(
        _("This server needs somebody"),
        _("The doctor found a fault: %(checks)s.") % {"checks": checks},
        _("Open the doctor’s page for the steps."),
        SERVER_PATH,
    )


def _all_good(_facts: _Facts, _names: Names) -> Said:
    return Said(_("This server is in order again"), _("The doctor finds no fault any more."), path=SERVER_PATH)


def _backup_failed(_facts: _Facts, _names: Names) -> Said:
    return Said(
        _("A backup failed"),
        _("The last backup of this server failed, or it is too old."),
        _("Open the doctor’s page for the steps."),
        SERVER_PATH,
    )


def _draft_prepared(facts: _Facts, names: Names) -> Said:
    return Said(
        _("Draft payments need your approval"),
        _("A draft of payments from %(account)s needs your approval.") % {"account": names.account(facts)},
        _("Look at every payment before you approve."),
        _draft_path(facts, names),
    )


def _draft_decided(facts: _Facts, names: Names) -> Said:
    sentence = {
        "accepted": _("The holder accepted a draft of payments from %(account)s in the bunq app."),
        "rejected": _("The holder refused a draft of payments from %(account)s in the bunq app. Nothing was paid."),
        "sent_back": _("A draft of payments from %(account)s was sent back to be changed."),
        "cancelled": _("A draft of payments from %(account)s was taken back in the bunq app. Nothing was paid."),
        "failed": _("A draft of payments from %(account)s could not be sent to bunq. Nothing was paid."),
    }[facts["outcome"]]
    return Said(
        _("A decision about draft payments"),
        sentence % {"account": names.account(facts)},
        "" if facts["outcome"] == "accepted" else _("Open the draft to see why, and to prepare it again if need be."),
        _draft_path(facts, names),
    )


def _draft_path(facts: _Facts, names: Names) -> str:
    return f"/pay/drafts/{facts['instruction_id']}" if facts["account_id"] in names.accounts else "/notices"


def _switched_off(facts: _Facts, _seen: Names) -> Said:
    names = {"mail": _("Email"), "ntfy": _("ntfy"), "webhook": _("A webhook"), "apprise": _("A service by Apprise")}
    channel = names[facts["channel"]]
    return Said(
        _("Notices could not be delivered"),
        _("%(channel)s was switched off, because its server took no message for three days or said that it is gone.")
        % {"channel": channel},
        _("Check the address, send a test, and switch it on again."),
        "/notices/settings",
    )


def _test(_facts: _Facts, _names: Names) -> Said:
    return Said(_("A test"), _("This is a test. Notices reach you here."), path="/notices/settings")


# The page of the doctor.
SERVER_PATH = "/doctor"
_NOT_YOU = "If it wasn’t you, change your password."
_WORDS: dict[NoticeKind, Callable[[_Facts, Names], Said]] = {
    NoticeKind.NEW_BROWSER: _of_login(
        "A login in a new browser",
        "Somebody logged in as you in a new browser: %(browser)s, from %(address)s.",
        _NOT_YOU,
    ),
    NoticeKind.FACTOR_MISSING: _of_login(
        "A login without your second factor",
        "Somebody entered your password, but not your second factor: %(browser)s, from %(address)s. "
        "If it wasn’t you, change your password.",
        "",
    ),
    NoticeKind.PASSWORD_CHANGED: _of_login(
        "Your password was changed",
        "Your password was changed: %(browser)s, from %(address)s.",
        "If it wasn’t you, ask the person who runs this site for help at once.",
    ),
    NoticeKind.FACTOR_CHANGED: _factor_changed,
    NoticeKind.RECOVERY_CODE_USED: _of_login(
        "A recovery code was used",
        "A recovery code was used to log in: %(browser)s, from %(address)s. %(left)s are left. "
        "Make new ones in Settings.",
        _NOT_YOU,
        "/settings/factors",
    ),
    NoticeKind.CONNECTION_JOINED: _joined,
    NoticeKind.CONNECTION_STOPPED: _stopped,
    NoticeKind.CONNECTION_RECOVERED: _recovered,
    NoticeKind.RENEWAL_DUE: _renewal_due,
    NoticeKind.INVITATION_OPENED: _invitation_opened,
    NoticeKind.INVITATION_APPROVED: _invitation_approved,
    NoticeKind.PAYMENTS_CHANGED: _changed,
    NoticeKind.PAYMENTS_ARRIVED: _arrived,
    NoticeKind.BALANCE_LOW: _balance_low,
    NoticeKind.DOCTOR_FOUND_FAULT: _fault,
    NoticeKind.DOCTOR_ALL_GOOD: _all_good,
    NoticeKind.BACKUP_FAILED: _backup_failed,
    NoticeKind.DRAFT_PREPARED: _draft_prepared,
    NoticeKind.DRAFT_DECIDED: _draft_decided,
    NoticeKind.CHANNEL_SWITCHED_OFF: _switched_off,
    NoticeKind.TEST: _test,
}
