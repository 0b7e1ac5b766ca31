"""Payment files as programs write them, and ones with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from xml.sax.saxutils import escape

from bunqflask.payment_files import csv_columns, csv_payments, csv_table
from bunqflask.payment_files.amounts import DecimalSign
from bunqflask.payment_files.csv_table import CsvTable
from bunqflask.payment_files.lines import FileRefused, PaymentFile, PaymentLine

RABO = "NL39RABO0300065264"
ING = "NL20INGB0001234567"
GERMAN = "DE89370400440532013000"
OWN = "NL73BUNQ2090411801"
MESSAGES = "urn:iso:std:iso:20022:tech:xsd:"


def iban(country: str, account: str) -> str:
    """Return the IBAN of an account, with its check digits (ISO 7064)."""
    number = int("".join(str(int(sign, 36)) for sign in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02d}{account}"


def csv_file(*lines: str, heading: str = "Naam;IBAN;Bedrag;Omschrijving;Kenmerk") -> bytes:
    """Return a CSV file in UTF-8, with a line break after each line."""
    return "".join(f"{line}\r\n" for line in (heading, *lines)).encode()


def opened(content: bytes) -> CsvTable:
    """Return a file as a table, which it has to be."""
    table = csv_table.open_table(content)
    assert isinstance(table, CsvTable), table
    return table


def read_csv(content: bytes, decimal_sign: DecimalSign = "") -> PaymentFile | FileRefused:
    """Read a CSV file with the mapping that is proposed for it."""
    table = csv_table.open_table(content)
    if isinstance(table, FileRefused):
        return table
    chosen = {**vars(csv_columns.propose(table.columns)), "decimal_sign": decimal_sign}
    return csv_payments.read(table, csv_columns.ColumnMapping(**chosen))


def transfer(
    reference: str = "E-1",
    amount: str = "182.40",
    *,
    name: str = "Drukkerij Noord",
    to: str = RABO,
    text: str = "Factuur 12",
    changes: Mapping[str, str] | None = None,
) -> str:
    """Return one payment of a pain.001 file; `changes` replaces text in it."""
    remittance = f"<RmtInf><Ustrd>{escape(text)}</Ustrd></RmtInf>" if text else ""
    written = (
        f"<CdtTrfTxInf><PmtId><EndToEndId>{escape(reference)}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="EUR">{amount}</InstdAmt></Amt>'
        f"<CdtrAgt><FinInstnId><BIC>RABONL2U</BIC></FinInstnId></CdtrAgt>"
        f"<Cdtr><Nm>{escape(name)}</Nm></Cdtr><CdtrAcct><Id><IBAN>{to}</IBAN></Id></CdtrAcct>"
        f"{remittance}</CdtTrfTxInf>"
    )
    return changed(written, changes or {})


def batch(
    transfers: Sequence[str] = (),
    *,
    day: str = "2026-12-01",
    count: int | str | None = None,
    total: Decimal | str | None = None,
    changes: Mapping[str, str] | None = None,
) -> str:
    """Return one batch; without a count and a total it states none."""
    stated = "" if count is None else f"<NbOfTxs>{count}</NbOfTxs>"
    stated += "" if total is None else f"<CtrlSum>{total}</CtrlSum>"
    written = (
        f"<PmtInf><PmtInfId>B-1</PmtInfId><PmtMtd>TRF</PmtMtd>{stated}"
        f"<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf><ReqdExctnDt>{day}</ReqdExctnDt>"
        f"<Dbtr><Nm>Bakkerij Zon</Nm></Dbtr><DbtrAcct><Id><IBAN>{OWN}</IBAN></Id></DbtrAcct>"
        f"<DbtrAgt><FinInstnId><BIC>BUNQNL2A</BIC></FinInstnId></DbtrAgt><ChrgBr>SLEV</ChrgBr>"
        f"{''.join(transfers or [transfer()])}</PmtInf>"
    )
    return changed(written, changes or {})


def pain001(
    *batches: str,
    count: int | str = 1,
    total: Decimal | str | None = "182.40",
    version: str = "pain.001.001.03",
    changes: Mapping[str, str] | None = None,
) -> bytes:
    """Return a whole file in UTF-8."""
    stated = f"<NbOfTxs>{count}</NbOfTxs>" + ("" if total is None else f"<CtrlSum>{total}</CtrlSum>")
    written = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{MESSAGES}{version}"><CstmrCdtTrfInitn>'
        f"<GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-11-29T08:00:00</CreDtTm>{stated}"
        f"<InitgPty><Nm>Bakkerij Zon</Nm></InitgPty></GrpHdr>"
        f"{''.join(batches or [batch()])}</CstmrCdtTrfInitn></Document>"
    )
    return changed(written, changes or {}).encode()


def changed(text: str, changes: Mapping[str, str]) -> str:
    """Return a text with other parts, each of which has to be in it."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def lines_of(found: PaymentFile | FileRefused) -> tuple[PaymentLine, ...]:
    """Return the lines of a file that has to be without faults."""
    assert isinstance(found, PaymentFile), found
    return found.lines


def reasons_of(found: object) -> list[str]:
    """Return the reasons why a file was refused, which it has to be."""
    assert isinstance(found, FileRefused), found
    return [fault.reason for fault in found.faults]
