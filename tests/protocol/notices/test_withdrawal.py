"""The holder withdraws the permission in the bunq app: within two minutes everybody concerned knows, everywhere."""

from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from bunqflask import clock
from bunqflask.models import ChannelKind
from tests.protocol.notices.conftest import LOOPBACK, ROBIN, add
from tests.support import consents, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, Bank
from tests.support.conditions import Time
from tests.support.receivers import MailServer, WebServer

NEEDS = "needing attention"


@pytest.fixture
def overrides(mail_server: MailServer) -> dict[str, str]:
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail_server.port),
        "SMTP_SECURITY": "none",
        "MAIL_FROM": "bunqflask@example.org",
        "NOTICE_NETWORKS": LOOPBACK,
    }


def test_a_withdrawal_is_on_the_page_in_the_bell_in_a_mail_and_at_a_webhook_within_two_minutes(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch, mail_server: MailServer, receiver: WebServer
) -> None:
    time = Time(site.app, monkeypatch)
    robin = sign_in(site, ROBIN)
    consents.connect(robin, bank)
    time.work()
    with rows.behind(site.app):
        add(ROBIN, ChannelKind.MAIL)
        hook = add(ROBIN, ChannelKind.WEBHOOK, f"{receiver.url}/hook")
    assert NEEDS not in robin.get("/").html
    assert "Open until" in robin.get("/connections/1").text
    assert (mail_server.mails, receiver.received) == ([], [])

    bank.revoke(JODI)
    robin.get("/connections/1/accounts")
    robin.submit(action="/connections/1/sync")
    asked_at = clock.now()
    for _ in range(3):
        time.work(timedelta(seconds=30))
    assert clock.now() - asked_at < timedelta(minutes=2)

    assert NEEDS in robin.get("/").html
    page = robin.get("/connections").text
    assert "Jodi Walker has stopped updating" in page
    assert "Approve again" in page
    assert "Open until" not in robin.get("/connections/1").text, "the session went with the permission"
    assert "A connection stopped" in robin.get("/notices").text
    [mail] = mail_server.mails
    assert (mail["To"], mail["Subject"]) == (ROBIN, "bunqflask: A connection stopped")
    [called] = receiver.received
    told = Webhook(hook.secret or "").verify(called.body, called.headers)
    assert (told["type"], told["data"]["connection_id"], told["data"]["reason"]) == ("connection.stopped", 1, "refused")

    consents.connect(robin, bank)
    for _ in range(4):
        time.work(timedelta(seconds=40))
    assert NEEDS not in robin.get("/").html
    assert [each["Subject"] for each in mail_server.mails][1:] == ["bunqflask: A connection works again"]
    assert Webhook(hook.secret or "").verify(receiver.received[-1].body, receiver.received[-1].headers)["type"] == (
        "connection.recovered"
    )
    assert len(receiver.received) == 2
