"""Notes: texts and attachments on everything that takes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bunqflask.sandbox.resources import note
from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, App, Client, new_user, session_of
from .test_attachment import upload
from .test_cards import ordered, shop
from .test_drafts import draft
from .test_payments import order
from .test_requests import DADDY, asked
from .test_schedules import advance, in_future, scheduled

A = f"/user/{JODI}/monetary-account/{MAIN}"


def card_payment(bank: Served, client: Client) -> str:
    """Pay by card and return the path of the card payment."""
    card = ordered(client, order_status="VIRTUAL_DELIVERY", product_type="MASTERCARD_VIRTUAL")
    shop(bank, card["id"])
    return f"{A}/mastercard-action/{client.get(f'{A}/mastercard-action')[0]['MasterCardAction']['id']}"


def asked_of_jodi(bank: Served, client: Client) -> str:
    """Let somebody ask Jodi for money and return the path of her side."""
    other = new_user(bank)
    account = next(iter(other.get(f"/user/{other.user_id}/monetary-account")[0].values()))["id"]
    jodi = {"type": "IBAN", "value": "NL65BUNQ2090411945", "name": "Jodi Walker"}
    other.create(f"/user/{other.user_id}/monetary-account/{account}/request-inquiry", asked("1.00", jodi))
    return f"{A}/request-response/{client.get(f'{A}/request-response')[0]['RequestResponse']['id']}"


def scheduled_run(bank: Served, client: Client) -> str:
    """Let a scheduled payment run and return the path of the run."""
    number = scheduled_payment(bank, client).rpartition("/")[2]
    advance(bank, client, 3700)
    runs = f"{A}/schedule/{number}/schedule-instance"
    return f"{runs}/{client.get(runs)[0]['ScheduledInstance']['id']}"


def create(word: str, body: object) -> Callable[[Served, Client], str]:
    """Return a maker of the thing that a path's last word creates."""
    return lambda bank, client: f"{A}/{word}/{client.create(f'{A}/{word}', body)}"


def scheduled_payment(bank: Served, client: Client) -> str:
    """Schedule a payment for an hour from now and return its path."""
    return create("schedule-payment", scheduled())(bank, client)


def scheduled_batch(bank: Served, client: Client) -> str:
    """Schedule two payments and return their path."""
    times = {"time_start": in_future(3600), "recurrence_unit": "DAILY", "recurrence_size": 1}
    body = {"payments": [order("1.00"), order("2.00")], "schedule": times}
    return create("schedule-payment-batch", body)(bank, client)


BOTH = {
    "request_inquiries": [asked("1.00", DADDY), asked("2.00", DADDY)],
    "total_amount_inquired": {"value": "3.00", "currency": "EUR"},
}
NOTED: dict[str, Callable[[Served, Client], str]] = {
    "payment": create("payment", order("1.00")),
    "payment-batch": create("payment-batch", {"payments": [order("1.00"), order("2.00")]}),
    "draft-payment": create("draft-payment", draft()),
    "request-inquiry": create("request-inquiry", asked("1.00", DADDY)),
    "request-inquiry-batch": create("request-inquiry-batch", BOTH),
    "request-response": asked_of_jodi,
    "mastercard-action": card_payment,
    "schedule-payment": scheduled_payment,
    "schedule-payment-batch": scheduled_batch,
    "schedule-instance": scheduled_run,
}


@pytest.mark.parametrize("word", NOTED)
def test_thing_takes_notes_that_can_be_read_changed_and_erased(bank: Served, word: str) -> None:
    client = session_of(bank, JODI)
    thing = NOTED[word](bank, client)
    texts, files = f"{thing}/note-text", f"{thing}/note-attachment"
    assert client.get(texts) == client.get(files) == []

    text = client.create(texts, {"content": "for the books 📚"})
    shown = client.one(f"{texts}/{text}", "NoteText")
    assert (shown["id"], shown["content"]) == (text, "for the books 📚")
    assert shown["label_user_creator"]["display_name"] == "Jodi Walker"
    assert client.ok("PUT", f"{texts}/{text}", {"content": "seen"}) == [{"Id": {"id": text}}]
    assert client.get(texts)[0]["NoteText"]["content"] == "seen"

    receipt = upload(client)
    file = client.create(files, {"attachment_id": receipt, "description": "receipt"})
    shown = client.one(f"{files}/{file}", "NoteAttachment")
    assert shown["description"] == "receipt"
    assert shown["attachment"] == [{"id": receipt, "monetary_account_id": MAIN}]
    client.ok("PUT", f"{files}/{file}", {"description": "bill"})
    assert client.get(files)[0]["NoteAttachment"]["description"] == "bill"

    for note_path in (f"{texts}/{text}", f"{files}/{file}"):
        assert client.ok("DELETE", note_path) == []
        assert client.refused("GET", note_path)[0] == 404
    assert client.get(texts) == client.get(files) == []


def test_every_kind_of_thing_that_exists_here_is_tried_above() -> None:
    made = {word for word, kind in note.NOTED.items() if kind != ""}
    assert made | {"schedule-instance"} == set(NOTED)


@pytest.mark.parametrize("word", sorted(note.NOTED))
def test_notes_on_what_is_not_there_are_refused(bank: Served, word: str) -> None:
    client = session_of(bank, JODI)
    for kind, body in (("note-text", {"content": "x"}), ("note-attachment", {"attachment_id": 1})):
        assert client.refused("GET", f"{A}/{word}/1/{kind}")[0] == 404
        assert client.refused("POST", f"{A}/{word}/1/{kind}", body)[0] == 404


def test_wrong_notes_are_refused(bank: Served) -> None:
    client = session_of(bank, JODI)
    payment = NOTED["payment"](bank, client)
    assert client.refused("POST", f"{payment}/note-text", {})[0] == 400
    assert client.refused("POST", f"{payment}/note-text", {"content": 5})[0] == 400
    assert client.refused("POST", f"{payment}/note-attachment", {"description": "x"})[0] == 400
    assert client.refused("POST", f"{payment}/note-attachment", {"attachment_id": 1})[0] == 404
    stranger = new_user(bank)
    account = next(iter(stranger.get(f"/user/{stranger.user_id}/monetary-account")[0].values()))["id"]
    foreign = f"/user/{stranger.user_id}/monetary-account/{account}/payment/{payment.rpartition('/')[2]}/note-text"
    assert stranger.refused("GET", foreign)[0] == 404


def test_app_notes_on_chosen_accounts_only(bank: Served) -> None:
    client = session_of(bank, JODI)
    payment = NOTED["payment"](bank, client)
    app = App(new_user(bank, "company"))
    assert app.connect(JODI, [MAIN]).create(f"{payment}/note-text", {"content": "from the app"})
    assert client.get(f"{payment}/note-text")[0]["NoteText"]["content"] == "from the app"
    assert app.connect(JODI, [CAR]).refused("GET", f"{payment}/note-text")[0] == 404
