"""Attachments and avatars: bytes up, the same bytes down, and who may see them."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, SECOND, App, Client, new_user, session_of


def png(width: int = 3, height: int = 2) -> bytes:
    """Return a small black picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\0" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURE = png()
PNG = {"Content-Type": "image/png", "X-Bunq-Attachment-Description": "a receipt"}


def upload(client: Client, account: int = MAIN) -> int:
    """Upload the picture to an account."""
    return client.create(f"/user/{client.user_id}/monetary-account/{account}/attachment", raw=PICTURE, headers=PNG)


def upload_public(client: Client, content: bytes = PICTURE) -> str:
    """Upload a public picture."""
    (item,) = client.ok("POST", "/attachment-public", raw=content, headers=PNG)
    name: str = item["Uuid"]["uuid"]
    return name


def test_uploaded_bytes_come_back_unchanged_with_their_type(bank: Served) -> None:
    client = session_of(bank, JODI)
    id = upload(client)
    for path in (f"/user/{JODI}/monetary-account/{MAIN}/attachment/{id}", f"/user/{JODI}/attachment/{id}"):
        answer = client.call("GET", f"{path}/content")
        assert answer.status_code == 200
        assert answer.content == PICTURE
        assert answer.headers["Content-Type"] == "image/png"
        assert "X-Bunq-Server-Signature" in answer.headers
    shown = client.one(f"/user/{JODI}/attachment/{id}", "AttachmentUser")
    assert shown["attachment"]["description"] == "a receipt"
    assert shown["attachment"]["content_type"] == "image/png"
    assert shown["attachment"]["urls"][0]["type"] == "ORIGINAL"


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({**PNG, "Content-Type": "text/html"}, PICTURE),
        ({**PNG, "Content-Type": ""}, PICTURE),
        ({"Content-Type": "image/png"}, PICTURE),
        (PNG, b""),
    ],
)
def test_upload_without_type_description_or_content_is_refused(
    bank: Served, headers: dict[str, str], content: bytes
) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/monetary-account/{MAIN}/attachment"
    assert client.refused("POST", path, raw=content, headers=headers)[0] == 400


def test_attachment_is_found_under_its_own_account_and_user_only(bank: Served) -> None:
    client, stranger = session_of(bank, JODI), new_user(bank)
    id = upload(client)
    assert client.refused("GET", f"/user/{JODI}/monetary-account/{CAR}/attachment/{id}/content")[0] == 404
    assert stranger.refused("GET", f"/user/{stranger.user_id}/attachment/{id}")[0] == 404
    assert stranger.refused("GET", f"/user/{stranger.user_id}/attachment/{id}/content")[0] == 404
    assert client.refused("GET", f"/user/{JODI}/attachment/1")[0] == 404


def test_app_sees_attachments_of_the_chosen_accounts_only(bank: Served) -> None:
    client = session_of(bank, JODI)
    shared, kept = upload(client, MAIN), upload(client, CAR)
    app = App(new_user(bank, "company")).connect(JODI, [MAIN, SECOND])
    assert app.one(f"/user/{JODI}/attachment/{shared}", "AttachmentUser")["id"] == shared
    assert app.refused("GET", f"/user/{JODI}/attachment/{kept}")[0] == 404
    assert app.refused("GET", f"/user/{JODI}/attachment/{kept}/content")[0] == 404
    assert upload(app)
    path = f"/user/{JODI}/monetary-account/{CAR}/attachment"
    assert app.refused("POST", path, raw=PICTURE, headers=PNG)[0] == 404


