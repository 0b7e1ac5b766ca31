"""Payments as people see them: whose they are, on which day, what they add up to, and what is missing."""

import re
from datetime import UTC, datetime, time, timedelta
from html import unescape

import pytest

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    AccountShare,
    AccountSync,
    Connection,
    ConnectionState,
    CoveredRange,
    Payment,
    RateLimitWindow,
)
from bunqflask.models.payments import row_id
from bunqflask.services.payments import local_days
from bunqflask.services.team import members
from bunqflask.web.payments import views
from tests.support import consents, history, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.history import Paid

MAIN, SECOND = 2083712, 2083715
MAIN_IBAN, SECOND_IBAN = "NL65BUNQ2090411945", "NL55BUNQ2090409118"
ACCOUNT = f"/connections/1/accounts/{MAIN}/payments"
HOSTILE = "<script>alert(1)</script>\u202e=1+1" + "x" * 200


@pytest.fixture
def database_url(connected_url: str) -> str:
    return connected_url


@pytest.fixture
def site(live_app: ThreadSite) -> ThreadSite:
    """The app, set up and connected at a bank that is gone: pages are shown from what is stored."""
    return live_app


@pytest.fixture
def robin(site: ThreadSite) -> Browser:
    """Robin, to whom Jodi's four accounts belong; none of their payments is read yet."""
    return sign_in(site, consents.ROBIN)


def store(site: ThreadSite, *paid: Paid, account: int = MAIN, first_id: int = 1000, step: int = 10) -> list[int]:
    """Store payments, oldest first; returns their rows."""
    with site.app.app_context():
        row = history.account(account)
        rows = [row_id(each, row.id) for each in history.store(row, paid, first_id=first_id, step=step)]
        newest = db.session.get_one(Payment, rows[-1])
        row.balance = newest.balance_after
        db.session.commit()
        db.session.remove()
    return rows


def days(page: Page) -> list[tuple[str, str, list[str]]]:
    """Read the list: each day's heading, its total, and the names under it.

    Headings come without 2026, which stands there once it is over.
    """
    found = []
    for part in re.split(r'<div class="day">', page.html)[1:]:
        part = part.split("</section>")[0]
        heading = re.search(r"<h3[^>]*>(.*?)</h3>", part, re.DOTALL)
        assert heading is not None
        total = re.search(r"Day total </span>(.*?)</p>", part, re.DOTALL)
        names = re.findall(r'<a class="go"[^>]*><bdi>(.*?)</bdi>', part)
        found.append(
            (text(heading[1]).replace(" 2026", ""), text(total[1]) if total else "", [unescape(name) for name in names])
        )
    return found


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def names(page: Page) -> list[str]:
    return [unescape(name) for name in re.findall(r'<a class="go"[^>]*><bdi>(.*?)</bdi>', page.html)]


def search(browser: Browser, **fields: str) -> Page:
    """Fill in the filters of all payments, from the page without any."""
    browser.get("/payments")
    return browser.submit(action="/payments", **{name.rstrip("_"): value for name, value in fields.items()})


def routes(payment: int) -> list[str]:
    return ["/payments", "/payments/months", f"/payments/{payment}", ACCOUNT, f"{ACCOUNT}/state"]


def test_every_page_asks_for_a_login(site: ThreadSite, robin: Browser) -> None:
    (payment,) = store(site, Paid(at="2026-11-20T12:00Z", amount="5"))
    stranger = site.browser()
    for address in routes(payment):
        page = stranger.get(address)
        assert "/login" in page.url, address
        assert "Bakkerij" not in page.html
    assert "/login" in stranger.post(f"{ACCOUNT}/sync").url


