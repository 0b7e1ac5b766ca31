"""Nobody hears of what they may not see at that moment, and everybody hears when and as they chose."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    AccountShare,
    ChannelKind,
    DeliveryState,
    EventKind,
    MemberNotice,
    NoticeKind,
    NoticeTopic,
    Payment,
    TeamMember,
    TeamRole,
)
from bunqflask.services.notices import choices, inbox
from bunqflask.services.notices.choices import ChoiceRefused, Choices
from bunqflask.services.team import members
from tests.protocol.notices.conftest import ROBIN, SAM, Clock, account, add, deliveries, happen, stop, work
from tests.support import history
from tests.support.history import Paid
from tests.support.receivers import MailServer, WebServer

A_LINE = "Money came in on"


def share(first_day: datetime | None = None) -> int:
    """Let Sam read an account of Robin's."""
    row = AccountShare(
        account_id=account().id,
        member_id=members.require(SAM).id,
        granted_by_id=members.require(ROBIN).id,
        since=clock.now(),
        first_day=first_day.date() if first_day else None,
    )
    db.session.add(row)
    db.session.commit()
    return row.id


def change_sam(**columns: object) -> None:
    db.session.execute(db.update(TeamMember).where(TeamMember.email == SAM).values(**columns))
    db.session.commit()


def kinds(email: str) -> list[NoticeKind]:
    query = db.select(MemberNotice.kind).filter_by(member_id=members.require(email).id)
    return list(db.session.scalars(query.order_by(MemberNotice.id)))


def arrive(*paid: Paid) -> None:
    """Let payments arrive on the account, as a sync stores them."""
    before = set(db.session.scalars(db.select(Payment.id)))
    history.store(account(), paid)
    db.session.commit()
    new = sorted(set(db.session.scalars(db.select(Payment.id))) - before)
    happen(EventKind.PAYMENTS_ARRIVED, account_id=account().id, payment_ids=new)


def test_a_share_that_ends_before_the_message_goes_out_lets_nothing_out(
    team: Flask, moved: Clock, mail_server: MailServer, receiver: WebServer
) -> None:
    add(SAM, ChannelKind.MAIL)
    add(SAM, ChannelKind.WEBHOOK, receiver.url)
    share_id = share()
    receiver.status = 503
    stop()
    work()
    assert (kinds(SAM), len(receiver.received)) == ([NoticeKind.CONNECTION_STOPPED], 1)
    db.session.delete(db.session.get_one(AccountShare, share_id))
    db.session.commit()
    moved.pass_time(minutes=2)
    work()
    assert (mail_server.mails, len(receiver.received)) == ([], 1)
    assert {each.state for each in deliveries()} == {DeliveryState.WITHDRAWN}
    stop()
    work()
    assert kinds(SAM) == [NoticeKind.CONNECTION_STOPPED]


def test_a_locked_a_removed_and_an_ended_member_get_nothing(team: Flask, moved: Clock, receiver: WebServer) -> None:
    share()
    add(SAM, ChannelKind.NTFY, receiver.url)
    stop()
    work()
    change_sam(locked_at=clock.now())
    moved.pass_time(minutes=1)
    work()
    assert receiver.received == []
    change_sam(locked_at=None, role=TeamRole.GUEST, ends_at=clock.now() + timedelta(minutes=5))
    stop()
    work()
    moved.pass_time(minutes=6)
    work()
    assert receiver.received == []
    change_sam(role=TeamRole.MEMBER, ends_at=None)
    stop()
    work()
    db.session.delete(db.session.get_one(TeamMember, members.require(SAM).id))
    db.session.commit()
    moved.pass_time(minutes=10)
    work()
    assert receiver.received == []
    assert deliveries() == []


@pytest.mark.sqlite_only
def test_faults_of_the_server_go_to_owners_and_admins(team: Flask) -> None:
    happen(EventKind.DOCTOR_FOUND_FAULT, checks=["backup"])
    happen(EventKind.BACKUP_FAILED, reason="old")
    work()
    assert (kinds(ROBIN), kinds(SAM)) == ([NoticeKind.DOCTOR_FOUND_FAULT, NoticeKind.BACKUP_FAILED], [])


def test_money_in_is_told_without_amounts_unless_they_are_asked_for(
    team: Flask, moved: Clock, mail_server: MailServer
) -> None:
    add(ROBIN, ChannelKind.MAIL, "", NoticeTopic.MONEY_IN)
    at = datetime(2026, 10, 1, 12, tzinfo=UTC)
    arrive(Paid(at=at, amount="12.50", name="Koffie BV"), Paid(at=at, amount="-3.00", name="Thee"))
    work()
    moved.pass_time(hours=2)
    work()
    choices.save(members.require(ROBIN), Choices(with_amounts=True))
    arrive(Paid(id=2000, at=at + timedelta(days=1), amount="7.25", name="Brood"))
    arrive(Paid(id=3000, at=at + timedelta(days=1), amount="-1.00", name="Out"))
    work()
    moved.pass_time(hours=2)
    work()
    plain, full = [each.get_content() for each in mail_server.mails]
    assert A_LINE in plain
    assert not any(each in plain for each in ("12.50", "Koffie", "NL"))
    assert "€7.25 from Brood" in full
    assert "Out" not in full
    assert kinds(ROBIN) == [], "not chosen for the app"


