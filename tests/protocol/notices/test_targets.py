"""What an attacker with a login may try: to reach the inside of the network, and to write headers of their own."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
from flask import Flask

from bunqflask.extensions import db
from bunqflask.models import ChannelKind, Connection, DeliveryState
from bunqflask.services.notices import channels, targets
from bunqflask.services.notices.channels import ChannelRefused
from bunqflask.services.notices.targets import TargetRefused
from bunqflask.services.team import members
from tests.protocol.notices.conftest import ROBIN, Clock, add, deliveries, stop, work
from tests.support.receivers import MailServer, WebServer

pytestmark = pytest.mark.sqlite_only
NOWHERE = pytest.mark.settings(NOTICE_NETWORKS="")


class Names:
    """A name server of an attacker: gives the next answers in turn, the last one again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0
        monkeypatch.setattr(socket, "getaddrinfo", self.look_up)

    def look_up(self, host: str, port: int | None, *_rest: Any, **_more: Any) -> list[Any]:
        if host == "hook.attacker.example":
            self.asked += 1
            found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        else:
            # as the real one reads numbers, and addresses
            found = [socket.inet_ntoa(socket.inet_aton("127.0.0.1" if host == "localhost" else host))]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in found]


@NOWHERE
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://[64:ff9b::7f00:1]/x",
        "https://[2002:7f00:1::]/x",
        "https://[fd00::1]/x",
        "https://[fe80::1]/x",
        "https://10.1.2.3/x",
        "https://192.168.1.1/x",
        "https://172.16.0.1/x",
        "https://100.64.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://0.0.0.0/x",
        "https://224.0.0.1/x",
        "http://93.184.215.14/x",
        "https://user:password@93.184.215.14/x",
        "https://93.184.215.14/x#fragment",
        "https://93.184.215.14/a b",
        "https://93.184.215.14/a\r\nX: y",
        "ftp://93.184.215.14/x",
        "file:///etc/passwd",
        "https:///x",
        "https://93.184.215.14:99999/",
        "x",
        "",
    ],
)
def test_what_is_not_a_public_https_address_is_refused(team: Flask, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    Names(monkeypatch, [])
    with pytest.raises(TargetRefused):
        targets.check(url)
    with pytest.raises(TargetRefused):
        targets.post(url, b"", {})
    with pytest.raises(ChannelRefused):
        add(ROBIN, ChannelKind.WEBHOOK, url)


@NOWHERE
@pytest.mark.parametrize(
    "url", ["https://93.184.215.14/x", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8443/x?y=1"]
)
def test_a_public_https_address_is_taken(team: Flask, url: str) -> None:
    targets.check(url)


@NOWHERE
def test_a_name_that_resolves_to_a_private_address_as_well_is_refused(
    team: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    Names(monkeypatch, ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(ChannelRefused, match="private network"):
        add(ROBIN, ChannelKind.WEBHOOK, "https://hook.attacker.example/x")


@NOWHERE
def test_a_name_that_changes_to_a_private_address_after_it_was_added_reaches_nothing(
    team: Flask, monkeypatch: pytest.MonkeyPatch, receiver: WebServer
) -> None:
    port = receiver.url.rpartition(":")[2]
    names = Names(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    add(ROBIN, ChannelKind.WEBHOOK, f"https://hook.attacker.example:{port}/x")
    stop()
    work()
    assert receiver.received == []
    [delivery] = deliveries()
    assert delivery.status is None
    assert "private network" in (delivery.answer or "")
    assert names.asked == 2


def test_the_connection_goes_to_the_address_that_was_checked(
    team: Flask, monkeypatch: pytest.MonkeyPatch, receiver: WebServer
) -> None:
    port = receiver.url.rpartition(":")[2]
    names = Names(monkeypatch, ["127.0.0.1"], ["127.0.0.1"], ["203.0.113.9"])
    add(ROBIN, ChannelKind.WEBHOOK, f"http://hook.attacker.example:{port}/x")
    stop()
    work()
    assert names.asked == 2, "once when it is added, and once for the call: nobody resolves it a second time"
    assert receiver.received[0].headers["host"] == f"hook.attacker.example:{port}"


def test_no_redirect_is_followed(team: Flask, receiver: WebServer) -> None:
    with WebServer().running() as inside:
        receiver.status, receiver.headers = 307, {"Location": f"{inside.url}/inside"}
        add(ROBIN, ChannelKind.WEBHOOK, receiver.url)
        stop()
        work()
        assert (len(receiver.received), inside.received) == (1, [])
    assert (deliveries()[0].state, deliveries()[0].status) == (DeliveryState.WAITING, 307)


def test_no_proxy_of_the_environment_is_used(team: Flask, receiver: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    add(ROBIN, ChannelKind.WEBHOOK, receiver.url)
    stop()
    work()
    assert len(receiver.received) == 1


def test_a_name_with_line_breaks_writes_no_header(
    team: Flask, moved: Clock, receiver: WebServer, mail_server: MailServer
) -> None:
    row = db.session.scalars(db.select(Connection)).one()
    row.display_name = "Jodi\r\nBcc: evil@example.org\r\n\r\n<b>hi</b>\x00\u202e"
    db.session.commit()
    add(ROBIN, ChannelKind.MAIL)
    add(ROBIN, ChannelKind.NTFY, receiver.url)
    stop()
    work()
    moved.pass_time(seconds=21)
    work()
    [mail] = mail_server.mails
    assert mail_server.recipients == [[ROBIN]]
    assert mail["Bcc"] is None
    assert "Jodi Bcc: evil@example.org <b>hi</b> has stopped updating" in mail.get_content()
    assert "\u202e" not in mail.get_content()
    assert len(receiver.received) == 1


def test_no_log_line_names_an_address_a_secret_or_a_text(
    team: Flask, moved: Clock, receiver: WebServer, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.status, receiver.body = 500, b"an answer of theirs"
    added = add(ROBIN, ChannelKind.WEBHOOK, f"{receiver.url}/secret-path?key=secret-key")
    add(ROBIN, ChannelKind.NTFY, f"{receiver.url}/secret-topic")
    mail_server.answer = "451 a text of the mail server"
    add(ROBIN, ChannelKind.MAIL)
    stop()
    work()
    moved.pass_time(seconds=21)
    work()
    assert (len(receiver.received), len(deliveries(state=DeliveryState.WAITING))) == (2, 3)
    ours = [each for each in caplog.records if not each.name.startswith("mail.")]
    assert any("failed: 500" in each.getMessage() for each in ours)
    everything = "\n".join(each.getMessage() for each in ours)
    for secret in ("secret-path", "secret-key", "secret-topic", added.secret or "-", "Jodi", "answer of theirs"):
        assert secret not in everything
    # The audit trail says who added a channel.
    assert not any(ROBIN in each.getMessage() for each in ours if each.name != "bunqflask.audit")


def test_a_member_cannot_send_tests_without_end(team: Flask, receiver: WebServer) -> None:
    added, robin = add(ROBIN, ChannelKind.NTFY, receiver.url), members.require(ROBIN)
    for _ in range(20):
        assert channels.test(robin, added.id).state is DeliveryState.DELIVERED
    with pytest.raises(ChannelRefused, match="many tests"):
        channels.test(robin, added.id)
    assert len(receiver.received) == 20