def test_another_member_is_told_nothing(site: ThreadSite, robin: Browser) -> None:
    (payment,) = store(site, Paid(at="2026-11-20T12:00Z", amount="5"))
    sam = sign_in(site, "sam@example.org")
    for address in (f"/payments/{payment}", ACCOUNT, f"{ACCOUNT}/state"):
        page = sam.get(address)
        assert page.status == 404, address
        assert page.text == sam.get(address.replace("/1/", "/9/").replace(str(payment), "9")).text or "BF-" in page.text
    for address in ("/payments", "/payments/months"):
        page = sam.get(address)
        assert page.status == 200
        assert "Bakkerij" not in page.html
    assert "Connect bunq to see balances and payments here." in sam.get("/payments").text


def test_another_member_cannot_read_again(site: ThreadSite, robin: Browser, bank: Bank) -> None:
    sam = sign_in(site, "sam@example.org")
    sam.get("/settings")
    token = dict(sam.page.forms[0].fields)["csrf_token"]
    bank.forget_calls()
    answer = sam.post(f"{ACCOUNT}/sync", {"csrf_token": token}, {"Origin": site.url})
    assert answer.status == 404
    assert bank.calls() == []


def test_a_guest_reads_while_it_is_shared(site: ThreadSite, robin: Browser) -> None:
    (payment,) = store(site, Paid(at="2026-11-20T12:00Z", amount="5"))
    sam = sign_in(site, "sam@example.org")
    with site.app.app_context():
        owner = members.find("robin@example.org")
        assert owner is not None
        rows.share_all(owner.id)
        db.session.remove()
    for address in routes(payment)[:4]:
        assert sam.get(address).status == 200, address
    assert names(sam.get("/payments")) == ["Bakkerij De Korenaar"]
    with site.app.app_context():
        db.session.execute(db.delete(AccountShare))
        db.session.commit()
        db.session.remove()
    assert sam.get(ACCOUNT).status == 404
    assert names(sam.get("/payments")) == []


def test_days_are_those_of_amsterdam_also_when_the_clock_changes(site: ThreadSite, robin: Browser) -> None:
    store(
        site,
        Paid(at="2026-03-28T22:59:59Z", amount="1", name="last of 28 March"),
        Paid(at="2026-03-28T23:30Z", amount="2", name="first of 29 March"),
        Paid(at="2026-03-29T21:59:59Z", amount="4", name="last of 29 March"),
        Paid(at="2026-03-29T22:00Z", amount="8", name="first of 30 March"),
        Paid(at="2026-10-24T21:59:59Z", amount="16", name="last of 24 October"),
        Paid(at="2026-10-24T22:00Z", amount="32", name="first of 25 October"),
        Paid(at="2026-10-25T22:59:59Z", amount="64", name="last of 25 October"),
        Paid(at="2026-11-10T23:30Z", amount="-128", name="first of 11 November"),
    )
    page = robin.get(f"{ACCOUNT}?to=2026-11-15")
    assert [(day, total) for day, total, _names in days(page)] == [
        ("Wednesday 11 November", "−€128.00"),
        ("Sunday 25 October", "+€96.00"),
        ("Saturday 24 October", "+€16.00"),
        ("Monday 30 March", "+€8.00"),
        ("Sunday 29 March", "+€6.00"),
        ("Saturday 28 March", "+€1.00"),
    ]
    for day, _total, found in days(page):
        assert all(day.split(" ", 1)[1] in name for name in found)
    narrowed = robin.get("/payments?from=2026-03-29&to=2026-03-29")
    assert names(narrowed) == ["last of 29 March", "first of 29 March"]


@pytest.mark.sqlite_only
@pytest.mark.settings(TIME_ZONE="Asia/Tokyo")
def test_days_begin_and_end_in_the_zone_that_was_chosen(site: ThreadSite, robin: Browser) -> None:
    store(
        site,
        Paid(at="2026-03-28T14:59:59Z", amount="1", name="last of 28 March"),
        Paid(at="2026-03-28T15:00Z", amount="2", name="first of 29 March"),
    )
    page = robin.get(f"{ACCOUNT}?to=2026-03-31")
    assert [day for day, _total, _names in days(page)] == ["Sunday 29 March", "Saturday 28 March"]
    assert "Asia/Tokyo" in page.html
    assert names(robin.get("/payments?from=2026-03-29")) == ["first of 29 March"]
    assert "Days begin and end in the time zone Asia/Tokyo." in robin.get("/payments/export").text


