"""While an export is written nobody waits for it, and all of its files show one state of the database."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from bunqflask.database.transactions import transaction
from bunqflask.exports import pack
from bunqflask.exports.formats import FORMATS
from bunqflask.exports.statement import Entry, ExportError
from bunqflask.extensions import db
from bunqflask.models import (
    AccountSync,
    Connection,
    CoveredRange,
    Discrepancy,
    MonetaryAccount,
    Pack,
    PackAccount,
    Payment,
)
from bunqflask.services.consent.disconnect import disconnect
from bunqflask.services.exports import downloads, statements
from bunqflask.services.exports.downloads import Download
from bunqflask.services.exports.snapshot import Snapshot
from bunqflask.services.exports.statements import Period
from bunqflask.services.payments import repository
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.team import members
from bunqflask.services.team.members import Member
from tests.support import consents, rows, stored_payments

COUNT = 2_300


@pytest.fixture
def robin(connected_app: Flask) -> Iterator[Member]:
    """Robin, with payments from 2025 in every account."""
    for account in rows.monetary_accounts():
        stored_payments.store(account, COUNT if account.id == 1 else 5, text=lambda number: f"bread {number}")
    db.session.remove()
    yield members.require(consents.ROBIN)
    db.session.remove()


def period(first: str = "2025-01-01", last: str = "2025-12-31") -> Period:
    return Period(first_day=date.fromisoformat(first), last_day=date.fromisoformat(last), zone=statements.zone())


def make(member: Member, formats: list[str], when: Period | None = None, account_ids: tuple[int, ...] = ()) -> Download:
    scope = repository.scope_of(member)
    return downloads.make(member, scope, account_ids=account_ids, formats=formats, period=when or period())


def content(download: Download) -> bytes:
    with download.file as file:
        return file.read()


def opened(download: Download) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(content(download)))


def balances(made: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    found = csv.DictReader(io.StringIO(made.read("balances.csv").decode("utf-8-sig")))
    return {row["account_id"]: row for row in found}


def is_idle() -> bool:
    """Tell whether the app holds no transaction, as the database sees it."""
    if db.engine.dialect.name == "sqlite":
        with db.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA busy_timeout=0").close()
            [is_busy, *_] = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not is_busy
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND (state LIKE 'idle in transaction%' OR backend_xmin IS NOT NULL)"
    )
    with db.engine.connect() as connection:
        return int(connection.scalar(query) or 0) == 0


def test_no_transaction_is_open_while_formats_are_written_and_all_show_one_state(
    robin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    entries = Snapshot.entries

    def entries_while_others_write(self: Snapshot, account_id: int) -> Iterator[Entry]:
        looks.append(is_idle())
        number = COUNT + len(looks)
        account = db.session.get_one(MonetaryAccount, 1)
        stored_payments.store(account, 1, text=lambda _: "while it is written", first=number)
        db.session.remove()
        yield from entries(self, account_id)

    monkeypatch.setattr(Snapshot, "entries", entries_while_others_write)
    made = opened(make(robin, list(FORMATS)))
    assert len(looks) > len(FORMATS)
    assert all(looks)
    listed = list(csv.DictReader(io.StringIO(made.read("payments-20250101-20251231.csv").decode("utf-8-sig"))))
    lines = made.read("payments-20250101-20251231.jsonl").decode().splitlines()
    manifest = json.loads(made.read("manifest.json"))
    counted = sum(account["payments"] for account in manifest["accounts"])
    of_payments = [line for line in lines if json.loads(line).get("payment_id")]
    assert len(listed) == counted == len(of_payments) == COUNT + 5 * (len(manifest["accounts"]) - 1)
    assert manifest["verified"]
    assert b"while it is written" not in b"".join(made.read(name) for name in made.namelist())


def test_payments_are_listed_by_booking_time_then_id(robin: Member) -> None:
    account_id = 1
    query = db.select(Payment).where(Payment.account_id == account_id).order_by(Payment.id)
    first, second, third = db.session.scalars(query.limit(3))
    first.created_at, third.created_at = third.created_at, second.created_at
    expected = [second.payment_id, third.payment_id, first.payment_id]
    db.session.commit()
    listed = csv.DictReader(io.StringIO(content(make(robin, ["csv"], account_ids=(account_id,))).decode("utf-8-sig")))
    assert [int(row["payment_id"]) for row in listed][:3] == expected


def test_a_period_begins_and_ends_at_midnight_of_the_sites_zone(robin: Member) -> None:
    account = db.session.get_one(MonetaryAccount, 2)
    query = db.select(Payment).where(Payment.account_id == account.id).order_by(Payment.id)
    # Amsterdam is an hour ahead of UTC in January.
    times = ("09T22:59:59.9", "09T23:00:00", "10T22:59:59.9", "10T23:00:00", "11T09:00:00")
    found = list(db.session.scalars(query))
    for payment, at in zip(found, times, strict=True):
        payment.created_at = datetime.fromisoformat(f"2025-01-{at}").replace(tzinfo=UTC)
    expected, number = [str(found[1].payment_id), str(found[2].payment_id)], str(account.monetary_account_id)
    db.session.commit()
    made = opened(make(robin, ["csv", "qif"], period("2025-01-10", "2025-01-10"), account_ids=(2,)))
    listed = csv.DictReader(io.StringIO(made.read("payments-20250110-20250110.csv").decode("utf-8-sig")))
    assert [row["payment_id"] for row in listed] == expected
    assert (balances(made)[number]["opening"], balances(made)[number]["closing"]) == ("1.00", "3.00")


@pytest.mark.parametrize(("difference", "told"), [("56.00", "56.00 EUR"), ("-0.01", "-0.01 EUR"), ("0", "")])
def test_a_pack_says_what_bunqs_balance_holds_and_the_payments_do_not(
    robin: Member, difference: str, told: str
) -> None:
    account = db.session.get_one(MonetaryAccount, 1)
    assert account.balance is not None
    account.balance += Decimal(difference)
    number = str(account.monetary_account_id)
    db.session.commit()
    row = balances(opened(make(robin, ["csv", "qif"])))[number]
    assert (row["verified"], told in row["notice"]) == ("no" if told else "yes", True)
    assert ("not imported yet" in row["notice"]) == bool(told)


def test_opening_and_closing_are_zero_only_where_the_whole_history_is_known(robin: Member) -> None:
    account = db.session.get_one(MonetaryAccount, 1)
    number = str(account.monetary_account_id)
    before = period("2024-01-01", "2024-12-31")
    assert balances(opened(make(robin, ["csv", "qif"], before)))[number]["closing"] == "0.00"
    state = db.session.get_one(AccountSync, 1)
    state.covered = tuple(type(each)(each.newest, each.oldest, False) for each in state.covered)
    db.session.commit()
    row = balances(opened(make(robin, ["csv", "qif"], before)))[number]
    assert (row["opening"], row["closing"], row["verified"]) == ("", "", "no")


def test_packs_of_other_accounts_or_periods_are_not_compared_and_those_of_the_same_are(robin: Member) -> None:
    none = "This is the first pack, so there is nothing to compare."
    assert none in opened(make(robin, ["csv", "qif"])).read("changes.txt").decode()
    assert none in opened(make(robin, ["csv", "qif"], account_ids=(1, 2))).read("changes.txt").decode()
    assert none in opened(make(robin, ["csv", "qif"], period("2025-01-02"))).read("changes.txt").decode()
    again = opened(make(robin, ["jsonl", "qif"], account_ids=(2, 1))).read("changes.txt").decode()
    assert "nothing changed" in again
    named = db.session.execute(db.select(PackAccount.account_id).order_by(PackAccount.account_id)).scalars().all()
    everything = len(rows.monetary_accounts())
    assert len(named) == everything * 2 + 2


def test_an_account_erased_while_its_pack_is_written_leaves_no_pack(
    robin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = pack.write_pack

    def erase_meanwhile(*arguments: Any, **more: Any) -> Any:
        manifest = write(*arguments, **more)
        disconnect(robin, db.session.scalars(db.select(Connection.id)).one(), erase=True)
        return manifest

    monkeypatch.setattr(downloads, "write_pack", erase_meanwhile)
    with pytest.raises(NotFoundHere):
        make(robin, ["csv", "qif"])
    assert db.session.scalars(db.select(Pack)).all() == []


def test_a_pack_cannot_outlive_the_accounts_that_it_names(robin: Member) -> None:
    opened(make(robin, ["csv", "qif"]))
    with pytest.raises(IntegrityError), transaction():
        db.session.execute(db.delete(MonetaryAccount).where(MonetaryAccount.id == 1))


def in_order(account_id: int) -> list[Payment]:
    query = db.select(Payment).where(Payment.account_id == account_id).order_by(Payment.id)
    return list(db.session.scalars(query))


def test_balances_at_a_border_follow_the_time_where_bunqs_ids_do_not(robin: Member) -> None:
    account = db.session.get_one(MonetaryAccount, 2)
    # Each payment is 1.00; of the middle three, bunq numbered the one before midnight last.
    times = ("30T09:00:00", "31T23:00:00", "31T23:00:01", "31T22:59:59", "31T23:10:00")
    for payment, at in zip(in_order(account.id), times, strict=True):
        payment.created_at = datetime.fromisoformat(f"2025-01-{at}").replace(tzinfo=UTC)
    number = str(account.monetary_account_id)
    db.session.commit()
    made = {}
    for month, first, last in (("January", "2025-01-01", "2025-01-31"), ("February", "2025-02-01", "2025-02-28")):
        row = balances(opened(make(robin, ["csv", "qif"], period(first, last), account_ids=(2,))))[number]
        made[month] = [row[name] for name in ("opening", "closing", "payments", "verified")]
    assert made == {"January": ["0.00", "2.00", "2", "yes"], "February": ["2.00", "5.00", "3", "yes"]}


def test_a_gap_before_a_period_is_mentioned_and_leaves_it_verified(robin: Member) -> None:
    account = db.session.get_one(MonetaryAccount, 2)
    payments = in_order(account.id)
    for month, payment in enumerate(payments, start=1):
        payment.created_at = datetime(2025, month, 10, tzinfo=UTC)
    state = db.session.get_one(AccountSync, account.id)
    state.discrepancies = (Discrepancy(payments[1].id, Decimal(1)),)
    number = str(account.monetary_account_id)
    db.session.commit()
    told = {}
    for place in ("01", "02", "03"):
        made = opened(make(robin, ["csv", "qif"], period(f"2025-{place}-01", f"2025-{place}-28"), account_ids=(2,)))
        row = balances(made)[number]
        told[place] = (row["verified"], row["notice"][:30], "NOT-VERIFIED.txt" in made.namelist())
    assert told == {
        "01": ("yes", "", False),
        "02": ("no", "NOT VERIFIED COMPLETE. Amounts", True),
        "03": ("yes", "This period adds up. Before it", False),
    }


def test_a_transfer_to_an_account_that_is_not_exported_is_an_own_transfer(robin: Member) -> None:
    own = db.session.get_one(MonetaryAccount, 1).iban
    first, second, *_ = in_order(2)
    first.counterparty_iban = own
    marked, other = first.payment_id, second.payment_id
    db.session.commit()
    made = csv.DictReader(io.StringIO(content(make(robin, ["csv"], account_ids=(2,))).decode("utf-8-sig")))
    found = {int(row["payment_id"]): row["own_transfer"] for row in made}
    assert (found[marked], found[other]) == ("yes", "no")
    made_of_ledger = opened(make(robin, ["hledger"], account_ids=(2,)))
    assert b"assets:bunq:transfers  -1.00 EUR" in made_of_ledger.read("payments-20250101-20251231.journal")


def test_files_are_called_by_account_and_period(robin: Member) -> None:
    name = "NL[0-9A-Z]{16}-[0-9]+-20250101-20251231"
    for formats, account_ids, only_files, expected in (
        (["camt053"], (1,), False, rf"[A-Za-z-]*{name}\.xml"),
        (["csv"], (), False, r"payments-20250101-20251231\.csv"),
        (["csv-comma"], (), False, r"payments-comma-20250101-20251231\.csv"),
        (["camt053", "mt940"], (1, 2), True, r"2-accounts-20250101-20251231-camt053-mt940\.zip"),
        (["camt053", "mt940"], (1, 2), False, r"pack-2-accounts-20250101-20251231\.zip"),
        (["hledger"], (1,), False, rf"[A-Za-z-]*{name}-hledger\.zip"),
    ):
        scope = repository.scope_of(robin)
        made = downloads.make(
            robin, scope, account_ids=account_ids, formats=formats, period=period(), only_files=only_files
        )
        made.file.close()
        assert re.fullmatch(expected, made.name), made.name
    state = db.session.get_one(AccountSync, 1)
    state.discrepancies = (Discrepancy(in_order(1)[0].id, Decimal(1)),)
    db.session.commit()
    made = make(robin, ["qif"], account_ids=(1,))
    made.file.close()
    assert made.name.startswith("not-verified-"), "QIF has no other place for it"


def test_payments_before_the_day_of_a_share_are_no_word_on_the_page(robin: Member) -> None:
    payments = in_order(2)
    for payment in payments:
        payment.created_at = datetime(2025, 1, 10, tzinfo=UTC)
    db.session.commit()
    [account] = (each for each in repository.scope_of(robin).accounts.values() if each.id == 2)
    january = period("2025-01-01", "2025-01-31")
    for first_day, expected in ((None, {2}), (date(2025, 1, 10), {2}), (date(2025, 1, 11), set())):
        assert statements.with_payments([msgspec.structs.replace(account, first_day=first_day)], january) == expected


@pytest.mark.sqlite_only
def test_the_number_of_statements_does_not_grow_with_the_accounts(robin: Member) -> None:
    counts = []
    for account_ids in ((1,), (1, 2, 3)):
        seen: list[str] = []

        def note(*arguments: Any, seen: list[str] = seen) -> None:
            seen.extend([arguments[2]] if arguments[2].startswith("SELECT") else [])

        event.listen(db.engine, "before_cursor_execute", note)
        content(make(robin, ["csv"], account_ids=account_ids))
        event.remove(db.engine, "before_cursor_execute", note)
        counts.append(len(seen))
    # only the payments themselves are copied account by account
    assert counts[1] - counts[0] == 2


@pytest.mark.sqlite_only
def test_a_format_that_refuses_leaves_no_file_open(robin: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots: list[Snapshot] = []
    take = statements.take

    def take_and_refuse(*arguments: Any) -> Any:
        snapshots.append(arguments[3])
        take(*arguments)
        raise ExportError("no")

    monkeypatch.setattr(statements, "take", take_and_refuse)
    with pytest.raises(ExportError):
        make(robin, ["csv"])
    with pytest.raises(ValueError, match="closed file"):
        list(snapshots[0].entries(1))


def test_what_another_member_exported_before_is_no_last_pack(robin: Member) -> None:
    opened(make(robin, ["csv", "qif"]))
    sam = members.add("sam@example.org", "Sam", "correct horse battery staple")
    rows.share_all(robin.id)
    made = opened(make(sam, ["csv", "qif"]))
    assert "This is the first pack, so there is nothing to compare." in made.read("changes.txt").decode()
    assert len(db.session.scalars(db.select(Pack)).all()) == 2


@pytest.mark.sqlite_only
def test_of_a_joint_account_the_whole_history_is_preferred_then_what_adds_up_then_the_last_synced(
    robin: Member,
) -> None:
    [connection] = repository.scope_of(robin).connections
    first, second = connection.accounts[:2]
    joint = msgspec.structs.replace(second, monetary_account_id=first.monetary_account_id)
    scope = repository.Scope((replace(connection, accounts=(first, joint)),))
    whole = CoveredRange(9_000, 1, True)
    part = CoveredRange(9_000, 1, False)
    later, earlier = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    gap = (Discrepancy(1, Decimal(1)),)
    for of_first, of_second, expected in (
        ((whole, gap, earlier), (part, (), later), first),
        ((whole, gap, later), (whole, (), earlier), joint),
        ((whole, (), later), (whole, (), earlier), first),
        ((whole, (), earlier), (whole, (), later), joint),
    ):
        for account, (covered, discrepancies, synced_at) in ((first, of_first), (second, of_second)):
            state = db.session.get_one(AccountSync, account.id)
            state.covered, state.discrepancies, state.synced_at = (covered,), discrepancies, synced_at
        db.session.commit()
        assert statements.chosen(scope, []) == [expected]