def test_payments_before_the_first_day_of_a_share_are_not_told(team: Flask) -> None:
    first = datetime(2026, 10, 10, 12, tzinfo=UTC)
    share(first)
    choices.save(members.require(SAM), Choices(topics=(NoticeTopic.MONEY_IN,)))
    arrive(Paid(at=first - timedelta(days=1), amount="5"))
    work()
    assert kinds(SAM) == []
    arrive(Paid(id=2000, at=first + timedelta(days=1), amount="5"))
    work()
    assert kinds(SAM) == [NoticeKind.PAYMENTS_ARRIVED]


@pytest.mark.sqlite_only
def test_a_balance_below_the_limit_is_told_once_until_it_was_above(team: Flask) -> None:
    robin = members.require(ROBIN)
    for each in db.session.scalars(db.select(type(account()))):
        each.balance = Decimal(1000)
    db.session.commit()
    choices.save(robin, Choices(low_balance=Decimal(100)))
    for balance in (500, 99, 50, 100, 20):
        account().balance = Decimal(balance)
        db.session.commit()
        happen(EventKind.PAYMENTS_ARRIVED, account_id=account().id, payment_ids=[])
        work()
    assert kinds(ROBIN) == [NoticeKind.BALANCE_LOW] * 2


def test_quiet_hours_let_one_message_through_when_they_end(
    team: Flask, moved: Clock, mail_server: MailServer, receiver: WebServer
) -> None:
    add(ROBIN, ChannelKind.MAIL)
    add(ROBIN, ChannelKind.WEBHOOK, receiver.url)
    choices.save(members.require(ROBIN), Choices(quiet_from=time(22), quiet_until=time(7)))
    zone = team.config["TIME_ZONE"]
    now = clock.now().astimezone(zone)
    moved.ahead += now.replace(hour=23, minute=0, second=0) + timedelta(days=1) - now
    for _ in range(7):
        stop()
        work()
        moved.pass_time(hours=1)
    work()
    assert (mail_server.mails, len(receiver.received)) == ([], 7)
    moved.pass_time(hours=1, minutes=1)
    work()
    [mail] = mail_server.mails
    assert mail["Subject"] == "bunqflask: A connection stopped", "all seven say the same"
    assert clock.now().astimezone(zone).hour == 7


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("start", "end", "local", "until"),
    [
        (time(22), time(7), "2026-10-24 23:00", "2026-10-25 07:00"),
        (time(22), time(7), "2026-10-25 06:59", "2026-10-25 07:00"),
        (time(22), time(7), "2026-10-25 07:00", None),
        (time(22), time(7), "2026-10-25 21:59", None),
        (time(12), time(14), "2026-10-25 13:00", "2026-10-25 14:00"),
        (time(12), time(14), "2026-10-25 14:00", None),
        (None, None, "2026-10-25 03:00", None),
    ],
)
def test_quiet_hours_are_of_the_local_day_also_when_the_clocks_change(
    team: Flask, start: time | None, end: time | None, local: str, until: str | None
) -> None:
    zone = team.config["TIME_ZONE"]
    found = Choices(quiet_from=start, quiet_until=end).quiet_end(datetime.fromisoformat(local).replace(tzinfo=zone))
    assert found == (datetime.fromisoformat(until).replace(tzinfo=zone) if until else None)


@pytest.mark.sqlite_only
def test_choices_that_make_no_sense_are_refused(team: Flask) -> None:
    robin = members.require(ROBIN)
    for refused in (
        Choices(quiet_from=time(22)),
        Choices(quiet_from=time(7), quiet_until=time(7)),
        Choices(low_balance=Decimal("1e20")),
        Choices(low_balance=Decimal("0.00001")),
    ):
        with pytest.raises(ChoiceRefused):
            choices.save(robin, refused)
    choices.save(robin, Choices(topics=()))
    assert choices.of(robin.id).topics == (NoticeTopic.SECURITY,), "what concerns the own login is always shown"


def test_a_login_in_a_new_browser_goes_out_too(team: Flask, moved: Clock, mail_server: MailServer) -> None:
    add(ROBIN, ChannelKind.MAIL)
    member_id = members.require(ROBIN).id
    inbox.add_within(member_id, NoticeKind.NEW_BROWSER, browser="Mozilla/5.0 (iPhone) Safari/1", address="192.0.2.7")
    db.session.commit()
    moved.pass_time(seconds=21)
    work()
    assert "in a new browser: Safari on iPhone, from 192.0.2.7." in mail_server.mails[0].get_content()
