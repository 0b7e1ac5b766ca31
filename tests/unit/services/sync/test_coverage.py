"""Stretches of history: whatever happens between two pages, in the end every payment was read."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bunqflask.bunq.payment import Payment, PaymentPage
from bunqflask.bunq.resources import Amount
from bunqflask.services.sync.coverage import Stretch, merge

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


class Reader:
    """What is kept between two pages: the payments, and the stretches."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.stretches: list[Stretch] = []

    def read(self, bank: ListingBank, *, pages: int) -> bool:
        """Read as `sync` does, at most so many pages, as if killed then; True when it came to its end."""
        below = None
        for _ in range(pages):
            page = bank.page(below)
            self.seen |= {each.payment_id for each in page.payments}
            self.stretches = merge(self.stretches, page, below=below)
            if self.stretches[0].reaches_end:
                return True
            below = self.stretches[0].oldest
        return False


def test_a_first_history_takes_each_page_once() -> None:
    bank, reader = ListingBank(), Reader()
    bank.pay(9)
    assert not reader.read(bank, pages=2)
    assert reader.stretches == [Stretch(9, 4, False)]
    assert reader.read(bank, pages=2)
    assert reader.seen == set(bank.ids)


def test_nothing_new_takes_one_page() -> None:
    bank, reader = ListingBank(), Reader()
    bank.pay(9)
    assert reader.read(bank, pages=9)
    assert reader.read(bank, pages=1)
    assert reader.stretches == [Stretch(9, 1, True)]


def test_an_account_without_payments_is_complete() -> None:
    reader = Reader()
    assert reader.read(ListingBank(), pages=1)


def test_new_payments_during_a_cut_off_history_leave_no_gap() -> None:
    bank, reader = ListingBank(), Reader()
    bank.pay(12)
    assert not reader.read(bank, pages=2)
    bank.pay(7)
    assert not reader.read(bank, pages=1)
    assert reader.stretches == [Stretch(19, 17, False), Stretch(12, 7, False)]
    assert reader.read(bank, pages=9)
    assert reader.seen == set(range(1, 20))
    assert reader.stretches == [Stretch(19, 1, True)]


def test_a_page_of_other_things_is_passed_and_leaves_no_gap() -> None:
    known = [Stretch(30, 20, False)]
    stretches = merge(known, PaymentPage([], 40), below=None)
    assert stretches == [Stretch(0, 40, False), *known]
    # Cut off here, the next reading begins with the newest again.
    again = merge(stretches, PaymentPage([payment(45), payment(41)], 41), below=None)
    assert again == [Stretch(45, 41, False), *known]
    stretches = merge(stretches, PaymentPage([payment(39), payment(35)], 35), below=40)
    assert stretches == [Stretch(39, 35, False), *known]
    stretches = merge(stretches, PaymentPage([], 28), below=35)
    assert stretches == [Stretch(39, 20, False)]


def test_where_bunq_says_nothing_of_older_payments_a_page_without_any_is_the_end() -> None:
    first = PaymentPage([payment(9), payment(8)], 8, is_paged=False)
    stretches = merge([], first, below=None)
    assert stretches == [Stretch(9, 8, False)]
    stretches = merge(stretches, PaymentPage([payment(7)], 7, is_paged=False), below=8)
    assert stretches == [Stretch(9, 7, False)]
    assert merge(stretches, first, below=7) == [Stretch(9, 7, True)]
    assert merge(stretches, PaymentPage([], None, is_paged=False), below=7) == [Stretch(9, 7, True)]


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 5)), max_size=12))
def test_killed_anywhere_and_paid_at_any_time_every_payment_is_read(steps: list[tuple[int, int]]) -> None:
    bank, reader = ListingBank(), Reader()
    for paid, pages in steps:
        bank.pay(paid)
        reader.read(bank, pages=pages)
        for stretch in reader.stretches:
            # What is claimed to be without a gap is without a gap.
            oldest = 1 if stretch.reaches_end else stretch.oldest
            claimed = {each for each in bank.ids if oldest <= each <= stretch.newest}
            assert claimed <= reader.seen
    assert reader.read(bank, pages=len(bank.ids) + 2)
    assert reader.seen == set(bank.ids)
