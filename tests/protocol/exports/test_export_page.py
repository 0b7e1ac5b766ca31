"""A bookkeeper's download: what the page offers, what the file holds, and whose payments it may hold."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
import requests

from bunqflask.exports.formats import FORMATS
from bunqflask.extensions import db
from bunqflask.models import AccountSync, CoveredRange, Payment
from bunqflask.services.connections import access, overview
from bunqflask.services.exports import statements
from bunqflask.services.payments import repository
from bunqflask.services.sync import connection_sync, reconciliation
from bunqflask.services.team import members
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.browser import Browser, Page, read_page
from tests.support.consents import connect

MAIN = 2083712


def with_history(site: ThreadSite, bank: Bank, count: int = 120) -> Browser:
    bank.seed(count, account=MAIN)
    browser = sign_in(site, "robin@example.org")
    connect(browser, bank)
    read(site)
    return browser


def read(site: ThreadSite) -> None:
    with site.app.app_context():
        assert connection_sync.run(access.list_active()[0].id, patience_s=5, full=True)
        db.session.remove()


def download(browser: Browser, **fields: str | list[str]) -> requests.Response:
    """Fill in the form and return the file as it comes."""
    page = browser.get("/payments/export")
    form, _button = page.form(action="/export")
    data = [(name, value) for name, value in form.fields if name not in fields]
    for name, value in fields.items():
        data += [(name, each) for each in ([value] if isinstance(value, str) else value)]
    return browser.session.post(form.action, data=data, headers={"Origin": browser.home}, timeout=30)


def whole() -> dict[str, str]:
    return {"from": "2015-01-01", "to": datetime.now(ZoneInfo("Europe/Amsterdam")).strftime("%Y-%m-%d")}


def test_a_csv_of_everything_adds_up_to_the_balances_on_the_page(site: ThreadSite, bank: Bank) -> None:
    browser = with_history(site, bank)
    answer = download(browser, **whole(), format="csv")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    amount = next(name for name in rows[0] if "amount" in name.lower())
    with site.app.app_context():
        found = access.list_active()[0].monetary_accounts
        balances = sum((account.balance or Decimal(0) for account in found), Decimal(0))
        assert len(rows) == sum(repository.count(account.id) for account in found) > 120
        db.session.remove()
    assert sum(Decimal(row[amount]) for row in rows) == balances


@pytest.mark.sqlite_only
def test_each_file_is_sent_as_what_it_is(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.org")
    connect(browser, bank, accounts=[MAIN])
    read(site)
    for name, each in FORMATS.items():
        answer = download(browser, **whole(), format=name)
        expected = "application/zip" if each.write_ledger else each.media_type
        assert answer.headers["Content-Type"] == expected, name


def test_the_same_pack_twice_is_the_same_to_the_byte_and_then_tells_what_changed(site: ThreadSite, bank: Bank) -> None:
    browser = with_history(site, bank)
    chosen: dict[str, str | list[str]] = {**whole(), "format": ["csv", "camt053", "mt940", "hledger"]}
    download(browser, **chosen)
    first, second = download(browser, **chosen), download(browser, **chosen)
    assert first.content == second.content
    pack = zipfile.ZipFile(io.BytesIO(first.content))
    assert pack.testzip() is None
    manifest = json.loads(pack.read("manifest.json"))
    assert not manifest["verified"], "today is not over"
    assert "The period is not over: more payments may come." in pack.read("NOT-VERIFIED.txt").decode()
    assert {"balances.csv", "changes.txt"} <= set(pack.namelist())
    assert {name.partition("-2")[0] for name in pack.namelist()} >= {"payments", "ledger"}
    bank.seed(5, account=MAIN)
    read(site)
    third = zipfile.ZipFile(io.BytesIO(download(browser, **chosen).content))
    assert third.read("changes.txt") != pack.read("changes.txt")


def test_a_history_that_is_not_whole_says_so_in_the_pack(site: ThreadSite, bank: Bank) -> None:
    browser = with_history(site, bank, 30)
    with site.app.app_context():
        for state in db.session.scalars(db.select(AccountSync)):
            state.covered = tuple(CoveredRange(each.newest, each.oldest, False) for each in state.covered)
        db.session.commit()
        db.session.remove()
    pack = zipfile.ZipFile(io.BytesIO(download(browser, **whole(), format=["csv", "qif"]).content))
    assert "NOT-VERIFIED.txt" in pack.namelist()


def test_where_payments_do_not_add_up_is_told_in_the_pack(site: ThreadSite, bank: Bank) -> None:
    browser = with_history(site, bank, 30)
    with site.app.app_context():
        account = next(each for each in access.list_active()[0].monetary_accounts if repository.count(each.id) > 20)
        of_account = db.select(Payment).where(Payment.account_id == account.id).order_by(Payment.id)
        before, gone, after = list(db.session.scalars(of_account))[9:12]
        before_at, at = (each.created_at.astimezone(statements.zone()) for each in (before, after))
        db.session.execute(db.delete(Payment).where(Payment.id == gone.id))
        state = db.session.get_one(AccountSync, account.id)
        state.discrepancies = reconciliation.check_all(account.id).discrepancies
        db.session.commit()
        db.session.remove()
    told = zipfile.ZipFile(io.BytesIO(download(browser, **whole(), format=["csv", "qif"]).content))
    words = f"do not add up: something is missing before the payment of {at:%Y-%m-%d %H:%M}."
    assert words in told.read("NOT-VERIFIED.txt").decode()
    earlier = {"from": "2015-01-01", "to": f"{before_at - timedelta(days=1):%Y-%m-%d}"}
    untold = zipfile.ZipFile(io.BytesIO(download(browser, **earlier, format=["csv", "qif"]).content))
    assert "NOT-VERIFIED.txt" not in untold.namelist(), "what comes before the gap adds up"


def test_a_balance_that_bunq_did_not_tell_is_made_of_the_one_before_and_the_amounts(
    site: ThreadSite, bank: Bank
) -> None:
    browser = with_history(site, bank, 30)
    with site.app.app_context():
        account = next(each for each in access.list_active()[0].monetary_accounts if repository.count(each.id) > 20)
        last = db.select(Payment).where(Payment.account_id == account.id).order_by(Payment.id.desc()).limit(1)
        balance = db.session.scalars(last).one().balance_after
        db.session.scalars(last).one().balance_after = None
        db.session.commit()
        number = account.monetary_account_id
        db.session.remove()
    pack = zipfile.ZipFile(io.BytesIO(download(browser, **whole(), format=["csv", "qif"]).content))
    rows = csv.DictReader(io.StringIO(pack.read("balances.csv").decode("utf-8-sig")))
    (row,) = (row for row in rows if row["account_id"] == str(number))
    assert (row["opening"], Decimal(row["closing"])) == ("0.00", balance)
    assert "do not add up" not in row["notice"]


@pytest.mark.sqlite_only
def test_a_period_not_read_since_its_end_says_so_in_the_pack(site: ThreadSite, bank: Bank) -> None:
    browser = with_history(site, bank, 10)
    today = datetime.now(site.app.config["TIME_ZONE"]).replace(hour=0, minute=0, second=0, microsecond=0)
    period = {"from": "2015-01-01", "to": f"{today - timedelta(hours=12):%Y-%m-%d}"}
    for synced_at, is_told in ((today - timedelta(minutes=1), True), (today, False)):
        with site.app.app_context():
            for state in db.session.scalars(db.select(AccountSync)):
                state.synced_at = synced_at
            db.session.commit()
            db.session.remove()
        pack = zipfile.ZipFile(io.BytesIO(download(browser, **period, format=["csv", "qif"]).content))
        assert ("NOT-VERIFIED.txt" in pack.namelist()) is is_told


@pytest.mark.sqlite_only
def test_a_joint_account_is_exported_from_where_it_is_known_best(site: ThreadSite, bank: Bank) -> None:
    with_history(site, bank, 10)
    with site.app.app_context():
        best, other = access.list_active()[0].monetary_accounts[:2]
        for account, age in ((best, timedelta(0)), (other, timedelta(days=30))):
            state = db.session.get_one(AccountSync, account.id)
            state.synced_at = datetime.now(UTC) - age
        db.session.commit()
        mine = members.find("robin@example.org")
        assert mine is not None
        [connection] = overview.list_all(mine)
        of_rows = {account.id: account for account in connection.accounts}
        first, second = of_rows[best.id], of_rows[other.id]
        assert first.id < second.id
        joint = msgspec.structs.replace(second, monetary_account_id=first.monetary_account_id)
        for accounts, expected in (((first, joint), [first]), ((first, second), [first, second])):
            scope = repository.Scope((replace(connection, accounts=accounts),))
            assert statements.chosen(scope, []) == expected
        db.session.remove()


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"format": []}, "Choose at least one format"),
        ({"account": []}, "Choose at least one account"),
        ({"from": "2026-02-30"}, "Enter both dates"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "ends before it begins"),
        ({"from": "2999-01-01", "to": "2999-01-31"}, "begins in the future"),
        ({"from": "0001-01-01"}, "begins before 1970"),
    ],
)
def test_what_cannot_be_exported_is_told_at_the_form(
    site: ThreadSite, bank: Bank, fields: dict[str, str | list[str]], words: str
) -> None:
    browser = with_history(site, bank, 10)
    answer = download(browser, **{**whole(), "format": "csv", **fields})
    assert answer.status_code == 422
    assert words in answer.text


@pytest.mark.sqlite_only
@pytest.mark.parametrize("last_day", ["2999-01-01", "9999-12-31"])
def test_a_period_that_is_not_over_is_exported_until_today(site: ThreadSite, bank: Bank, last_day: str) -> None:
    browser = with_history(site, bank, 10)
    answer = download(browser, **{**whole(), "to": last_day}, format="csv")
    assert answer.status_code == 200
    day = whole()["to"].replace("-", "")
    assert f"not-verified-payments-20150101-{day}.csv" in answer.headers["Content-Disposition"]


def pressed(browser: Browser, page: Page, **button: str) -> Page:
    """Press a small button of the form, and return the page that comes of it."""
    form, _button = page.form(action="/export")
    answer = browser.session.post(
        form.action, data=[*form.fields, *button.items()], headers={"Origin": browser.home}, timeout=30
    )
    assert answer.status_code == 200
    return read_page(answer)


def held(page: Page) -> dict[str, list[str]]:
    """Return what the form holds, by name of its fields."""
    found: dict[str, list[str]] = {}
    for name, value in page.form(action="/export")[0].fields:
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.sqlite_only
def test_the_buttons_of_the_form_choose_periods_holders_and_the_bookkeepers_formats(
    site: ThreadSite, bank: Bank
) -> None:
    browser = with_history(site, bank, 10)
    page = browser.get("/payments/export")
    today = datetime.now(ZoneInfo("Europe/Amsterdam")).date()
    page = pressed(browser, page, preset="this-year")
    assert (held(page)["from"], held(page)["to"]) == ([f"{today.year}-01-01"], [str(today)])
    assert held(page)["account"] == held(page)["offered"]
    with site.app.app_context():
        connection = access.list_active()[0]
        number, every = connection.id, {str(account.id) for account in connection.monetary_accounts}
        db.session.remove()
    assert "no payments in this period" in page.text
    page = pressed(browser, page, tick=f"none:{number}")
    assert "account" not in held(page)
    page = pressed(browser, page, tick=f"all:{number}")
    assert set(held(page)["account"]) == every
    for first, last in (("0001-01-01", "9999-12-31"), ("2026-13-01", "x"), ("2026-02-01", "2026-01-01")):
        form, _button = page.form(action="/export")
        fields = [(name, {"from": first, "to": last}.get(name, value)) for name, value in form.fields]
        page_of_odd_days = browser.session.post(
            form.action, data=[*fields, ("bookkeeper", "1")], headers={"Origin": browser.home}, timeout=30
        )
        assert page_of_odd_days.status_code == 200
    page = pressed(browser, page, bookkeeper="1")
    assert (held(page)["format"], held(page)["files"]) == (["camt053", "mt940"], ["1"])
    answer = download(browser, **whole(), format=["camt053", "mt940"], files="1")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert {name.partition("/")[0] for name in names} == {"camt053", "mt940"}


@pytest.mark.sqlite_only
def test_the_page_remembers_formats_and_the_accounts_that_were_left_out(site: ThreadSite, bank: Bank) -> None:
    browser = with_history(site, bank, 10)
    page = pressed(browser, browser.get("/payments/export"), preset="this-year")
    _first, *others = held(page)["account"]
    chosen: dict[str, str | list[str]] = {"account": others}
    yesterday = datetime.now(ZoneInfo("Europe/Amsterdam")).date() - timedelta(days=1)
    period = {"from": f"{yesterday.year - 1}-01-01", "to": str(yesterday - timedelta(days=3))}
    download(browser, **period, format=["xlsx", "qif"], **chosen)
    again = browser.get("/payments/export")
    assert held(again)["format"] == ["xlsx", "qif"]
    again = pressed(browser, again, preset="since-last")
    assert held(again)["account"] == others
    assert (held(again)["from"], held(again)["to"]) == ([str(yesterday - timedelta(days=2))], [str(yesterday)])
    assert held(pressed(browser, again, preset="this-year"))["account"] == others
    stranger = sign_in(site, "sam@example.org")
    assert "since-last" not in stranger.get("/payments/export").text


@pytest.mark.sqlite_only
def test_the_filter_of_the_payments_page_comes_along(site: ThreadSite, bank: Bank) -> None:
    browser = with_history(site, bank, 10)
    with site.app.app_context():
        account_id = access.list_active()[0].monetary_accounts[0].id
        db.session.remove()
    page = browser.get(f"/payments?from=2026-02-01&to=2026-02-14&account={account_id}&q=bread")
    address = next(address for _text, address in page.links if "/payments/export" in address)
    found = held(browser.get(address))
    assert (found["from"], found["to"], found["account"]) == (["2026-02-01"], ["2026-02-14"], [str(account_id)])


@pytest.mark.sqlite_only
def test_of_a_holder_that_was_filtered_for_all_accounts_are_chosen_and_no_others(site: ThreadSite, bank: Bank) -> None:
    browser = with_history(site, bank, 10)
    connect(browser, bank, person=WALKER_STUDIO)
    with site.app.app_context():
        jodi, studio = access.list_active()
        assert connection_sync.run(studio.id, patience_s=5, full=True)
        theirs = {str(account.id) for account in studio.monetary_accounts}
        holder, others = studio.id, {str(account.id) for account in jodi.monetary_accounts}
        db.session.remove()
    page = browser.get(f"/payments?holder={holder}&q=bread")
    address = next(address for _text, address in page.links if "/payments/export" in address)
    found = held(browser.get(address))
    assert others < set(found["offered"])
    assert set(found["account"]) == theirs & set(found["offered"])


@pytest.mark.sqlite_only
def test_another_members_accounts_cannot_be_exported(site: ThreadSite, bank: Bank) -> None:
    with_history(site, bank, 10)
    stranger = sign_in(site, "sam@example.org")
    page = stranger.get("/payments/export")
    assert "No payments yet" in page.text
    with site.app.app_context():
        theirs = [str(account.id) for account in access.list_active()[0].monetary_accounts]
        db.session.remove()
    token = page.form(action="/logout")[0].fields
    data = [*token, ("from", "2026-01-01"), ("to", "2026-01-31"), ("format", "csv")]
    answer = stranger.session.post(
        f"{site.url}/payments/export", data=[*data, *(("account", each) for each in theirs)], timeout=10
    )
    assert answer.status_code == 404
    assert "have access to" in answer.text


@pytest.mark.sqlite_only
def test_a_guest_may_export_what_is_shared(site: ThreadSite, bank: Bank) -> None:
    with_history(site, bank, 10)
    with site.app.app_context():
        rows.share_all(rows.owner().id)
        db.session.remove()
    assert download(sign_in(site, "sam@example.org"), **whole(), format="jsonl").status_code == 200