def test_today_is_called_today(site: ThreadSite, robin: Browser) -> None:
    now = clock.now()
    store(site, Paid(at=now - timedelta(days=400), amount="1"), Paid(at=now, amount="1"))
    page = robin.get("/payments")
    assert days(page)[0][0].startswith("Today, ")
    assert re.search(rf"<time [^>]*>\w+ \d+ \w+ {(now - timedelta(days=400)).year}</time>", page.html)


def test_hostile_names_stay_text(site: ThreadSite, robin: Browser) -> None:
    (payment,) = store(
        site, Paid(at=clock.now(), amount="-3", name=HOSTILE, text=HOSTILE, iban='"><b1>', type="</pre><script>")
    )
    for address in routes(payment)[:4]:
        page = robin.get(address)
        assert page.status == 200
        assert "<script>alert" not in page.html
        assert "\u202e" not in page.html
        assert '"><b1>' not in page.html
    assert "x" * 141 not in robin.get("/payments").html
    assert "\\u202e" in robin.get(f"/payments/{payment}").text, "the raw answer spells out what is invisible"


def test_pages_of_payments_stand_under_the_strict_policy(site: ThreadSite, robin: Browser) -> None:
    now = clock.now()
    (payment, _second) = store(site, Paid(at=now, amount="3"), Paid(at=now, amount="-9", balance="1"))
    for address in (*routes(payment)[:4], "/payments?min=1.234&q=x", "/payments?until=9-9"):
        html = robin.get(address).html
        assert not re.findall(r"<[^>]*\s(?:style|on\w+|hx-on[\w:-]*)=", html), address
        assert not re.findall(r"<style|<script(?![^>]*\ssrc=)|javascript:", html), address
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), address
        assert html.count("<h1") == 1


def test_older_payments_come_without_gaps_or_repeats(site: ThreadSite, robin: Browser) -> None:
    start = clock.now() - timedelta(days=3)
    paid = [Paid(at=start + timedelta(minutes=20 * number), amount="1", name=f"N{number:03}") for number in range(120)]
    other = [Paid(at=start + timedelta(minutes=41 * number), amount="1", name=f"S{number:03}") for number in range(40)]
    store(site, *paid)
    store(site, *other, account=SECOND, first_id=1005)
    seen: list[str] = []
    totals: dict[str, str] = {}
    page = robin.get("/payments")
    while True:
        seen += names(page)
        for day, total, _names in days(page):
            if not day.endswith("continued"):
                totals[day] = total
        older = [address for words, address in page.links if words == "Load older payments"]
        if not older:
            break
        whole = robin.get(older[0])
        page = robin.get(older[0], {"HX-Request": "true"})
        assert "<html" not in page.html
        assert page.html.count("data-focus") == 1
        assert names(whole) == seen + names(page), "the address holds what was loaded so far"
        assert [day for day, _total, _names in days(whole) if day.endswith("continued")] == []
    assert sorted(seen) == sorted(each.name for each in [*paid, *other])
    assert sum(int(float(total.strip("+€"))) for total in totals.values()) == 160, "each day is counted once, whole"