def test_app_passes_on_no_file_of_an_account_that_it_may_not_see(bank: Served) -> None:
    jodi, app = session_of(bank, JODI), App(new_user(bank)).connect(JODI, [MAIN, SECOND])
    hidden, seen = upload(jodi, CAR), upload(jodi, MAIN)
    path = f"/user/{JODI}/monetary-account/{MAIN}"
    amount, bravo = {"value": "1.00", "currency": "EUR"}, {"type": "EMAIL", "value": "bravo@bunq.com"}

    def with_file(id: int) -> dict[str, Any]:
        own = {"type": "IBAN", "value": "NL55BUNQ2090409118", "name": "me"}
        return {"amount": amount, "counterparty_alias": own, "description": "", "attachment": [{"id": id}]}

    def request(id: int) -> dict[str, Any]:
        more = {"amount_inquired": amount, "counterparty_alias": bravo, "allow_bunqme": False}
        return {**with_file(id), **more}

    def draft(id: int) -> dict[str, Any]:
        return {"entries": [with_file(id)], "number_of_required_accepts": 1}

    for word, body in (("payment", with_file), ("request-inquiry", request), ("draft-payment", draft)):
        assert app.refused("POST", f"{path}/{word}", body(hidden))[0] == 404
        assert app.create(f"{path}/{word}", body(seen))
        assert len(app.get(f"{path}/{word}?count=200&newer_id={hidden}")) == 1
    note = f"{path}/payment/{app.get(f'{path}/payment')[0]['Payment']['id']}/note-attachment"
    assert app.refused("POST", note, {"attachment_id": hidden})[0] == 404
    assert app.create(note, {"attachment_id": seen})


def test_receiver_of_a_payment_can_open_what_came_with_it(bank: Served) -> None:
    client, other = session_of(bank, JODI), new_user(bank)
    (account,) = other.get(f"/user/{other.user_id}/monetary-account")
    mine = account["MonetaryAccountBank"]
    to = {**mine["alias"][-1]}
    id = upload(client)
    path = f"/user/{other.user_id}/monetary-account/{mine['id']}"
    assert other.refused("GET", f"{path}/attachment/{id}/content")[0] == 404
    body: dict[str, Any] = {"amount": {"value": "1.00", "currency": "EUR"}, "counterparty_alias": to}
    body |= {"description": "with receipt", "attachment": [{"id": id}]}
    sent = client.create(f"/user/{JODI}/monetary-account/{MAIN}/payment", body)
    shown = client.one(f"/user/{JODI}/monetary-account/{MAIN}/payment/{sent}", "Payment")
    assert shown["attachment"] == [{"id": id, "monetary_account_id": MAIN}]
    assert other.call("GET", f"{path}/attachment/{id}/content").content == PICTURE


def test_public_attachment_is_readable_for_everybody(bank: Served) -> None:
    name = upload_public(session_of(bank, JODI))
    stranger = new_user(bank)
    shown = stranger.one(f"/attachment-public/{name}", "AttachmentPublic")
    assert (shown["uuid"], shown["attachment"]["content_type"]) == (name, "image/png")
    answer = stranger.call("GET", f"/attachment-public/{name}/content")
    assert (answer.content, answer.headers["Content-Type"]) == (PICTURE, "image/png")
    unknown = "00000000-0000-4000-8000-000000000000"
    assert stranger.refused("GET", f"/attachment-public/{unknown}")[0] == 404
    assert stranger.refused("GET", f"/attachment-public/{unknown}/content")[0] == 404


def test_avatar_is_made_of_a_public_picture_and_knows_its_size(bank: Served) -> None:
    client = session_of(bank, JODI)
    picture = upload_public(client, png(48, 32))
    (item,) = client.ok("POST", "/avatar", {"attachment_public_uuid": picture})
    shown = client.one(f"/avatar/{item['Uuid']['uuid']}", "Avatar")
    assert shown["uuid"] == item["Uuid"]["uuid"]
    (image,) = shown["image"]
    assert (image["width"], image["height"], image["content_type"]) == (48, 32, "image/png")
    assert image["attachment_public_uuid"] == picture
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x10\x00\x20rest"
    (item,) = client.ok("POST", "/avatar", {"attachment_public_uuid": upload_public(client, jpeg)})
    (image,) = client.one(f"/avatar/{item['Uuid']['uuid']}", "Avatar")["image"]
    assert (image["width"], image["height"]) == (32, 16)
    for wrong in (None, "x", "00000000-0000-4000-8000-000000000000"):
        assert client.refused("POST", "/avatar", {"attachment_public_uuid": wrong})[0] == 400
    (item,) = client.ok(
        "POST", "/attachment-public", raw=b"%PDF-1.4", headers={**PNG, "Content-Type": "application/pdf"}
    )
    assert client.refused("POST", "/avatar", {"attachment_public_uuid": item["Uuid"]["uuid"]})[0] == 400
    assert client.refused("GET", "/avatar/00000000-0000-4000-8000-000000000000")[0] == 404
