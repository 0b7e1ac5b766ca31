"""Kinds of broken files, each refused whole, with a reason that says where and why."""

import pytest

from bunqflask.payment_files import pain001 as reader
from bunqflask.payment_files.csv_table import MOST_COLUMNS
from bunqflask.payment_files.lines import MOST_BYTES, MOST_LINES, Field, FileRefused
from tests.unit.payment_files.files import (
    ING,
    MESSAGES,
    OWN,
    RABO,
    batch,
    csv_file,
    pain001,
    read_csv,
    transfer,
)

GOOD = f"Noord;{RABO};1,00;x;"
AMOUNT = '<Amt><InstdAmt Ccy="EUR">182.40</InstdAmt></Amt>'
ACCOUNT = f"<CdtrAcct><Id><IBAN>{RABO}</IBAN></Id></CdtrAcct>"


def of_transfer(old: str, new: str) -> bytes:
    return pain001(batch([transfer(changes={old: new})]))


def of_batch(old: str, new: str) -> bytes:
    return pain001(batch(changes={old: new}))


SAME_REFERENCE = pain001(batch([transfer("a", "1.00"), transfer("a", "2.00")]), count=2, total="3.00")

BROKEN_CSV = [
    ("empty", b"", None, Field.FILE, "The file is empty"),
    ("blank", b"\r\n\r\n  \r\n", None, Field.FILE, "The file is empty"),
    ("only headings", csv_file(), None, Field.FILE, "The file has no payments"),
    ("no headings", csv_file(GOOD, heading=GOOD), None, Field.FILE, "The first line is a payment"),
    ("one column", b"Naam\r\nNoord\r\n", None, Field.FILE, "columns of the file are not clear"),
    ("two delimiters", b"Naam;IBAN,Bedrag\r\na;b,c\r\n", None, Field.FILE, "columns of the file are not clear"),
    ("workbook", b"PK\x03\x04rest of a workbook", None, Field.FILE, "This is a workbook of a spreadsheet"),
    ("old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1", None, Field.FILE, "This is a workbook of a spreadsheet"),
    ("PDF", b"%PDF-1.7 ...", None, Field.FILE, "This is a PDF"),
    ("XML", pain001(), None, Field.FILE, "This is an XML or HTML file"),
    ("XML in UTF-16", pain001().decode().encode("utf-16"), None, Field.FILE, "This is an XML or HTML file"),
    ("zero bytes", csv_file(GOOD) + b"\0", None, Field.FILE, "not a text file"),
    ("two encodings", csv_file("Caf\u00e9;x;1;x;") + b"M\xfcller;", None, Field.FILE, "mixes encodings"),
    ("no encoding", b"Naam;IBAN;Bedrag\r\n\x81\x8d\x8f;x;y\r\n", None, Field.FILE, "mixes encodings"),
    ("half a UTF-16 letter", csv_file(GOOD).decode().encode("utf-16") + b"\xd8", None, Field.FILE, "mixes encodings"),
    ("quote not closed", csv_file(GOOD, f'"West;{RABO};1,00;;'), None, Field.FILE, "Line 3: a quotation mark"),
    ("quote inside", csv_file(f'"We"st;{RABO};1,00;;'), None, Field.FILE, "Line 2: a quotation mark"),
    ("too many lines", csv_file(*[GOOD] * (MOST_LINES + 1)), None, Field.FILE, "more than 3500 payments"),
    ("too large", csv_file("x" * MOST_BYTES), None, Field.FILE, "larger than 2 MB"),
    ("too many columns", b"Naam;" * MOST_COLUMNS + b"IBAN\nx\n", None, Field.FILE, "more than 100 columns"),
    ("cell missing", csv_file(f"Noord;{RABO};1,00"), 2, Field.COLUMNS, "it has 3 cells, and the first line names 5"),
    ("cell too many", csv_file(f"Noord;{RABO};1,00;a;b;c"), 2, Field.COLUMNS, "it has 6 cells"),
    ("decimal comma as delimiter", csv_file(f"N,{RABO},1,00,x", heading="Naam,IBAN,Bedrag,Kenmerk"), 2, Field.COLUMNS,
     "it has 5 cells, and the first line names 4"),
    ("no amount", csv_file(f"Noord;{RABO};;x;"), 2, Field.AMOUNT, "the amount is missing"),
    ("negative amount", csv_file(f"Noord;{RABO};-1,00;x;"), 2, Field.AMOUNT, "the amount “-1,00” is negative"),
    ("ambiguous amount", csv_file(f"Noord;{RABO};1.234;x;"), 2, Field.AMOUNT, "can mean 1234 euros or 1.234"),
    ("amount in words", csv_file(f"Noord;{RABO};tien;x;"), 2, Field.AMOUNT, "“tien” is not one that can be read"),
    ("no name", csv_file(f";{RABO};1,00;x;"), 2, Field.NAME, "the name of the receiver is missing"),
    ("name of spaces", csv_file(f"\u200b \xa0;{RABO};1,00;x;"), 2, Field.NAME, "the name of the receiver is missing"),
    ("no IBAN", csv_file("Totaal;;1,00;x;"), 2, Field.IBAN, "remove the line if it is no payment"),
    ("old account number", csv_file("Noord;300065264;1,00;x;"), 2, Field.IBAN, "“300065264” is not one"),
    ("wrong digits", csv_file("Noord;NL38RABO0300065264;1,00;x;"), 2, Field.IBAN, "check digits do not fit"),
    ("too short", csv_file("Noord;NL39RABO030006526;1,00;x;"), 2, Field.IBAN, "has 17 characters"),
    ("formula as IBAN", csv_file(f'Noord;"=""{RABO}""";1,00;x;'), 2, Field.IBAN, "is not one"),
    ("same reference", csv_file(f"A;{RABO};1,00;x;K", f"B;{ING};1,00;x;K"), 3, Field.REFERENCE, "before (Line 2)"),
]  # fmt: skip