def test_a_page_that_begins_within_a_day_says_so(
    site: ThreadSite, robin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST_AGAIN", 49)
    at = "2026-11-20T{:02}:00Z"
    store(site, *[Paid(at=at.format(number % 20), amount="1", id=1000 + number) for number in range(60)])
    page = robin.get(robin.get("/payments").link("Load older"))
    assert [day for day, _total, _names in days(page)] == ["Friday 20 November, continued"]
    assert page.link("Back to latest").endswith("/payments")


@pytest.fixture
def varied(site: ThreadSite, robin: Browser) -> Browser:
    store(
        site,
        Paid(at="2026-10-01T10:00Z", amount="2950.00", name="Walker Studio B.V.", text="Salary"),
        Paid(at="2026-10-02T10:00Z", amount="-31.80", name="Café Zürich", text="2 × lunch", type="MASTERCARD"),
        Paid(at="2026-10-03T10:00Z", amount="-150.00", name="J. Walker", iban=SECOND_IBAN, type="BUNQ"),
        Paid(at="2026-10-04T10:00Z", amount="-31.81", name="Sam", iban="NL02ABNA0123456789"),
    )
    store(
        site,
        Paid(at="2026-10-03T10:00:01Z", amount="150.00", name="J. Walker", iban=MAIN_IBAN, type="BUNQ", id=1021),
        Paid(at="2026-10-05T10:00Z", amount="-1234.00", name="Bike", id=1055),
        account=SECOND,
    )
    return robin


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"q": "cafe"}, ["Café Zürich"]),
        ({"q": "LUN"}, ["Café Zürich"]),
        ({"q": "31,80"}, ["Café Zürich"]),
        ({"q": "-31.8"}, ["Café Zürich"]),
        ({"q": "NL02 ABNA"}, ["Sam"]),
        ({"q": "abna 0123"}, ["Sam"]),
        ({"q": "nobody"}, []),
        ({"q": "qxz' OR 1=1 --"}, []),
        ({"min": "31,81", "max": "150"}, ["Sam", "Main (own account)", "Main (own account)"]),
        ({"min": "1.234,00"}, ["Bike", "Walker Studio B.V."]),
        ({"direction": "in"}, ["Main (own account)", "Walker Studio B.V."]),
        ({"direction": "out", "max": "100"}, ["Sam", "Café Zürich"]),
        ({"from_": "2026-10-04"}, ["Bike", "Sam"]),
        ({"to": "2026-10-02"}, ["Café Zürich", "Walker Studio B.V."]),
        ({"type": "MASTERCARD"}, ["Café Zürich"]),
        ({"account": "2"}, ["Bike", "Main (own account)"]),
    ],
)
def test_filters_narrow_the_list(varied: Browser, fields: dict[str, str], found: list[str]) -> None:
    page = search(varied, **fields)
    assert names(page) == found
    assert f"{len(found)} of 6 payments shown" in page.text
    assert days(varied.get(page.url)) == days(page), "the address alone shows the same"
    assert "=&" not in page.url
    assert not page.url.endswith("=")
    assert varied.get(page.link("Clear all")).url.endswith("/payments")
    for name in fields:
        assert f"{name.rstrip('_')}=" in page.url


def test_a_chip_takes_one_filter_away(varied: Browser) -> None:
    page = search(varied, q="cafe", direction="out")
    assert page.link("“cafe”").endswith("/payments?direction=out")
    assert page.link("Money out").endswith("/payments?q=cafe")


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"min": "1.234"}, "Type 1234 or 1.2340"),
        ({"from_": "yesterday"}, "like 2026-11-22"),
        ({"account": "999"}, "isn’t shared with you"),
    ],
)
def test_what_is_not_understood_is_said_and_nothing_is_lost(varied: Browser, fields: dict[str, str], says: str) -> None:
    page = search(varied, q="cafe", max="77", **fields)
    assert page.status == 422
    assert says in page.text
    assert names(page) == []
    kept = dict(page.form(action="/payments")[0].fields)
    assert "they’re marked below" in page.text or "it’s marked below" in page.text
    assert (kept["q"], kept["max"]) == ("cafe", "77")
    if "account" not in fields:
        (name, value) = next(iter(fields.items()))
        assert kept[name.rstrip("_")] == value
    marked = re.findall(r'name="([^"]+)"[^>]*aria-invalid="true"', page.html)
    assert set(marked) == {name.rstrip("_") for name in fields}


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "query",
    [
        "until=99999999999999999999",
        "until=999999999999999999-9999999999999999999",
        "until=-999999999999999999-1",
        "until=-1",
        "until=x",
        "holder=x&holder=1&account=&account=2",
        "view=account&view=x",
        "from=1970-01-01&to=1970-01-31",
        "range=7",
        "_external=1&endpoint=x&_scheme=ftp&q=",
        "q=%00",
        "type=%00",
        "account=%00",
        "min=%00",
        "q=" + "%22*" * 400,
        "q=AND+OR+NOT+NEAR(",
    ],
)
def test_no_address_breaks_the_page(varied: Browser, query: str) -> None:
    for page in (f"/payments?{query}", f"{ACCOUNT}?{query}", f"/payments/months?{query}"):
        assert varied.get(page).status in (200, 422)


