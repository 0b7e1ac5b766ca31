"""What people ask of their payments, as addresses of bunqflask and of its peers; many of each kind, none the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.bench.client import Page
from tests.bench.history import RARE_WORDS, Entry, History
from tests.support.browser import Browser

GOAL_MS = 30.0
FREQUENT_WORDS = (
    *("groceries", "coffee", "utrecht", "invoice", "garage", "bakkerij", "supermarkt", "apotheek", "restaurant"),
    *("energie", "groningen", "leiden", "jansen", "okafor", "smit", "visser", "peters", "repair", "refund", "bread"),
    *("customer", "table", "rent", "bicycle", "order", "week"),
)
_SIZES = range(20, 46)
_ASKED_AGAIN = 5


@dataclass(frozen=True)
class Question:
    """One kind of page: ours, and by the names of the peers, theirs for the same question."""

    name: str
    ours: list[Page]
    theirs: dict[str, list[Page]] = field(default_factory=dict)


def questions(history: History, browser: Browser) -> list[Question]:
    """Return all kinds of pages that are measured, for somebody who is logged in."""
    newest = history.entry(history.size - 1).text
    rare = [(f"{word}{more}", f"{word} lesson") for more in ("", " lesson") for word in RARE_WORDS]
    frequent = [(word, _text_of_newest(history, word)) for word in FREQUENT_WORDS]
    sizes = [(each, _text_of_newest(history, range(each * 100, each * 100 + 101))) for each in _SIZES]
    return [
        Question("newest 50", [Page(("/payments",), newest)], _newest(newest)),
        Question("search, a rare word", [_search(*each) for each in rare], _searches(rare)),
        Question("search, a frequent word", [_search(*each) for each in frequent], _searches(frequent)),
        Question(
            "size filter",
            [Page((f"/payments?min={each}&max={each + 1}",), shows) for each, shows in sizes],
            {
                "datasette": [
                    _datasette(f"size__gte={each}&size__lte={each + 1}&_sort_desc=at", shows) for each, shows in sizes
                ]
            },
        ),
        Question("months", [Page(("/payments/months",))], {"fava": [_fava("income_statement")]}),
        Question("account page with chart", _account_pages(browser), _accounts(history)),
    ]


def _text_of_newest(history: History, wanted: str | range) -> str:
    """Return the text of the newest payment with a word, or with an amount (in cents) in a range."""

    def fits(entry: Entry) -> bool:
        if isinstance(wanted, range):
            return abs(entry.cents) in wanted
        return re.search(rf"\b{wanted}\b", f"{entry.name} {entry.text}", re.IGNORECASE) is not None

    newest_first = (history.entry(number) for number in range(history.size - 1, -1, -1))
    return next((entry.text for entry in newest_first if fits(entry)), "")


def _search(words: str, shows: str) -> Page:
    return Page((f"/payments?q={quote(words)}",), shows)


def _account_pages(browser: Browser) -> list[Page]:
    """Find each connection's accounts by the links to them."""
    cards = set(re.findall(r"/connections/\d+/accounts/\d+/payments", browser.get("/").html))
    return [Page((f"{path}?range={days}",)) for path in sorted(cards) for days in (30, 90, 365)]


def _newest(shows: str) -> dict[str, list[Page]]:
    return {
        "datasette": [_datasette("_sort_desc=at", shows)],
        "fava": [_fava("journal", shows)],
        "hledger-web": [Page(("/journal",), shows)],
    }


def _searches(words: list[tuple[str, str]]) -> dict[str, list[Page]]:
    return {
        "datasette": [_datasette(f"_search={quote(said)}&_sort_desc=at", shows) for said, shows in words],
        # fava keeps what a filter found, and here nobody asks twice: a remark in the expression makes it another one
        "fava": [
            _fava("journal", shows, f'"{said}(?#{more})"') for more, (said, shows) in enumerate(words * _ASKED_AGAIN)
        ],
        "hledger-web": [Page((f"/journal?q=desc:{quote(repr(said))}",), shows) for said, shows in words],
    }


def _accounts(history: History) -> dict[str, list[Page]]:
    names = [f"Assets:Bunq:A{account.id}" for account in history.accounts]
    return {
        "fava": [Page((f"/bench/account/{name}/", f"/bench/api/account_report?a={name}")) for name in names],
        "hledger-web": [Page((f"/register?q=inacct:{name}",)) for name in names],
    }


def _datasette(asked: str, shows: str = "") -> Page:
    return Page((f"/bench/payments?{asked}&_size=50",), shows)


def _fava(report: str, shows: str = "", wanted: str = "") -> Page:
    """A page of fava is its frame and the data that its script fetches."""
    more = f"&filter={quote(wanted)}" if wanted else ""
    data = "journal_page?page=1&order=desc" if report == "journal" else f"{report}?interval=month"
    return Page((f"/bench/{report}/?{more[1:]}", f"/bench/api/{data}{more}"), shows)
