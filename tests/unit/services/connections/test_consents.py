"""Which consents list the accounts, and which is asked first, by their rows alone."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from bunqflask import clock
from bunqflask.models import Consent, ConsentAccount, ConsentGrantState, ErrorKind
from bunqflask.services.connections import consents

NOW = clock.now()


def consent(number: int, covers: Iterable[int], *, is_refused: bool = False, is_lost: bool = False) -> Consent:
    """The n-th consent; later ones are newer."""
    return Consent(
        id=number,
        granted_at=NOW + timedelta(minutes=number),
        state=ConsentGrantState.LOST if is_lost else ConsentGrantState.ACTIVE,
        refused_at=NOW if is_refused else None,
        accounts=[ConsentAccount(account_id=each) for each in covers],
    )


@pytest.mark.parametrize(
    ("covers", "listed"),
    [
        ([[1, 2, 3, 4]], [1]),
        ([[1, 2, 3, 4], [3]], [1]),
        ([[1, 2, 3, 4], [1, 2, 3, 4]], [2]),
        ([[1, 2], [3, 4]], [2, 1]),
        ([[1, 2, 3], [3, 4]], [1, 2]),
        ([[1], [2], [1, 2]], [3]),
        ([[1], []], [1]),
        ([[], []], [2]),
        ([], []),
    ],
)
def test_as_few_as_cover_all_list_the_accounts_the_widest_first_then_the_newest(
    covers: list[list[int]], listed: list[int]
) -> None:
    known = [consent(number, each) for number, each in enumerate(covers, start=1)]
    assert [each.id for each in consents.to_list(known)] == listed


def test_one_that_bunq_refused_or_that_is_lost_lists_nothing_and_the_next_takes_its_place() -> None:
    wide, narrow = consent(1, [1, 2], is_refused=True), consent(2, [2])
    lost = consent(3, [1, 2], is_lost=True)
    known = [wide, narrow, lost]
    assert [each.id for each in consents.to_list(known)] == [2]
    assert [each.id for each in consents.pending(known)] == [1]
    assert [each.id for each in consents.active(known)] == [2]


@pytest.mark.parametrize(("kind", "works"), [(None, True), (ErrorKind.WAITING, True), (ErrorKind.UNAVAILABLE, False)])
def test_waiting_for_the_rate_limit_is_no_failure(kind: ErrorKind | None, works: bool) -> None:
    assert consents.works(Consent(error_kind=kind)) is works


@pytest.mark.parametrize(
    ("wait", "is_due"), [(None, True), (timedelta(seconds=-1), True), (timedelta(minutes=1), False)]
)
def test_a_consent_waits_until_its_next_try(wait: timedelta | None, is_due: bool) -> None:
    assert consents.is_due(Consent(next_try_at=None if wait is None else clock.now() + wait)) is is_due
