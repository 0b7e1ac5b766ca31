"""A database with a long history, stored as a reading stores it; made once and kept, as a million takes minutes."""

import itertools
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from flask import Flask

from bunqflask import clock, create_app
from bunqflask.bunq.payment import Payment
from bunqflask.bunq.resources import Amount
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import AccountSync, MonetaryAccount
from bunqflask.models.payments import row_id
from bunqflask.services.payments import aggregates
from bunqflask.services.sync import payment_rows, payment_store, reconciliation
from tests.bench import databases
from tests.bench.servers import free_url
from tests.support import bank as banks
from tests.support.apps import environ_for, let_go, migrate
from tests.support.consents import ROBIN, fill_connected

EMAIL = ROBIN
NEWEST = datetime(2026, 6, 30, 12, tzinfo=UTC)
YEARS = 8
_AT_ONCE = 5_000
_FIRST_ID, _ID_STEP = 1_000_000, 3
# One account gets most of it, as people's main accounts do.
_SHARES = (70, 15, 10, 5)
_PLACES = ("Utrecht", "Köln", "Zürich", "Groningen", "São Paulo", "Leiden", "Malmö", "Gent", "Ede", "Łódź")
_TRADES = ("Bakkerij", "Café", "Garage", "Supermarkt", "Apotheek", "Boekhandel", "Restaurant", "Tandarts", "Energie")
_NAMES = ("de Vries", "Jansen", "Okafor", "Müller", "Nguyễn", "Smit", "Visser", "Bos", "Peters", "van Dijk", "Yılmaz")
_TEXTS = ("bread and rolls", "rent", "invoice", "groceries", "a round of coffee", "repair", "refund", "monthly bill")
_TYPES = ("BUNQ", "EBA_SCT", "MASTERCARD", "IDEAL", "SWIFT")


def database(size: int) -> str:
    """Return the URL of a database with so many payments of one member, made now unless an earlier run kept it."""
    name = f"payments_{size}"
    url, is_filled = databases.lasting(name)
    if not is_filled:
        print(f"making a database of {size:,} payments, once; a million takes some minutes ...", file=sys.stderr)
        _make(url, size)
        databases.filled(name)
    migrate(url)
    _keep_sums(url)
    return url


def environ(url: str) -> dict[str, str]:
    """Return the settings of an app on such a database; there is no bank behind it."""
    return environ_for(banks.Bank("http://127.0.0.1:9"), url, PUBLIC_URL=free_url())


def application(url: str) -> Flask:
    """Return an app on such a database."""
    return create_app(Config.from_env(environ(url)))


def row_of(number: int) -> int:
    """Return a row id at the payment with a number, counted from the oldest one."""
    return row_id(_FIRST_ID + number * _ID_STEP, 0)


def _make(url: str, size: int) -> None:
    fill_connected(url)
    app = application(url)
    with app.app_context():
        _fill(size)
        db.session.remove()
    let_go(app)


def _keep_sums(url: str) -> None:
    """Make the sums that are missing, as the next reading would."""
    app = application(url)
    with app.app_context():
        for account in db.session.scalars(db.select(MonetaryAccount)).all():
            aggregates.rebuild(account)
        db.session.remove()
    let_go(app)


def _fill(size: int) -> None:
    accounts = list(db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id)))
    invented = _invented(size, accounts)
    while batch := list(itertools.islice(invented, _AT_ONCE)):
        for account in accounts:
            found = [each for owner, each in batch if owner is account]
            payment_store.store(account.id, payment_store.prepare(payment_rows.rows_of(account.id, found)))
        db.session.commit()
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(db.text("VACUUM ANALYZE"))  # as the server does by itself before long
    for account in accounts:
        db.session.add(AccountSync(id=account.id, stretches=[[2**40, 1, True]], synced_at=clock.now(), breaks=[]))
        db.session.commit()
        proof = reconciliation.prove(account)
        db.session.get_one(AccountSync, account.id).verified_id = proof.verified_id
        db.session.commit()


def _invented(size: int, accounts: list[MonetaryAccount]) -> Iterator[tuple[MonetaryAccount, Payment]]:
    """Yield payments in time order, the same ones at every run; balances add up from zero."""
    rng = random.Random(size)
    balances = {account.id: Decimal(0) for account in accounts}
    step = timedelta(days=365 * YEARS) / size
    begun = NEWEST - step * size
    for number in range(size):
        [account] = rng.choices(accounts, _SHARES[: len(accounts)])
        other = rng.choice(accounts) if rng.random() < 0.05 else None
        value = Decimal(rng.randint(-20_000, 20_000) or 1) / 100
        balances[account.id] += value
        name = f"{rng.choice(_TRADES)} {rng.choice(_NAMES)} {rng.choice(_PLACES)}"
        iban = f"NL{rng.randint(10, 99)}TEST{rng.randint(0, 9999):010}"
        if other is not None and other is not account and other.iban:
            name, iban = other.description, other.iban
        at = begun + step * number
        yield (
            account,
            Payment(
                payment_id=_FIRST_ID + number * _ID_STEP,
                monetary_account_id=account.monetary_account_id,
                created_at=at,
                updated_at=at,
                amount=Amount("EUR", value),
                balance_after=Amount("EUR", balances[account.id]),
                description=f"{rng.choice(_TEXTS)} {rng.randint(1, 99_999)}",
                type=rng.choice(_TYPES),
                sub_type="PAYMENT",
                counterparty_name=name,
                counterparty_iban=iban,
                raw=f'{{"id":{_FIRST_ID + number * _ID_STEP},"description":"see the columns"}}',
            ),
        )
