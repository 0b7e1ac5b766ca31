"""pain.001 files that are right, in both versions and with all that programs leave out or put in."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunqflask.payment_files import pain001 as reader
from bunqflask.payment_files.lines import PaymentFile
from bunqflask.payment_files.xml_tree import is_xml
from tests.unit.payment_files.files import GERMAN, ING, OWN, RABO, batch, lines_of, pain001, reasons_of, transfer

REMITTANCE = "<RmtInf><Ustrd>Factuur 12</Ustrd></RmtInf>"
DUTCH_REFERENCE = (
    "<CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry><Issr>CUR</Issr></Tp><Ref>9999999999999999</Ref></CdtrRefInf>"
)


@pytest.mark.parametrize(
    ("version", "day"),
    [
        ("pain.001.001.03", "2026-12-01"),
        ("pain.001.001.03", "2026-12-01Z"),
        ("pain.001.001.03", "2026-12-01+01:00"),
        ("pain.001.001.09", "<Dt>2026-12-01</Dt>"),
        ("pain.001.001.09", "<DtTm>2026-12-01T09:30:00.000+01:00</DtTm>"),
    ],
)
def test_both_versions_are_read_whole(version: str, day: str) -> None:
    found = reader.read(pain001(batch(day=day, count=1, total="182.40"), version=version))
    (line,) = lines_of(found)
    assert isinstance(found, PaymentFile)

    assert (found.debtor_iban, found.message_id, found.not_carried) == (OWN, "M-1", ())
    assert found.total == Decimal("182.40")
    assert (line.number, line.amount, line.amount_text) == (1, Decimal("182.40"), "182.40")
    assert (line.name, line.iban, line.description) == ("Drukkerij Noord", RABO, "Factuur 12")
    assert (line.end_to_end_id, line.execution_day) == ("E-1", date(2026, 12, 1))


def test_payments_of_several_batches_are_numbered_through_the_file() -> None:
    batches = (
        batch([transfer("a", "1"), transfer("b", "0.5", to=ING)], count=2, total="1.5"),
        batch([transfer("c", "1000.00", to=GERMAN)], day="2026-12-02", count=1, total="1000"),
    )
    lines = lines_of(reader.read(pain001(*batches, count=3, total="1001.500")))
    assert [(line.number, line.amount, line.amount_text) for line in lines] == [
        (1, Decimal("1.00"), "1"),
        (2, Decimal("0.50"), "0.5"),
        (3, Decimal("1000.00"), "1000.00"),
    ]
    assert [line.execution_day for line in lines] == [date(2026, 12, 1), date(2026, 12, 1), date(2026, 12, 2)]


def test_a_file_may_state_no_sum_and_no_service() -> None:
    left_out = {"<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf>": "", "<ChrgBr>SLEV</ChrgBr>": ""}
    assert len(lines_of(reader.read(pain001(batch(changes=left_out), total=None)))) == 1


def test_many_payments_may_have_no_reference() -> None:
    batches = batch([transfer("NOTPROVIDED", "1"), transfer("NOTPROVIDED", "2")])
    lines = lines_of(reader.read(pain001(batches, count=2, total="3")))
    assert [line.end_to_end_id for line in lines] == [None, None]


@pytest.mark.parametrize(
    ("remittance", "text"),
    [
        ("", ""),
        ("<RmtInf><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf>", "RF18539007547034"),
        (f"<RmtInf><Strd>{DUTCH_REFERENCE}</Strd></RmtInf>", "9999999999999999"),
        ("<RmtInf><Ustrd>deel 1</Ustrd><Ustrd>deel 2</Ustrd></RmtInf>", "deel 1 deel 2"),
        (
            "<RmtInf><Ustrd>Dank</Ustrd><Strd><RfrdDocInf><Nb>F-12</Nb></RfrdDocInf><RfrdDocInf><Nb>F-13</Nb></RfrdDocInf>"
            "<CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf><AddtlRmtInf>korting</AddtlRmtInf></Strd></RmtInf>",
            "Dank F-12 F-13 RF18539007547034 korting",
        ),
    ],
)
def test_what_the_receiver_is_to_read_is_kept_as_text(remittance: str, text: str) -> None:
    (line,) = lines_of(reader.read(pain001(batch([transfer(changes={REMITTANCE: remittance})]))))
    assert line.description == text


def test_what_a_draft_has_no_place_for_is_named() -> None:
    more = {
        "<CdtrAgt>": "<UltmtDbtr><Nm>Zus</Nm></UltmtDbtr><CdtrAgt>",
        "<RmtInf>": "<UltmtCdtr><Nm>Broer</Nm></UltmtCdtr><Purp><Cd>SALA</Cd></Purp><RmtInf>",
    }
    service = {"</SvcLvl>": "</SvcLvl><LclInstrm><Cd>INST</Cd></LclInstrm><CtgyPurp><Cd>SALA</Cd></CtgyPurp>"}
    found = reader.read(pain001(batch([transfer(changes=more)], changes=service)))
    assert isinstance(found, PaymentFile)
    assert found.not_carried == ("LclInstrm", "CtgyPurp", "UltmtDbtr", "UltmtCdtr", "Purp")


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("UTF-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("ISO-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("ISO-8859-15", "iso8859-15"),
    ],
)
def test_names_are_read_in_the_encoding_that_the_file_declares(declared: str, encoding: str) -> None:
    text = pain001(batch([transfer(name="Müller & Söhne")]), changes={"UTF-8": declared}).decode()
    (line,) = lines_of(reader.read(text.encode(encoding)))
    assert line.name == "Müller & Söhne"


def test_another_prefix_and_other_space_make_no_difference() -> None:
    text = (
        pain001()
        .decode()
        .replace("<", "<p:")
        .replace("<p:/", "</p:")
        .replace("<p:?", "<?")
        .replace("xmlns=", "xmlns:p=")
    )
    spaced = text.replace("><p:", ">\n\t<p:").replace(f">{RABO}<", ">\n NL39 RABO 0300 0652 64 <")
    assert lines_of(reader.read(spaced.encode())) == lines_of(reader.read(pain001()))


def test_a_part_of_another_namespace_is_no_part_of_the_payment() -> None:
    foreign = '<x:Nm xmlns:x="urn:example">Somebody else</x:Nm><Nm>Drukkerij'
    (line,) = lines_of(reader.read(pain001(batch([transfer(changes={"<Nm>Drukkerij": foreign})]))))
    assert line.name == "Drukkerij Noord"


@given(st.lists(st.integers(1, 99_999_999_999), min_size=1, max_size=6), st.booleans())
def test_every_sum_of_amounts_comes_back_to_the_cent(cents: list[int], states: bool) -> None:
    amounts = [Decimal(each) / 100 for each in cents]
    content = pain001(
        batch([transfer(f"E-{place}", f"{each:.2f}") for place, each in enumerate(amounts)]),
        count=len(amounts),
        total=f"{sum(amounts):.2f}" if states else None,
    )
    found = reader.read(content)
    assert [line.amount for line in lines_of(found)] == amounts
    assert isinstance(found, PaymentFile)
    assert found.total == sum(amounts)


@given(st.integers(-100, 100).filter(bool))
def test_a_sum_that_is_off_by_a_few_cents_is_noticed(off: int) -> None:
    stated = Decimal("182.40") + Decimal(off) / 100
    (reason,) = reasons_of(reader.read(pain001(total=f"{stated:.2f}")))
    assert f"states the sum “{stated:.2f}”, and its payments add up to 182.40" in reason


def test_a_file_is_xml_or_it_is_not() -> None:
    assert is_xml(pain001())
    assert is_xml(b"\xef\xbb\xbf \r\n<Document/>")
    assert is_xml(pain001().decode().encode("utf-16"))
    assert not is_xml(b"Naam;IBAN;Bedrag\r\n")
    assert not is_xml("Naam;IBAN;Bedrag\r\n".encode("utf-16"))
    assert not is_xml(b"")
