"""Cards in batches, codes of virtual cards, credit cards, and the sets of the two unsent kinds of filters."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import JODI, control, session_of
from .test_cards import ACTIONS, CARDS, ordered, shop, wanted


def test_several_cards_are_changed_and_replaced_at_once(bank: Served) -> None:
    client = session_of(bank, JODI)
    first, second = ordered(client)["id"], ordered(client)["id"]
    client.ok("PUT", f"{CARDS}/{second}", {"status": "ACTIVE"})
    body = {"cards": [{"id": first, "status": "ACTIVE"}, {"id": second, "status": "LOST"}]}
    assert client.ok("POST", f"/user/{JODI}/card-batch", body)
    assert client.one(f"{CARDS}/{first}", "Card")["status"] == "ACTIVE"
    assert client.one(f"{CARDS}/{second}", "Card")["status"] == "LOST"
    assert client.ok("POST", f"/user/{JODI}/card-batch-replace", {"cards": [{"id": second}]})
    assert client.one(f"{CARDS}/{second}", "Card")["sub_status"] == "REPLACED"
    assert len(client.get(CARDS)) == 3
    wrongs: list[dict[str, Any]] = [{}, {"cards": []}, {"cards": [{}]}, {"cards": [5]}]
    for wrong in wrongs:
        assert client.refused("POST", f"/user/{JODI}/card-batch", wrong)[0] == 400
        assert client.refused("POST", f"/user/{JODI}/card-batch-replace", wrong)[0] == 400
    assert client.refused("POST", f"/user/{JODI}/card-batch", {"cards": [{"id": 1}]})[0] == 404


def test_credit_card_is_answered_in_full(bank: Served) -> None:
    client = session_of(bank, JODI)
    (item,) = client.ok("POST", f"/user/{JODI}/card-credit", wanted(product_type="CARD_CREDIT"))
    assert item["CardCredit"]["product_type"] == "CARD_CREDIT"
    assert client.one(f"{CARDS}/{item['CardCredit']['id']}", "Card")["second_line"] == "Groceries"


def test_code_of_a_card_is_made_read_and_changed(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{CARDS}/{ordered(client)['id']}/generated-cvc2"
    number = client.create(path, {"type": "GENERATED"})
    shown = client.one(f"{path}/{number}", "CardGeneratedCvc2")
    assert client.get(path) == [{"CardGeneratedCvc2": shown}]
    assert client.ok("PUT", f"{path}/{number}", {"type": "STATIC"}) == [{"Id": {"id": number}}]
    assert client.one(f"{path}/{number}", "CardGeneratedCvc2")["type"] == "STATIC"
    assert client.get(CARDS)[0]["Card"]["card_generated_cvc2"]["id"] == number
    control(bank, "POST", "/clock", {"advance_s": 301})
    assert client.one(f"{path}/{number}", "CardGeneratedCvc2")["status"] == "EXPIRED"
    assert client.refused("PUT", f"{path}/{number}", {"type": "ETERNAL"})[0] == 400
    assert client.refused("GET", f"{path}/1")[0] == 404


def test_card_account_of_an_order_must_be_an_id_of_the_user(bank: Served) -> None:
    client = session_of(bank, JODI)
    for value, code in (("x", 400), ([], 400), (1, 404)):
        body = wanted(pin_code_assignment=[{"type": "PRIMARY", "monetary_account_id": value}])
        assert client.refused("POST", f"/user/{JODI}/card-debit", body)[0] == code
    card = ordered(client)["id"]
    assert client.refused("PUT", f"{CARDS}/{card}", {"monetary_account_id_fallback": "x"})[0] == 400


def test_single_card_payment_is_read(bank: Served) -> None:
    client = session_of(bank, JODI)
    shop(bank, ordered(client, order_status="VIRTUAL_DELIVERY", product_type="MASTERCARD_VIRTUAL")["id"])
    (item,) = client.get(ACTIONS)
    number = item["MasterCardAction"]["id"]
    assert client.one(f"{ACTIONS}/{number}", "MasterCardAction") == item["MasterCardAction"]
    assert client.refused("GET", f"{ACTIONS}/1")[0] == 404


@pytest.mark.parametrize(
    ("word", "wrapper"), [("push", "NotificationFilterPush"), ("email", "NotificationFilterEmail")]
)
def test_filters_for_phone_and_mail_are_kept_as_a_set(bank: Served, word: str, wrapper: str) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/notification-filter-{word}"
    client.ok("POST", path, {"notification_filters": [{"category": "MUTATION"}, {"category": "PAYMENT"}]})
    assert [item[wrapper]["category"] for item in client.get(path)] == ["MUTATION", "PAYMENT"]
    client.ok("POST", path, {"notification_filters": []})
    assert client.get(path) == []


def test_device_and_installation_are_read_by_id(bank: Served) -> None:
    client = session_of(bank, JODI)
    token = {"token": client.installation_token}
    (device,) = client.get("/device", **token)
    assert client.get(f"/device/{next(iter(device.values()))['id']}", **token) == [device]
    (installation,) = client.get("/installation", **token)
    assert client.get(f"/installation/{installation['Id']['id']}", **token) == [installation]