BROKEN_XML = [
    ("no XML", b"Naam;IBAN", None, Field.FILE, "not well-formed XML at line 1"),
    ("cut off", pain001()[:-40], None, Field.FILE, "not well-formed XML"),
    ("HTML", b"<html><body>Please log in</body></html>", None, Field.KIND, "not a payment file in pain.001.001.03"),
    ("no namespace", pain001(changes={f' xmlns="{MESSAGES}pain.001.001.03"': ""}), None, Field.KIND, "not a payment"),
    ("version .02", pain001(version="pain.001.001.02"), None, Field.KIND, "not a payment file"),
    ("version .11", pain001(version="pain.001.001.11"), None, Field.KIND, "not a payment file"),
    ("direct debit", pain001(version="pain.008.001.08"), None, Field.KIND, "collects money (direct debit)"),
    ("statement", pain001(version="camt.053.001.02"), None, Field.KIND, "not a payment file"),
    ("no initiation", pain001(changes={"CstmrCdtTrfInitn": "Other"}), None, Field.FILE, "CstmrCdtTrfInitn is missing"),
    ("no header", pain001(changes={"GrpHdr": "Other"}), None, Field.FILE, "GrpHdr is missing"),
    ("no number", pain001(changes={"<NbOfTxs>1</NbOfTxs>": ""}), None, Field.FILE, "NbOfTxs is missing"),
    ("no payments", pain001(changes={"CdtTrfTxInf": "Other"}, count=0, total=None), None, Field.FILE, "no payments"),
    ("no batches", pain001(changes={"PmtInf": "Other"}, count=0, total="0"), None, Field.FILE, "no payments"),
    ("lost payment", pain001(count=2), None, Field.FILE, "The file states “2” payments and has 1"),
    ("number in words", pain001(count="one"), None, Field.FILE, "The file states “one” payments"),
    ("negative number", pain001(count="-1"), None, Field.FILE, "The file states “-1” payments"),
    ("wrong sum", pain001(total="182.41"), None, Field.AMOUNT, "states the sum “182.41”, and its payments add up to"),
    ("no sum at all", pain001(total="NaN"), None, Field.AMOUNT, "states the sum “NaN”"),
    ("lost in a batch", pain001(batch(count=2)), None, Field.FILE, "Batch 1 states “2” payments and has 1"),
    ("wrong sum of a batch", pain001(batch(total="1.00")), None, Field.AMOUNT, "Batch 1 states the sum “1.00”"),
    ("cheque", of_batch("TRF", "CHK"), None, Field.KIND, "Batch 1 is not paid by transfer"),
    ("urgent", of_batch("<Cd>SEPA</Cd>", "<Cd>URGP</Cd>"), None, Field.KIND, "the service “URGP” is not SEPA"),
    ("other charges", of_batch("SLEV", "DEBT"), None, Field.KIND, "the charges are “DEBT”"),
    ("no account", of_batch("DbtrAcct", "Other"), None, Field.IBAN, "does not name the IBAN of the account"),
    ("wrong account", of_batch(OWN, "NL74BUNQ2090411801"), None, Field.IBAN, "check digits do not fit"),
    ("account in dollars", of_batch("</Id></DbtrAcct>", "</Id><Ccy>USD</Ccy></DbtrAcct>"), None, Field.CURRENCY,
     "account in another currency"),
    ("two accounts", pain001(batch(), batch([transfer("b", "1")], changes={OWN: ING}), count=2, total="183.40"), None,
     Field.IBAN, "Batch 2 is paid from another account"),
    ("no day", of_batch("ReqdExctnDt", "Other"), None, Field.FILE, "ReqdExctnDt is missing"),
    ("impossible day", pain001(batch(day="2026-02-30")), None, Field.DAY, "the day of payment “2026-02-30” is none"),
    ("Dutch day", pain001(batch(day="01-12-2026")), None, Field.DAY, "the day of payment “01-12-2026” is none"),
    ("dollars", of_transfer('Ccy="EUR"', 'Ccy="USD"'), 1, Field.CURRENCY, "Payment 1: the currency is “USD”"),
    ("no currency", of_transfer(' Ccy="EUR"', ""), 1, Field.CURRENCY, "the currency is “”"),
    ("amount in another currency", of_transfer("InstdAmt", "EqvtAmt"), 1, Field.AMOUNT, "the amount is missing"),
    ("comma", of_transfer("182.40", "182,40"), 1, Field.AMOUNT, "the amount “182,40” is none"),
    ("three decimals", of_transfer("182.40", "182.401"), 1, Field.AMOUNT, "the amount “182.401” is none"),
    ("exponent", of_transfer("182.40", "1e9"), 1, Field.AMOUNT, "the amount “1e9” is none"),
    ("infinite", of_transfer("182.40", "INF"), 1, Field.AMOUNT, "the amount “INF” is none"),
    ("negative", of_transfer("182.40", "-182.40"), 1, Field.AMOUNT, "the amount “-182.40” is none"),
    ("zero", of_transfer("182.40", "0.00"), 1, Field.AMOUNT, "is zero, or more than"),
    ("too much", of_transfer("182.40", "1000000000.00"), 1, Field.AMOUNT, "which is 999,999,999.99 euros"),
    ("two amounts", of_transfer(AMOUNT, AMOUNT * 2), 1, Field.FILE, "Payment 1: Amt is there 2 times"),
    ("two IBANs", of_transfer(ACCOUNT, ACCOUNT * 2), 1, Field.FILE, "Payment 1: CdtrAcct is there 2 times"),
    ("element in a text", of_transfer("Drukkerij", "<b>Drukkerij</b>"), 1, Field.FILE, "Nm has elements inside"),
    ("no IBAN", of_transfer(ACCOUNT, ""), 1, Field.IBAN, "the IBAN of the receiver is missing"),
    ("other account", of_transfer(f"<IBAN>{RABO}</IBAN>", "<Othr><Id>300065264</Id></Othr>"), 1, Field.IBAN,
     "the account of the receiver is not an IBAN"),
    ("outside SEPA", of_transfer(RABO, "XK051212012345678906"), 1, Field.IBAN, "is of XK, which is not in SEPA"),
    ("wrong digits", of_transfer(RABO, "NL38RABO0300065264"), 1, Field.IBAN, "check digits do not fit"),
    ("no name", of_transfer("<Nm>Drukkerij Noord</Nm>", ""), 1, Field.NAME, "the name of the receiver is missing"),
    ("long name", of_transfer("Drukkerij", "x" * 70), 1, Field.NAME, "characters, and a bank takes 70"),
    ("long text", of_transfer("Factuur", "x" * 140), 1, Field.DESCRIPTION, "bunq takes 140"),
    ("no reference", of_transfer("<EndToEndId>E-1</EndToEndId>", ""), 1, Field.FILE, "EndToEndId is missing"),
    ("long reference", of_transfer("E-1", "x" * 36), 1, Field.REFERENCE, "more than 35 characters"),
    ("same reference", SAME_REFERENCE, 2, Field.REFERENCE, "“a” is there before (Payment 1)"),
    ("payment that is urgent", of_transfer("<Amt>", "<PmtTpInf><SvcLvl><Cd>URGP</Cd></SvcLvl></PmtTpInf><Amt>"), 1,
     Field.KIND, "the service “URGP” is not SEPA"),
    ("payment with charges", of_transfer("<CdtrAgt>", "<ChrgBr>CRED</ChrgBr><CdtrAgt>"), 1, Field.KIND, "“CRED”"),
    ("too many", pain001(batch([transfer(text="")] * (MOST_LINES + 1))), None, Field.FILE, "more than 3500 payments"),
]  # fmt: skip


