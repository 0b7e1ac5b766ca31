"""Categories of payments, for insights.

GROCERIES with its colour and icon is recorded; the other names, colours and the way a payment finds its category are
invented, after the merchant category codes of ISO 18245.

https://doc.bunq.com/api-reference/insights
"""

from __future__ import annotations

from dataclasses import dataclass

from bunqflask.sandbox.bank.store import Item, Json, Store


@dataclass(frozen=True)
class Category:
    """One category, in English and Dutch."""

    name: str
    english: str
    dutch: str
    color: str

    def translated(self, language: str) -> str:
        """Return what the category is called for a reader."""
        return self.dutch if language == "nl_NL" else self.english


SYSTEM = {
    each.name: each
    for each in (
        Category("GROCERIES", "Groceries", "Boodschappen", "#54C7FC"),
        Category("FOOD_AND_DRINK", "Food and drink", "Eten en drinken", "#FF9600"),
        Category("SHOPPING", "Shopping", "Winkelen", "#FF2851"),
        Category("TRANSPORT", "Transport", "Vervoer", "#0076FF"),
        Category("TRAVEL", "Travel", "Reizen", "#44DB5E"),
        Category("UTILITIES", "Utilities", "Vaste lasten", "#8E8E93"),
        Category("HEALTH", "Health", "Gezondheid", "#FF3824"),
        Category("ENTERTAINMENT", "Entertainment", "Vrije tijd", "#A66BD3"),
        Category("SAVINGS", "Savings", "Sparen", "#2E8540"),
        Category("INCOME", "Income", "Inkomsten", "#16A085"),
        Category("GENERAL", "General", "Algemeen", "#7F8C8D"),
    )
}

# First match counts: from and up to a merchant category code.
CODES = (
    (5411, 5499, "GROCERIES"),
    (5811, 5814, "FOOD_AND_DRINK"),
    (5541, 5542, "TRANSPORT"),
    (5912, 5912, "HEALTH"),
    (3000, 3999, "TRAVEL"),
    (4000, 4789, "TRANSPORT"),
    (4800, 4999, "UTILITIES"),
    (5000, 5999, "SHOPPING"),
    (7011, 7011, "TRAVEL"),
    (7800, 7999, "ENTERTAINMENT"),
    (8000, 8099, "HEALTH"),
)


def of_payment(amount: int, payment_type: str, code: str | None, *, to_self: bool) -> Category:
    """Return the category of a payment; `amount` in cents, `code` that of the merchant."""
    if code is not None and code.isdecimal():
        for first, last, name in CODES:
            if first <= int(code) <= last:
                return SYSTEM[name]
    if to_self or payment_type == "SAVINGS":
        return SYSTEM["SAVINGS"]
    if payment_type == "EBA_SDD":
        return SYSTEM["UTILITIES"]
    return SYSTEM["INCOME" if amount > 0 else "GENERAL"]


def sums(store: Store, user: Item, account: Item, start: str, end: str) -> dict[str, tuple[int, int]]:
    """Return (cents, number of payments) of each category from `start` up to before `end` (bunq times).

    The database adds up what falls into the same category anyway, so that a long history does not hold up the bank.
    """
    with store.transaction():
        rows = store.db.execute(
            "SELECT type, json_extract(counterparty, '$.mcc'), json_extract(counterparty, '$.account'), amount > 0,"
            " SUM(amount), COUNT(*) FROM ledger_entry WHERE account = ? AND created >= ? AND created < ?"
            " GROUP BY 1, 2, 3, 4",
            (account.id, start, end),
        ).fetchall()
    found: dict[str, tuple[int, int]] = {}
    for payment_type, code, other_id, is_credit, cents, number in rows:
        other = store.get("monetary_account", other_id or 0)
        to_self = other is not None and other.owner == user.id
        name = of_payment(1 if is_credit else -1, payment_type, code, to_self=to_self).name
        before = found.get(name, (0, 0))
        found[name] = (before[0] + int(cents), before[1] + int(number))
    return found


def of_shape(own_ibans: set[str], payment: Json) -> Category:
    """Return the category of a payment as bunq writes it."""
    other = payment["counterparty_alias"]
    return of_payment(
        -1 if payment["amount"]["value"].startswith("-") else 1,
        payment["type"],
        other.get("merchant_category_code"),
        to_self=other["iban"] in own_ibans,
    )
