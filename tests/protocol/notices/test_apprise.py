"""Messages by Apprise: to hosted services alone; nothing that a member writes reaches the inside of this server."""

from __future__ import annotations

import importlib
import json
import logging

import pytest
from flask import Flask

from bunqflask.extensions import db
from bunqflask.models import AuditEvent, ChannelKind, DeliveryState
from bunqflask.services.notices import apprise_services, channels
from bunqflask.services.notices.channels import ChannelRefused
from bunqflask.services.team import members
from tests.protocol.notices.conftest import ROBIN, Clock, add, channel, deliveries, stop, work
from tests.support.receivers import WebServer

# A module of Apprise that is not used here imports a deprecated one.
pytestmark = [pytest.mark.sqlite_only, pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")]
BOT, CHAT = "123456789:abcdefghijklmnopqrstuvwxyz_secret", "12315544"
TELEGRAM = f"tgram://{BOT}/{CHAT}"
INSTALLED = pytest.mark.skipif(not apprise_services.is_installed(), reason="needs the package apprise")


@pytest.fixture
def telegram(receiver: WebServer, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    """A server in the place of Telegram's, which Apprise knows by an address of its own."""
    plugins = pytest.importorskip("apprise.plugins.telegram")
    monkeypatch.setattr(plugins.NotifyTelegram, "notify_url", f"{receiver.url}/bot")
    receiver.status, receiver.body = 200, b'{"ok": true, "result": {}}'
    return receiver


@pytest.mark.parametrize(
    "address",
    [
        # programs and devices of this server
        "dbus://",
        "macosx://",
        "windows://",
        "gnome://",
        "glib://",
        "blink1://",
        "syslog://",
        "custom://x",
        # hosts that the member chooses: the inside of this network
        "json://127.0.0.1/x",
        "jsons://169.254.169.254/latest/meta-data",
        "xml://localhost",
        "form://10.0.0.1:8080/x",
        "apprise://192.168.1.1/token",
        "mailto://user:password@10.0.0.1",
        "mqtt://localhost/topic",
        "rsyslog://127.0.0.1",
        "matrix://user:password@127.0.0.1",
        "smpp://127.0.0.1",
        "ntfy://127.0.0.1/topic",
        "http://127.0.0.1/x",
        "https://discord.com/api/webhooks/1/token",
        "file:///etc/passwd",
        # options of a service that is permitted: a file of this server as a template, no check of TLS, another mode
        "discord://1234567890/token?template=/etc/passwd",
        "discord://1234567890/token/?template=file:///etc/passwd",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?template=http://127.0.0.1/x",
        f"{TELEGRAM}?verify=no",
        f"{TELEGRAM}%3Ftemplate=/etc/passwd",
        f"{TELEGRAM}&template=/etc/passwd",
        # another address behind the first
        f"{TELEGRAM}, json://127.0.0.1",
        f"{TELEGRAM} json://127.0.0.1",
        f"{TELEGRAM}\njson://127.0.0.1",
        f"TGRAM://{BOT}/{CHAT}",
        f" {TELEGRAM}",
        f"tgram://{'a' * 1000}/1",
        "tgram",
        "tgram://",
        "",
    ],
)
def test_what_is_no_plain_address_of_a_hosted_service_is_refused(team: Flask, address: str) -> None:
    with pytest.raises(ChannelRefused, match="Write an address of Apprise for one of these"):
        add(ROBIN, ChannelKind.APPRISE, address)
    assert channels.list_for(members.require(ROBIN)) == []


def test_without_the_package_it_is_neither_offered_nor_added(team: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_services, "is_installed", lambda: False)
    with pytest.raises(ChannelRefused, match="pip install apprise"):
        add(ROBIN, ChannelKind.APPRISE, TELEGRAM)


@INSTALLED
@pytest.mark.parametrize("scheme", apprise_services.SERVICES)
def test_each_service_has_a_host_of_its_own_in_apprise(scheme: str) -> None:
    plugin = importlib.import_module("apprise.manager_plugins").NotificationManager()[scheme]
    addresses = [getattr(plugin, name) for name in dir(plugin) if name.endswith("_url") and name not in ("setup_url",)]
    hosts = {each.split("/")[2] for each in addresses if isinstance(each, str) and each.startswith("http")}
    assert hosts
    assert not any("{" in each for each in hosts), "a host that the address decides"
    assert not {"host", "hostname", "schema_host"} & set(plugin.template_tokens)


@INSTALLED
def test_an_address_that_apprise_does_not_understand_is_refused_and_not_logged(
    team: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ChannelRefused, match="does not understand this address of Telegram"):
        add(ROBIN, ChannelKind.APPRISE, "tgram://not-the-token-of-a-bot/1")
    assert "not-the-token" not in caplog.text


def test_a_stop_reaches_a_service_once_and_its_address_is_shown_nowhere(
    team: Flask, moved: Clock, telegram: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    added = add(ROBIN, ChannelKind.APPRISE, TELEGRAM)
    shown = channels.find(members.require(ROBIN), added.id)
    assert (shown.host, added.secret) == ("Telegram", None)
    stored = db.session.execute(db.text("SELECT address_sealed FROM notice_channel")).scalar_one()
    assert BOT.encode() not in bytes(stored)
    stop()
    work()
    assert telegram.received == [], "it waits for what happens together"
    moved.pass_time(seconds=21)
    work()
    [called] = telegram.received
    assert called.path == f"/bot{BOT}/sendMessage"
    told = json.loads(called.body)
    assert str(told["chat_id"]) == CHAT
    assert "A connection stopped" in told["text"]
    assert "Jodi Walker has stopped updating" in told["text"]
    [delivery] = deliveries()
    assert (delivery.state, delivery.status) == (DeliveryState.DELIVERED, 200)
    assert delivery.answer == "Telegram took the message."
    work()
    assert len(telegram.received) == 1
    subjects = db.session.scalars(db.select(AuditEvent.subject)).all()
    assert "apprise Telegram" in subjects
    for text in (caplog.text, str(subjects), str(delivery.sent), str(delivery.answer)):
        assert "secret" not in text


def test_a_service_that_refuses_is_tried_again(team: Flask, telegram: WebServer) -> None:
    telegram.status, telegram.body = 401, b'{"ok": false, "description": "Unauthorized"}'
    added = add(ROBIN, ChannelKind.APPRISE, TELEGRAM)
    tried = channels.test(members.require(ROBIN), added.id)
    assert (tried.state, tried.status) == (DeliveryState.FAILED, None)
    assert tried.answer == "Telegram did not take the message. If that goes on, check the address."
    assert channel(added.id).delivered_at is None


def test_a_digest_that_is_too_long_for_one_message_comes_whole(
    team: Flask, moved: Clock, telegram: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = pytest.importorskip("apprise.plugins.telegram")
    monkeypatch.setattr(plugins.NotifyTelegram, "body_maxlen", 120)
    add(ROBIN, ChannelKind.APPRISE, TELEGRAM)
    stop()
    work()
    moved.pass_time(seconds=21)
    work()
    assert len(telegram.received) > 1
    everything = "".join(json.loads(each.body)["text"] for each in telegram.received)
    assert "/connections/" in everything
    assert [each.state for each in deliveries()] == [DeliveryState.DELIVERED]


def test_no_redirect_of_a_service_is_followed(team: Flask, telegram: WebServer) -> None:
    with WebServer().running() as inside:
        telegram.status, telegram.headers = 307, {"Location": f"{inside.url}/inside"}
        added = add(ROBIN, ChannelKind.APPRISE, TELEGRAM)
        assert channels.test(members.require(ROBIN), added.id).state is DeliveryState.FAILED
        assert (len(telegram.received), inside.received) == (1, [])
