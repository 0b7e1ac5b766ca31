"""Where a reader is among payments: a list of all or of one account, its filters, and how far it was loaded.

The address of a list and those of its payments carry the same arguments, so that a payment leads back to its list, and
to its neighbours there. Addresses are made from what was understood of them, never taken over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from flask import url_for
from werkzeug.datastructures import MultiDict

from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Cursor
from bunqflask.web.payments import filter_form
from bunqflask.web.payments.filter_form import Asked, Values
from bunqflask.web.ui import addresses

RANGES = (30, 90, 365)
USUAL_RANGE = 90
OF_ACCOUNT = "account"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A list of payments: of `account`, or of all.

    `span` is the days of the balance chart, None where the address names none. `until` is how far the list was loaded:
    to that payment, and one page more.
    """

    account: AccountBalance | None
    asked: Asked
    span: int | None = None
    until: Cursor | None = None

    @cached_property
    def base(self) -> str:
        """The address of the list without arguments."""
        return account_url(self.account) if self.account else url_for("payments.home")

    @property
    def kept(self) -> Values:
        """What of the address is no filter, and stays when filters change."""
        return {"range": str(self.span)} if self.span else {}

    def url(self, filters: Values | None = None, *, until: Cursor | None = None, adds_up: bool = False) -> str:
        """Return the address of the list with other filters, or with its own."""
        chosen = self.asked.values if filters is None else filters
        return _address(self.base, self.kept | chosen | _until(until) | ({"sums": "1"} if adds_up else {}))

    def filter_url(self) -> str:
        """Return the address of the form of all its filters."""
        if self.account is None:
            return _address(url_for("payments.filter_all"), self.kept | self.asked.values)
        return _address(
            url_for(
                "payments.filter_account",
                connection_id=self.account.connection_id,
                monetary_account_id=self.account.monetary_account_id,
            ),
            self.kept | self.asked.values,
        )

    def payment_urls(self) -> tuple[str, str]:
        """Return what stands before and after the row id in the addresses of its payments."""
        before = url_for("payments.show", payment_row_id=0).removesuffix("0")
        view: Values = {"view": OF_ACCOUNT} if self.account else {}
        return before, _address("", view | self.kept | self.asked.values | _until(self.until))


def read(given: MultiDict[str, str], scope: Scope, account: AccountBalance | None) -> Place:
    """Read the place from the arguments of an address."""
    return Place(
        account=account,
        asked=filter_form.read(given, scope, account_id=account.id if account else None),
        span=next((each for each in RANGES if str(each) == given.get("range")), None),
        until=Cursor.from_text(given.get("until", "")),
    )


def account_url(account: AccountBalance) -> str:
    """Return the address of the payments of one account."""
    ids = {"connection_id": account.connection_id, "monetary_account_id": account.monetary_account_id}
    return addresses.with_ids("payments.index", **ids)


def _address(base: str, values: Values) -> str:
    return f"{base}?{urlencode(values, doseq=True)}" if values else base


def _until(cursor: Cursor | None) -> Values:
    return {"until": cursor.text} if cursor else {}
