"""Where a member wants which notices: in the app, and by channels with their logs of deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from decimal import Decimal, InvalidOperation

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import ChannelKind, DeliveryState, NoticeTopic
from bunqflask.services import policy
from bunqflask.services.notices import apprise_services, channels, choices, mailing, messages, texts, topics
from bunqflask.services.notices.channels import Channel, ChannelRefused, Delivery
from bunqflask.services.notices.choices import ChoiceRefused, Choices
from bunqflask.services.notices.texts import Names
from bunqflask.web.guards import recently_authenticated

bp = Blueprint("notice_settings", __name__, url_prefix="/notices/settings")


@dataclass(frozen=True)
class TopicChoice:
    """A topic as a form offers it."""

    value: str
    label: str


@dataclass(frozen=True)
class ShownDelivery:
    """A delivery as the log shows it."""

    id: int
    subject: str
    pill: tuple[str, str]
    delivery: Delivery
    may_repeat: bool


@bp.get("")
def index() -> ResponseReturnValue:
    """Show what the member chose, and their channels."""
    return _page()


@bp.post("")
def save() -> ResponseReturnValue:
    """Store what the member chose."""
    try:
        choices.save(g.team_member, _read_choices())
    except ChoiceRefused as refused:
        return _page(error=str(refused)), 422
    flash(_("Saved."))
    return redirect(url_for("notice_settings.index"))


@bp.post("/channels")
@recently_authenticated
def add() -> ResponseReturnValue:
    """Add a channel; the secret of a webhook is shown this once."""
    address = request.form.get("address", "").strip()
    try:
        kind = ChannelKind(request.form.get("kind", ""))
        added = channels.add(g.team_member, kind, address, _topics())
    except ChannelRefused as refused:
        return _page(address=address, error=str(refused)), 422
    except ValueError:
        return _page(address=address, error=_("Choose one of the ways.")), 422
    if added.secret is not None:
        return render_template("notices/made.html", channel_id=added.id, secret=added.secret)
    flash(_("Added. Send a test to see whether it arrives."))
    return redirect(url_for("notice_settings.channel", channel_id=added.id))


@bp.get("/channels/<int:channel_id>")
def channel(channel_id: int) -> ResponseReturnValue:
    """Show a channel with the log of its deliveries."""
    found = channels.find(g.team_member, channel_id)
    names = texts.names_for(g.team_member)
    log = [_shown(each, found, names) for each in channels.deliveries(g.team_member, channel_id)]
    return render_template(
        "notices/channel.html",
        channel=found,
        name=channel_name(found),
        log=log,
        topics=_offered(),
        chosen={each.value for each in found.topics},
    )


@bp.post("/channels/<int:channel_id>")
def change(channel_id: int) -> ResponseReturnValue:
    """Choose what a channel is for; that switches it on too."""
    channels.change(g.team_member, channel_id, _topics())
    flash(_("Saved."))
    return redirect(url_for("notice_settings.channel", channel_id=channel_id))


@bp.post("/channels/<int:channel_id>/remove")
def remove(channel_id: int) -> ResponseReturnValue:
    """Remove a channel."""
    channels.remove(g.team_member, channel_id)
    flash(_("Removed. Nothing is sent there any more."))
    return redirect(url_for("notice_settings.index"))


@bp.post("/channels/<int:channel_id>/test")
def test(channel_id: int) -> ResponseReturnValue:
    """Send a test, and show what came back."""
    try:
        tried = channels.test(g.team_member, channel_id)
    except ChannelRefused as refused:
        flash(str(refused), "error")
    else:
        answer = " ".join(str(each) for each in (tried.status, tried.answer) if each)
        if tried.state is DeliveryState.DELIVERED:
            flash(_("The test was delivered. The answer: %(answer)s") % {"answer": answer})
        else:
            flash(_("The test was not delivered. %(answer)s") % {"answer": answer}, "error")
    return redirect(url_for("notice_settings.channel", channel_id=channel_id))


@bp.post("/deliveries/<int:delivery_id>/again")
def send_again(delivery_id: int) -> ResponseReturnValue:
    """Let a delivery be sent once more."""
    try:
        channel_id = channels.send_again(g.team_member, delivery_id)
    except ChannelRefused as refused:
        flash(str(refused), "error")
        return redirect(url_for("notice_settings.index"))
    flash(_("It is sent again, with the same id."))
    return redirect(url_for("notice_settings.channel", channel_id=channel_id))


def channel_name(found: Channel) -> str:
    """Name a channel."""
    if found.kind is ChannelKind.MAIL:
        return _("Email to %(email)s") % {"email": g.team_member.email}
    if found.kind is ChannelKind.APPRISE:
        return _("%(service)s, by Apprise") % {"service": found.host}
    kind = _("ntfy") if found.kind is ChannelKind.NTFY else _("Webhook")
    return _("%(kind)s at %(host)s") % {"kind": kind, "host": found.host}


def _page(*, address: str = "", error: str | None = None) -> str:
    own = channels.list_for(g.team_member)
    chosen = choices.of(g.team_member.id)
    return render_template(
        "notices/settings.html",
        choices=chosen,
        chosen={each.value for each in chosen.topics},
        topics=_offered(),
        channels=[(each, channel_name(each), _labels(each.topics)) for each in own],
        usual={each.value for each in topics.USUAL_OUTSIDE},
        email=g.team_member.email,
        has_mail=any(each.kind is ChannelKind.MAIL for each in own),
        mail_is_set_up=mailing.is_set_up(),
        services=sorted(apprise_services.SERVICES.values()) if apprise_services.is_installed() else [],
        address=address,
        error=error,
    )


def _offered() -> list[TopicChoice]:
    labels = {
        NoticeTopic.CONNECTIONS: _("A connection stops, or works again"),
        NoticeTopic.RENEWALS: _("A reminder to renew a connection comes near"),
        NoticeTopic.INVITATIONS: _("A link of yours to connect bunq was opened or approved"),
        NoticeTopic.SECURITY: _("Logins in new browsers, and changes of your password, factors and role"),
        NoticeTopic.LATE_CHANGES: _("Payments changed afterwards, or came late"),
        NoticeTopic.MONEY_IN: _("Money came in"),
        NoticeTopic.LOW_BALANCE: _("A balance falls below your limit"),
        NoticeTopic.DRAFTS: _("Draft payments need your approval, or a decision was made about yours"),
        NoticeTopic.SERVER: _("The doctor finds a fault of this server, or a backup fails"),
    }
    if not policy.can_see_doctor(g.team_member):
        del labels[NoticeTopic.SERVER]
    return [TopicChoice(topic.value, label) for topic, label in labels.items()]


def _labels(chosen: Iterable[NoticeTopic]) -> list[str]:
    return [each.label for each in _offered() if each.value in set(chosen)]


def _topics() -> list[NoticeTopic]:
    given = request.form.getlist("topic")
    return [each for each in NoticeTopic if each.value in given]


def _read_choices() -> Choices:
    """Return what the form says.

    :raises ChoiceRefused: a time or the limit cannot be read.
    """
    limit = request.form.get("low_balance", "").strip().replace(",", ".")
    try:
        low_balance = Decimal(limit) if limit else None
        if low_balance is not None and not low_balance.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise ChoiceRefused(_("Write the limit as a number, such as 250 or 250.00.")) from None
    return Choices(
        topics=tuple(_topics()),
        quiet_from=_time("quiet_from"),
        quiet_until=_time("quiet_until"),
        with_amounts=bool(request.form.get("with_amounts")),
        low_balance=low_balance,
    )


def _time(name: str) -> time | None:
    given = request.form.get(name, "").strip()
    try:
        return time.fromisoformat(given).replace(second=0, microsecond=0, tzinfo=None) if given else None
    except ValueError:
        raise ChoiceRefused(_("Write times as 22:00.")) from None


def _shown(delivery: Delivery, found: Channel, names: Names) -> ShownDelivery:
    pills = {
        DeliveryState.WAITING: ("warn", _("Tried, and tried again") if delivery.tries else _("Waiting")),
        DeliveryState.DELIVERED: ("ok", _("Delivered")),
        DeliveryState.FAILED: ("bad", _("Failed")),
        DeliveryState.WITHDRAWN: ("neutral", _("Not sent: you may not see it any more")),
    }
    first = delivery.items[0]
    subject = texts.say(first.kind, first.facts, names).subject
    if found.kind is ChannelKind.WEBHOOK:
        subject = messages.TYPES[first.kind][0]
    elif len(delivery.items) > 1:
        subject = _("%(count)s notices") % {"count": len(delivery.items)}
    ended = delivery.state not in (DeliveryState.WAITING, DeliveryState.WITHDRAWN)
    return ShownDelivery(delivery.id, subject, pills[delivery.state], delivery, ended and not delivery.is_test)
