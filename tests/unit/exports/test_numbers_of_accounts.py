"""No two accounts, and no two periods of one, look the same to a program that reads both."""

import re
from datetime import date

import pytest

from bunqflask.exports.statement import Statement
from tests.unit.exports.statements import OTHER_IBAN, account, entry, statement, written

FRENCH = "FR7612345678901234567890123"
MALTESE = "MT84MALT011000012345MTLCAST001S"
LONGEST = "LC12" + "A" * 8 + "B" * 22


def tag(content: bytes, name: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", content.decode())
    assert found is not None
    return found[1]


def of_iban(iban: str | None, number: int = 10111) -> Statement:
    return statement(account=account(iban=iban, monetary_account_id=number))


@pytest.mark.parametrize(
    ("iban", "bank", "number"),
    [
        ("NL12BUNQ2034567890", "BUNQ", "NL12BUNQ2034567890"),
        (OTHER_IBAN, "ABNA", OTHER_IBAN),
        (None, "BUNQ", "10111"),
        (" ", "BUNQ", "10111"),
        ("no IBAN, and longer than OFX has room for", "BUNQ", "10111"),
        (FRENCH, "1234", "2345678901234567890123"),
        (MALTESE, "MALT0", "11000012345MTLCAST001S"),
        (LONGEST, "A" * 8, "B" * 22),
    ],
)
def test_ofx_parts_a_long_iban_into_bank_and_account_and_loses_nothing(
    iban: str | None, bank: str, number: str
) -> None:
    content = written("ofx", of_iban(iban))
    assert (tag(content, "BANKID"), tag(content, "ACCTID")) == (bank, number)
    assert len(bank) <= 9
    assert len(number) <= 22


def test_ofx_tells_two_long_ibans_apart_wherever_they_differ() -> None:
    ibans = [LONGEST[:place] + "Z" + LONGEST[place + 1 :] for place in range(4, len(LONGEST))]
    contents = [written("ofx", of_iban(iban)) for iban in ibans]
    assert len({(tag(content, "BANKID"), tag(content, "ACCTID")) for content in contents}) == len(ibans)


def test_camt_gives_each_period_a_message_of_its_own_even_if_both_end_on_one_day() -> None:
    month = statement([entry()])
    week = statement([], first_day=date(2026, 10, 25))
    ids = [(tag(written("camt053", of), "MsgId"), tag(written("camt053", of), "Id")) for of in (month, week)]
    assert ids == [
        ("bunq-10111-20261001-20261031", "10111-20261001-20261031"),
        ("bunq-10111-20261025-20261031", "10111-20261025-20261031"),
    ]
