"""What a generated history leaves beside its payments: cards, card transactions, requests and events.

Each payment has its events, as if it had been made while the bank ran: a purchase by card its transaction, one by iDEAL
and a direct debit its request. They take the ids right behind their payment. An event of the past names the object that
it tells of, rather than keep a copy; nothing of the past is sent to webhooks.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from bunqflask.sandbox.bank import accounts, card_payments, cards, ledger, payment_requests, payments, people
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.clock import bunq_time, parse_bunq_time
from bunqflask.sandbox.bank.ledger import Movement
from bunqflask.sandbox.bank.sample_payments import CARD_COUNTRIES
from bunqflask.sandbox.bank.store import Item, Json, Store

# A movement has two payments, one object beside them and that object's event; then follow the events of the payments.
OBJECT, EVENTS = 2, 3

# The requests that payments of these types belong to: their type and sub-type.
REQUESTS = {"IDEAL": ("IDEAL", "NONE"), "EBA_SDD": ("DIRECT_DEBIT", "RECURRING")}
REQUEST_RESPONSE, ACTION = "request_response", "mastercard_action"

# A refund gives back one of the purchases before it; of so many the history remembers.
PURCHASES_REMEMBERED = 50

_FOREIGN = re.compile(r" (\d+(?:\.\d+)?) ([A-Z]{3}), 1 EUR = [\d.]+ [A-Z]{3}$")

Row = tuple[Any, ...]


def write(bank: Bank, family: list[Item], paying: list[Item], movements: Iterable[Movement]) -> None:
    """Move the money of a history and add what belongs to it.

    `family` are all accounts that the movements touch, `paying` those that have a card. `movements` must neither read
    nor write the store.

    :raises InsufficientFunds, CurrencyMismatch: as `ledger.move_many`.
    """
    store = bank.store
    holders = {each.id: accounts.holders(store, each) for each in family}
    with_card = {each.id: _card(store, each).id for each in paying}
    first = store.next_id(0)
    most = max(map(len, holders.values()))
    ledger.move_many(store, movements, ids_each=EVENTS + most + 2 * most)
    writer = _Writer(store, holders, with_card)
    store.db.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", writer.rows(first))
    store.db.executemany(
        "UPDATE item SET updated = ?, body = json_set(body, '$.reversal_id', ?) WHERE id = ?", writer.reversals
    )
    for created, action_id in writer.unsettled:
        due = parse_bunq_time(created).timestamp() + card_payments.SETTLED_AFTER_S
        store.schedule("card_payment_settles", due, {"action_id": action_id})


def _card(store: Store, account: Item) -> Item:
    """Return the card that an account paid with: the one it has, or one as old as the account."""
    for each in store.select("card", account=account.id):
        if each.body["status"] == "ACTIVE" and not each.body["virtual"]:
            return each
    user = people.by_id(store, account.owner or 0)
    assigned = cards.pin(store, "PRIMARY", "MANUAL", account.id)
    return cards.order(
        store,
        user,
        account,
        virtual=False,
        created=account.created,
        type="MASTERCARD",
        product_type="MASTERCARD_BUSINESS" if user.body["type"] == people.COMPANY else "MASTERCARD_DEBIT",
        second_line="",
        name_on_card=cards.possible_names(user)[0],
        status="ACTIVE",
        order_status="DELIVERED_TO_CUSTOMER",
        pins=[{**assigned, "created": account.created, "updated": account.created}],
        countries=[{"id": store.next_id(), "country": each, "expiry_time": None} for each in CARD_COUNTRIES],
    )


class _Purchase(NamedTuple):
    description: str
    cents: int
    action: int


class _Writer:
    """Writes the rows of what belongs to the payments, in the order of their ids."""

    def __init__(self, store: Store, holders: dict[int, list[int]], with_card: dict[int, int]) -> None:
        self.store = store
        self.holders = holders
        self.with_card = with_card
        self.currencies = {each: ledger.balance(store, each)[1] for each in holders}
        self.most = max(map(len, holders.values()))
        self.settled_before = bunq_time(store.clock.now() - timedelta(seconds=card_payments.SETTLED_AFTER_S))
        self.purchases = {each: deque[_Purchase](maxlen=PURCHASES_REMEMBERED) for each in holders}
        self.reversals: list[tuple[str, int, int]] = []
        self.unsettled: list[tuple[str, int]] = []

    def rows(self, first: int) -> Iterator[Row]:
        """Return the rows of items beside all payments from the id `first` on."""
        for entry in ledger.since(self.store, first):
            behind = entry.movement + EVENTS + self.most
            if entry.type == "MASTERCARD" and entry.sub_type == "REVERSAL":
                yield from self._reversal(entry)
            elif entry.type == "MASTERCARD":
                yield from self._purchase(entry)
            elif entry.type in REQUESTS:
                yield from self._request(entry)
            # The credited side of a payment between own accounts has events of its own.
            yield from self._events(entry, behind + (entry.id - entry.movement) * self.most, "payment", entry.id)

    def _events(self, entry: ledger.Entry, first: int, kind: str, of: int, action: str = "CREATE") -> Iterator[Row]:
        body = json.dumps({"action": action, "status": "FINALIZED", "of": [kind, of]})
        for number, holder in enumerate(self.holders[entry.account]):
            yield first + number, "event", holder, entry.account, None, None, entry.created, entry.created, body

    def _purchase(self, entry: ledger.Entry) -> Iterator[Row]:
        action_id, settled = entry.movement + OBJECT, entry.created < self.settled_before
        updated = entry.created
        if settled:
            updated = _later(entry.created, card_payments.SETTLED_AFTER_S)
        else:
            self.unsettled.append((entry.created, action_id))
        foreign = _FOREIGN.search(entry.description)
        body = card_payments.allowed_body(
            card_id=self.with_card[entry.account],
            merchant=entry.counterparty,
            cents=-entry.amount,
            city=_city(entry),
            country=entry.counterparty["country"],
            description=entry.description,
            payment_id=entry.id,
            withdrawal=entry.sub_type == "WITHDRAWAL",
            clearing="FIRST_PRESENTMENT_COMPLETE" if settled else "PENDING",
            local=[f"{float(foreign[1]):.2f}", foreign[2]] if foreign else None,
        )
        yield self._item(entry, ACTION, body, updated)
        yield from self._events(entry, entry.movement + EVENTS, ACTION, action_id)
        if entry.sub_type == "PAYMENT":
            self.purchases[entry.account].append(_Purchase(entry.description, -entry.amount, action_id))

    def _reversal(self, entry: ledger.Entry) -> Iterator[Row]:
        bought, remembered = (entry.description.removeprefix("Refund "), entry.amount), self.purchases[entry.account]
        purchase = next(each for each in remembered if each[:2] == bought)
        remembered.remove(purchase)
        self.reversals.append((entry.created, entry.id, purchase.action))
        yield from self._events(entry, entry.movement + EVENTS, ACTION, purchase.action, "UPDATE")

    def _request(self, entry: ledger.Entry) -> Iterator[Row]:
        kind, sub_type = REQUESTS[entry.type]
        event_id, currency = entry.movement + EVENTS, self.currencies[entry.account]
        body = payment_requests.from_outside(
            (-entry.amount, currency), entry.description, entry.counterparty, kind=kind, sub_type=sub_type
        )
        body |= {"event_id": event_id, "time_responded": entry.created}
        yield self._item(entry, REQUEST_RESPONSE, body, entry.created)
        yield from self._events(entry, event_id, REQUEST_RESPONSE, entry.movement + OBJECT)

    def _item(self, entry: ledger.Entry, kind: str, body: Json, updated: str) -> Row:
        written = json.dumps(body, ensure_ascii=False)
        owner = self.holders[entry.account][0]
        return entry.movement + OBJECT, kind, owner, entry.account, None, None, entry.created, updated, written


def _later(moment: str, seconds: int) -> str:
    return bunq_time(parse_bunq_time(moment) + timedelta(seconds=seconds))


def _city(entry: ledger.Entry) -> str:
    """Return the city in the description of a purchase, which stands behind the merchant's name."""
    name = "Withdrawal" if entry.sub_type == "WITHDRAWAL" else entry.counterparty["name"]
    return entry.description.removeprefix(f"{name} ").partition(",")[0]


def object_of(store: Store, event: Item) -> Json:
    """Write the object that an event tells of, under its wrapper."""
    kept: Json | None = event.body.get("object")
    if kept is not None:
        return kept
    kind, of = event.body["of"]
    if kind == "payment":
        account = store.get("monetary_account", event.account or 0)
        assert account is not None
        return payments.shape(store, account, of)
    item = store.get(kind, of)
    assert item is not None
    return {ACTION: card_payments.action_shape, REQUEST_RESPONSE: payment_requests.response_shape}[kind](store, item)
