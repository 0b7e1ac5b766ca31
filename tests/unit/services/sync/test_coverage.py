"""Covered ranges of a history: whatever happens between two pages, in the end every payment was imported."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bunqflask.bunq.payment import Payment, PaymentPage
from bunqflask.bunq.resources import Amount
from bunqflask.models import CoveredRange
from bunqflask.services.sync.coverage import merge

PAGE = 3
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def payment(payment_id: int) -> Payment:
    euro = Amount("EUR", Decimal(1))
    return Payment(payment_id, 1, NOON, NOON, euro, None, "", "BUNQ", "PAYMENT", "", None, "{}")


class ListingBank:
    """A bank's list of payment ids, newest first, three to a page."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def pay(self, count: int) -> None:
        start = max(self.ids, default=0)
        self.ids += range(start + 1, start + 1 + count)

    def page(self, below: int | None) -> PaymentPage:
        older = sorted((each for each in self.ids if below is None or each < below), reverse=True)
        shown = older[:PAGE]
        return PaymentPage([payment(each) for each in shown], shown[-1] if len(older) > PAGE else None)


class Importer:
    """What is stored between two pages: the payments, and the covered ranges."""

    def __init__(self) -> None:
        self.stored: set[int] = set()
        self.covered: tuple[CoveredRange, ...] = ()

    def sync(self, bank: ListingBank, *, pages: int) -> bool:
        """Import as `payment_sync` does, at most so many pages, as if killed then; True when it came to its end."""
        below = None
        for _ in range(pages):
            page = bank.page(below)
            self.stored |= {each.payment_id for each in page.payments}
            self.covered = merge(self.covered, page, below=below)
            if self.covered[0].reaches_end:
                return True
            below = self.covered[0].oldest
        return False


def test_a_backfill_takes_each_page_once() -> None:
    bank, importer = ListingBank(), Importer()
    bank.pay(9)
    assert not importer.sync(bank, pages=2)
    assert list(importer.covered) == [CoveredRange(9, 4, False)]
    assert importer.sync(bank, pages=2)
    assert importer.stored == set(bank.ids)


def test_nothing_new_takes_one_page() -> None:
    bank, importer = ListingBank(), Importer()
    bank.pay(9)
    assert importer.sync(bank, pages=9)
    assert importer.sync(bank, pages=1)
    assert list(importer.covered) == [CoveredRange(9, 1, True)]


def test_an_account_without_payments_is_complete() -> None:
    importer = Importer()
    assert importer.sync(ListingBank(), pages=1)


def test_new_payments_during_an_interrupted_backfill_leave_no_hole() -> None:
    bank, importer = ListingBank(), Importer()
    bank.pay(12)
    assert not importer.sync(bank, pages=2)
    bank.pay(7)
    assert not importer.sync(bank, pages=1)
    assert list(importer.covered) == [CoveredRange(19, 17, False), CoveredRange(12, 7, False)]
    assert importer.sync(bank, pages=9)
    assert importer.stored == set(range(1, 20))
    assert list(importer.covered) == [CoveredRange(19, 1, True)]


def test_a_page_of_other_things_is_passed_over_and_leaves_no_hole() -> None:
    before = (CoveredRange(30, 20, False),)
    covered = merge(before, PaymentPage([], 40), below=None)
    assert covered == (CoveredRange(0, 40, False), *before)
    # Interrupted here, the next sync begins with the newest again.
    again = merge(covered, PaymentPage([payment(45), payment(41)], 41), below=None)
    assert again == (CoveredRange(45, 41, False), *before)
    covered = merge(covered, PaymentPage([payment(39), payment(35)], 35), below=40)
    assert covered == (CoveredRange(39, 35, False), *before)
    covered = merge(covered, PaymentPage([], 28), below=35)
    assert covered == (CoveredRange(39, 20, False),)


def test_where_bunq_says_nothing_of_older_payments_a_page_without_any_is_the_end() -> None:
    first = PaymentPage([payment(9), payment(8)], 8, is_paged=False)
    covered = merge((), first, below=None)
    assert covered == (CoveredRange(9, 8, False),)
    covered = merge(covered, PaymentPage([payment(7)], 7, is_paged=False), below=8)
    assert covered == (CoveredRange(9, 7, False),)
    assert merge(covered, first, below=7) == (CoveredRange(9, 7, True),)
    assert merge(covered, PaymentPage([], None, is_paged=False), below=7) == (CoveredRange(9, 7, True),)


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 5)), max_size=12))
def test_killed_anywhere_and_paid_at_any_time_every_payment_is_imported(steps: list[tuple[int, int]]) -> None:
    bank, importer = ListingBank(), Importer()
    for paid, pages in steps:
        bank.pay(paid)
        importer.sync(bank, pages=pages)
        for covered_range in importer.covered:
            # What is called covered has no hole.
            oldest = 1 if covered_range.reaches_end else covered_range.oldest
            inside = {each for each in bank.ids if oldest <= each <= covered_range.newest}
            assert inside <= importer.stored
    assert importer.sync(bank, pages=len(bank.ids) + 2)
    assert importer.stored == set(bank.ids)
