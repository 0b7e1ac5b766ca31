"""What goes out: one mail or ntfy message for all notices of a delivery, or the small JSON of a webhook."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime

from babel.numbers import format_currency
from flask import current_app
from standardwebhooks import Webhook

from bunqflask import clock
from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.models import NoticeItem, NoticeKind
from bunqflask.services.notices import recipients, texts
from bunqflask.services.notices.recipients import Recipient

_MOST_SAID = 20
_MOST_PAYMENTS = 10
# What a webhook calls each kind, and which of its facts it carries.
TYPES: dict[NoticeKind, tuple[str, tuple[str, ...]]] = {
    NoticeKind.CONNECTION_STOPPED: ("connection.stopped", ("connection_id", "reason", "since")),
    NoticeKind.CONNECTION_RECOVERED: ("connection.recovered", ("connection_id", "stopped_since")),
    NoticeKind.RENEWAL_DUE: ("connection.reminder", ("connection_id", "day", "days_left")),
    NoticeKind.INVITATION_OPENED: ("invitation.opened", ("attempt_id",)),
    NoticeKind.INVITATION_APPROVED: ("invitation.approved", ("attempt_id",)),
    NoticeKind.PAYMENTS_CHANGED: ("payment.changed", ("account_id",)),
    NoticeKind.PAYMENTS_ARRIVED: ("payment.arrived", ("account_id", "payment_ids")),
    NoticeKind.BALANCE_LOW: ("balance.low", ("account_id",)),
    NoticeKind.DOCTOR_FOUND_FAULT: ("server.fault", ("checks",)),
    NoticeKind.DOCTOR_ALL_GOOD: ("server.good", ()),
    NoticeKind.BACKUP_FAILED: ("server.backup_failed", ("reason",)),
    NoticeKind.DRAFT_PREPARED: ("draft.prepared", ("instruction_id", "account_id")),
    NoticeKind.DRAFT_DECIDED: ("draft.decided", ("instruction_id", "account_id", "outcome")),
    NoticeKind.NEW_BROWSER: ("login.new_browser", ()),
    NoticeKind.PASSWORD_CHANGED: ("login.password_changed", ()),
    NoticeKind.FACTOR_CHANGED: ("login.factor_changed", ()),
    NoticeKind.RECOVERY_CODE_USED: ("login.recovery_code_used", ()),
    NoticeKind.CONNECTION_JOINED: ("connection.joined", ()),
    NoticeKind.CHANNEL_SWITCHED_OFF: ("channel.switched_off", ("channel",)),
    NoticeKind.TEST: ("test", ()),
}


@dataclass(frozen=True)
class Text:
    """A message for a person: a subject without names, the text, and the page to begin with."""

    subject: str
    text: str
    url: str


def text_for(person: Recipient, items: Sequence[NoticeItem], *, with_amounts: bool) -> Text:
    """Return the one message about some notices, the oldest first, of those alike one."""
    names = texts.names_for(person)
    root: str = current_app.config["PUBLIC_URL"]
    paragraphs: dict[str, texts.Said] = {}
    for item in items:
        said = texts.say(item.kind, item.facts, names)
        lines = [said.sentence, *_amounts(person, item, with_amounts), said.what_to_do, root + said.path]
        paragraphs.setdefault("\n".join(line for line in lines if line), said)
    shown = list(paragraphs)[:_MOST_SAID]
    if more := len(paragraphs) - len(shown):
        sentence = ngettext("There is %(count)s more: %(url)s", "There are %(count)s more: %(url)s", more)
        shown.append(sentence % {"count": more, "url": f"{root}/notices"})
    first = next(iter(paragraphs.values()))
    count = len(paragraphs)
    subject = (
        ngettext("%(count)s notice", "%(count)s notices", count) % {"count": count} if count > 1 else first.subject
    )
    return Text(subject, "\n\n".join(shown), root + (first.path if count == 1 else "/notices"))


def mail(person: Recipient, message: Text, message_id: str) -> EmailMessage:
    """Return a message as a mail to its member."""
    sender: str = current_app.config["MAIL_FROM"]
    found = EmailMessage()
    found["From"] = sender
    found["To"] = person.email
    found["Subject"] = f"bunqflask: {message.subject}"
    found["Date"] = format_datetime(clock.now())
    found["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    found["Auto-Submitted"] = "auto-generated"
    root: str = current_app.config["PUBLIC_URL"]
    choose = _("Choose what you are informed about: %(url)s") % {"url": f"{root}/notices/settings"}
    found.set_content(f"{message.text}\n\n-- \n{choose}\n")
    return found


def ntfy_headers(message: Text) -> dict[str, str]:
    """Return the headers of a message by ntfy; its text is the body. https://docs.ntfy.sh/publish/"""
    title = message.subject if message.subject.isascii() else Header(message.subject, "utf-8", maxlinelen=998).encode()
    return {"Title": title, "Click": message.url, "Content-Type": "text/plain; charset=utf-8"}


def webhook_body(item: NoticeItem) -> str:
    """Return what a webhook carries: ids, a type and a timestamp, and nothing to keep secret."""
    name, wanted = TYPES[item.kind]
    data = {key: item.facts[key] for key in wanted if key in item.facts}
    at = item.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"type": name, "timestamp": at, "data": data}, separators=(",", ":"))


def webhook_headers(secret: str, message_id: str, body: str, now: datetime) -> dict[str, str]:
    """Return the headers by which the receiver knows that a body is ours, and whether it is a repeat."""
    name = f"msg_{message_id}"
    return {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, now, body),
    }


def _amounts(person: Recipient, item: NoticeItem, with_amounts: bool) -> list[str]:
    if not with_amounts or item.kind is not NoticeKind.PAYMENTS_ARRIVED:
        return []
    payments = recipients.money_in(person, item.facts)
    lines = [
        _("%(amount)s from %(name)s")
        % {
            "amount": format_currency(each.amount, each.currency, locale="en"),
            "name": texts.one_line(each.counterparty_name or "") or _("(no name)"),
        }
        for each in payments[:_MOST_PAYMENTS]
    ]
    return [*lines, "…"] if len(payments) > _MOST_PAYMENTS else lines