def check(found: object, line: int | None, field: Field, why: str) -> None:
    """Check that a file was refused with this as its first fault, in whole sentences."""
    assert isinstance(found, FileRefused), found
    fault = found.faults[0]
    assert (fault.line, fault.field) == (line, field), fault
    assert why in fault.reason
    assert fault.reason.endswith(".")
    assert len(fault.reason) < 400


@pytest.mark.parametrize(
    ("content", "line", "field", "why"), [each[1:] for each in BROKEN_CSV], ids=[each[0] for each in BROKEN_CSV]
)
def test_a_broken_csv_file_is_refused_for_its_reason(content: bytes, line: int | None, field: Field, why: str) -> None:
    check(read_csv(content), line, field, why)


@pytest.mark.parametrize(
    ("content", "line", "field", "why"), [each[1:] for each in BROKEN_XML], ids=[each[0] for each in BROKEN_XML]
)
def test_a_broken_pain001_file_is_refused_for_its_reason(
    content: bytes, line: int | None, field: Field, why: str
) -> None:
    check(reader.read(content), line, field, why)


def test_all_faults_of_a_file_are_named_at_once() -> None:
    transfers = [transfer("a", "1,00"), transfer("b", "2.00", to="NL00"), transfer("b", "3.00", name="")]
    found = reader.read(pain001(batch(transfers), count=4, total="6.00"))
    assert isinstance(found, FileRefused)
    assert [(fault.line, fault.field) for fault in found.faults] == [
        (1, Field.AMOUNT),
        (2, Field.IBAN),
        (3, Field.NAME),
        (3, Field.REFERENCE),
        (None, Field.FILE),
    ]