def test_own_transfers_do_not_count_twice(varied: Browser) -> None:
    everything = varied.get("/payments")
    assert "In +€2,950.00 Out −€1,297.61 2 own transfers, not counted" in everything.text
    day = next(total for day, total, _names in days(everything) if "3 October" in day)
    assert day == "€0.00"
    one = varied.get(ACCOUNT)
    assert "In +€2,950.00 Out −€63.61 Own transfers −€150.00" in one.text
    assert next(total for day, total, _names in days(one) if "3 October" in day) == "−€150.00"


def test_the_two_sides_of_a_transfer_lead_to_each_other(varied: Browser) -> None:
    page = search(varied, q="150", direction="out")
    here = varied.get(page.link("Main (own account)"))
    there = varied.get(here.link("See the other side"))
    assert "Own transfer" in there.text
    assert "+€150.00" in there.text
    assert there.link("See the other side") == here.url.split("?")[0]


def test_a_payment_shows_all_that_is_known(varied: Browser) -> None:
    page = varied.get(search(varied, q="cafe").link("Café Zürich"))
    for words in (
        "Café Zürich",
        "2 × lunch",
        "−€31.80",
        "Balance afterwards €2,918.20",
        "2 Oct 2026 12:00:00",
        "MASTERCARD / PAYMENT",
        "bunq payment ID 1010",
        '"balance_after_mutation"',
    ):
        assert words in page.text, words
    assert page.link("Payments: “cafe”").endswith(f"/payments?q=cafe#p{page.url.split('/')[-1].split('?')[0]}")


@pytest.mark.parametrize("kind", ["no payment", "another's account"])
def test_a_payment_that_is_not_there_is_not_found(robin: Browser, kind: str) -> None:
    assert robin.get("/payments/123" if kind == "no payment" else f"{ACCOUNT[:-8]}9/payments").status == 404


def test_hidden_amounts_are_in_no_page(site: ThreadSite, robin: Browser) -> None:
    now = clock.now()
    (first, _second) = store(
        site,
        Paid(at=now - timedelta(days=40), amount="8642.75", name="Walker"),
        Paid(at=now - timedelta(days=3), amount="-731.59", name="Bike", balance="97531.25"),
    )
    shown = [robin.get(address).html for address in (*routes(first)[:4], f"{ACCOUNT}?range=30")]
    assert all(re.search(r"8,?642|731\.59|97,?531", html) for html in shown)
    robin.get("/payments")
    robin.submit(action="/settings/look", hide_amounts="1")
    for address in (*routes(first)[:4], f"{ACCOUNT}?range=30"):
        html = robin.get(address).html
        assert not re.search(r"8,?642|731\.59|97,?531|88,?888", html), address
        assert "<title id=" not in html, "no drawing either"
    fragment = robin.get(f"{ACCOUNT}/state", {"HX-Request": "true"})
    assert "seem to be missing" in fragment.text
    assert "€•••" in fragment.text


def test_the_chart_and_its_table_tell_the_same(site: ThreadSite, robin: Browser) -> None:
    with site.app.app_context():
        noon = datetime.combine(
            local_days.day_of(clock.now()), time(12), UTC
        )  # whatever the hour, and whenever summer began
    store(
        site,
        Paid(at=noon - timedelta(days=100), amount="1000"),
        Paid(at=noon - timedelta(days=20), amount="-300"),
        Paid(at=noon - timedelta(days=10), amount="50"),
    )
    page = robin.get(f"{ACCOUNT}?range=30")
    assert "over 30 days: from €1,000.00 to €750.00; lowest €700.00, highest €1,000.00" in page.html
    assert page.html.count('<rect class="hit"') == 30
    table = page.html.split('<table class="slim">')[1].split("</table>")[0]
    cells = [
        [text(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    ]
    assert [row[-1] for row in cells] == ["€750.00", "€700.00", "€1,000.00"]
    assert [row[1:3] for row in cells] == [["€50.00", "€0.00"], ["€0.00", "−€300.00"], ["€0.00", "€0.00"]]
    assert "unsure" not in page.html
    assert robin.get(f"{ACCOUNT}?range=365").html.count('<rect class="hit"') == 101


def test_a_gap_is_told_with_its_size_and_drawn_dashed(site: ThreadSite, robin: Browser) -> None:
    now = clock.now()
    store(
        site,
        Paid(at=now - timedelta(days=9), amount="100"),
        Paid(at=now - timedelta(days=5), amount="-10", balance="65.00"),
        Paid(at=now - timedelta(days=2), amount="-5", balance="60.00"),
    )
    page = robin.get(ACCOUNT)
    assert "Gap found" in page.text
    assert re.search(r"One or more payments seem to be missing between .* and .*\. Difference €25\.00", page.text)
    assert "Complete and verified up to" in page.text
    assert "Adds up again from" in page.text
    assert 'class="curve unsure"' in page.html
    assert "4 of 4 accounts need attention" in robin.get("/payments").text


def test_an_account_that_adds_up_says_so(site: ThreadSite, robin: Browser) -> None:
    store(site, Paid(at=clock.now(), amount="100"))
    page = robin.get(ACCOUNT)
    assert "Complete and verified up to" in page.text
    assert "Updated just now" in page.text
    assert "unsure" not in page.html


def test_what_is_being_read_is_counted_and_asked_again(site: ThreadSite, robin: Browser) -> None:
    store(site, Paid(at=clock.now() - timedelta(days=1), amount="1"), Paid(at=clock.now(), amount="2"))
    with site.app.app_context():
        row = history.account(MAIN)
        state = db.session.get_one(AccountSync, row.id)
        state.lease_until, state.lease_holder = clock.now() + timedelta(seconds=60), "worker"
        db.session.commit()
        db.session.remove()
    page = robin.get(ACCOUNT)
    assert "Importing: 2 payments so far." in page.text
    assert 'hx-trigger="every 3s"' in page.html
    assert page.url.endswith("/payments")
    with site.app.app_context():
        row = history.account(MAIN)
        row.raw = {**row.raw, "created": f"{clock.now() - timedelta(days=301):%Y-%m-%d %H:%M:%S}"}
        state = db.session.get_one(AccountSync, row.id)
        top = state.covered[0]
        state.covered = (CoveredRange(top.newest, top.oldest, False),)
        spent = [clock.now().isoformat()] * 3
        db.session.add(RateLimitWindow(endpoint="GET user/#/monetary-account/#/payment", calls=spent))
        db.session.commit()
        db.session.remove()
    fragment = robin.get(f"{ACCOUNT}/state", {"HX-Request": "true"})
    assert "Importing 2 of about 600 payments." in fragment.text
    assert re.search(r"Next request in [234] s \(bunq’s limit\)\.", fragment.text)
    with site.app.app_context():
        db.session.execute(db.update(AccountSync).values(lease_until=None, lease_holder=None))
        db.session.commit()
        db.session.remove()
    fragment = robin.get(f"{ACCOUNT}/state", {"HX-Request": "true"})
    assert "hx-get" not in fragment.html
    assert fragment.link("Show new payments").endswith(ACCOUNT)
    assert robin.get(f"{ACCOUNT}/state").url.endswith(ACCOUNT)


def test_an_ended_connection_says_that_nothing_new_comes(site: ThreadSite, robin: Browser) -> None:
    store(site, Paid(at=clock.now(), amount="1"))
    with site.app.app_context():
        db.session.execute(db.update(Connection).values(state=ConnectionState.LOST))
        db.session.commit()
        db.session.remove()
    page = robin.get(ACCOUNT)
    assert "No longer updated" in page.text
    assert "Jodi Walker needs to approve again." in page.text
    assert not [form for form in page.forms if form.action.endswith("/sync")]
    assert names(page) == ["Bakkerij De Korenaar"]


def test_months_add_up_without_own_transfers(site: ThreadSite, varied: Browser) -> None:
    today = clock.now()
    page = varied.get("/payments/months")
    assert page.status == 200
    if (today.year, today.month) < (2027, 9):
        row = re.search(r"Oct 2026\s*(\S+)\s*(\S+)\s*(\S+)", page.text)
        assert row is not None
        assert row.groups() == ("+€2,950.00", "−€1,297.61", "+€1,652.39")
        narrowed = varied.get("/payments/months?q=cafe")
        assert "−€31.80" in narrowed.text
        assert "2,950" not in narrowed.text
    assert varied.get("/payments/months?min=x").status == 422


def test_a_joint_account_seen_twice_is_counted_once(site: ThreadSite, robin: Browser) -> None:
    store(site, Paid(at="2026-10-02T10:00Z", amount="-7", name="Once"))
    with site.app.app_context():
        row = history.account(SECOND)
        row.connection_id, row.monetary_account_id, row.iban = _second_connection(), MAIN, MAIN_IBAN
        db.session.commit()
        history.store(row, [Paid(at="2026-10-02T10:00Z", amount="-7", name="Once")])
        db.session.remove()
    page = robin.get("/payments")
    assert names(page) == ["Once"]
    assert "Out −€7.00" in page.text


def test_a_page_is_made_anew_once_a_payment_comes(site: ThreadSite, robin: Browser) -> None:
    store(site, Paid(at="2026-11-20T10:00Z", amount="1", name="First"))
    assert names(robin.get("/payments")) == ["First"]
    assert names(robin.get("/payments?q=second")) == []
    store(site, Paid(at="2026-11-20T11:00Z", amount="1", name="Second"), first_id=2000)
    assert names(robin.get("/payments")) == ["Second", "First"]
    assert names(robin.get("/payments?q=second")) == ["Second"]


def test_an_account_leads_to_its_payments(robin: Browser) -> None:
    page = robin.get(robin.get("/").link("Medical"))
    assert page.status == 200
    assert "Medical" in page.text
    assert page.link("Payments").endswith("/payments")


def _second_connection() -> int:
    owner, now = members.find("robin@example.org"), clock.now()
    assert owner is not None
    other = Connection(
        environment="local",
        granted_user_id=77,
        granted_user_type="UserPerson",
        display_name="Sam Okafor",
        state_since=now,
    )
    db.session.add(other)
    db.session.flush()
    rows.hold(other.id, owner.id)
    db.session.commit()
    return other.id


def test_rows_of_payments_are_larger_than_any_row_of_ours(site: ThreadSite, robin: Browser) -> None:
    (row,) = store(site, Paid(at=clock.now(), amount="1", id=2**40, name="Far"))
    assert row > 2**59
    assert robin.get(robin.get("/payments").link("Far")).status == 200
    with site.app.app_context():
        assert db.session.get(Payment, row) is not None
        db.session.remove()
