"""Files that are made to do harm: to fetch, to grow, to take long, or to say one thing to a person and do another."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunqflask import ibans
from bunqflask.payment_files import csv_table
from bunqflask.payment_files import pain001 as reader
from bunqflask.payment_files.lines import MOST_BYTES, FileRefused, PaymentFile
from tests.unit.payment_files.files import (
    GERMAN,
    RABO,
    batch,
    csv_file,
    lines_of,
    pain001,
    read_csv,
    reasons_of,
    transfer,
)

# Seconds of the processor: generous, for slow machines.
LONGEST_S = 8.0
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
DOCUMENT = pain001().decode().removeprefix(HEAD)
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


def bounded(read: Callable[[bytes], PaymentFile | FileRefused], content: bytes) -> PaymentFile | FileRefused:
    """Read a file within a bounded time."""
    began = time.process_time()
    found = read(content)
    assert time.process_time() - began < LONGEST_S
    return found


@pytest.mark.parametrize(
    "doctype",
    [
        f'<!DOCTYPE d [<!ENTITY l0 "ha">{LAUGHS}]>',
        '<!DOCTYPE d [<!ENTITY a "{}">]>'.format("x" * 50_000),
        '<!DOCTYPE d [<!ENTITY name SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE d [<!ENTITY name SYSTEM "http://127.0.0.1:1/">]>',
        '<!DOCTYPE d [<!ENTITY % more SYSTEM "http://127.0.0.1:1/"> %more;]>',
        '<!DOCTYPE d SYSTEM "http://127.0.0.1:1/d.dtd">',
        '<!DOCTYPE d PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://127.0.0.1:1/d.dtd">',
        '<!DOCTYPE d [<!ATTLIST InstdAmt Ccy CDATA "EUR">]>',
        "<!DOCTYPE html>",
    ],
)
def test_a_document_type_is_refused_before_a_parser_sees_it(doctype: str) -> None:
    use = DOCUMENT.replace("Drukkerij Noord", "&l11;&name;&a;")
    (reason,) = reasons_of(bounded(reader.read, f"{HEAD}{doctype}{use}".encode()))
    assert "document type (DOCTYPE)" in reason


def test_an_entity_that_nobody_declared_is_refused() -> None:
    (reason,) = reasons_of(reader.read(f"{HEAD}{DOCUMENT.replace('Drukkerij', '&name;')}".encode()))
    assert "not well-formed" in reason


def test_the_contents_of_a_file_of_this_machine_never_come_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a very secret text")
    included = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{secret.as_uri()}" parse="text"/>'
    changed = DOCUMENT.replace("Drukkerij Noord", f"Drukkerij{included}")
    (reason,) = reasons_of(reader.read(f"{HEAD}{changed}".encode()))
    assert "Nm has elements inside its text" in reason


@pytest.mark.parametrize(
    "encoding",
    ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037", "shift_jis"],
)
@pytest.mark.parametrize("declares", [True, False])
def test_a_document_type_does_not_hide_in_another_encoding(encoding: str, declares: bool) -> None:
    head = HEAD.replace("UTF-8", encoding) if declares else HEAD
    hidden = f'{head}<!DOCTYPE d [<!ENTITY name "Somebody">]>{DOCUMENT.replace("Drukkerij Noord", "&name;")}'
    assert len(reasons_of(reader.read(hidden.encode(encoding)))) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-7", "hex", "rot13", "idna", "unicode_escape", "no-such"])
def test_only_encodings_that_write_ascii_as_ascii_are_read(encoding: str) -> None:
    (reason,) = reasons_of(reader.read(pain001(changes={"UTF-8": encoding})))
    assert "not XML in UTF-8" in reason


@pytest.mark.parametrize(
    "content",
    [
        b"<a>" * (MOST_BYTES // 3),
        b"<a>" * (MOST_BYTES // 7) + b"</a>" * (MOST_BYTES // 7),
        b"<a>" + b"<b/>" * (MOST_BYTES // 4 - 2) + b"</a>",
        b"<a " + b" ".join(b'b%d=""' % n for n in range(150_000)) + b"/>",
        b"<a>" + b"x" * (MOST_BYTES - 10) + b"</a>",
        b"<a>" + b"&amp;" * (MOST_BYTES // 5 - 2) + b"</a>",
        b"<!--" + b"-" * (MOST_BYTES // 2),
        b"<a>" + b"<![CDATA[" * (MOST_BYTES // 10),
        b"<?xml " + b" " * (MOST_BYTES // 2) + b"encoding",
        b"<" * MOST_BYTES,
        b"\xff" * MOST_BYTES,
        b"\0" * MOST_BYTES,
        b" " * MOST_BYTES,
    ],
    ids=range(13),
)
def test_xml_that_is_deep_wide_or_long_is_refused_in_time(content: bytes) -> None:
    assert len(content) <= MOST_BYTES
    assert isinstance(bounded(reader.read, content), FileRefused)


def test_two_megabytes_of_elements_do_not_become_a_tree() -> None:
    found = reader.read(b"<a>" + b"<b/>" * (MOST_BYTES // 4 - 2) + b"</a>")
    assert "more elements than a payment file can have" in reasons_of(found)[0]


def test_a_file_that_is_too_large_is_not_even_decoded() -> None:
    content = b"\xff" * (50 * 1024 * 1024)
    for found in (reader.read(content), csv_table.open_table(content)):
        assert "larger than 2 MB" in reasons_of(found)[0]


@pytest.mark.parametrize(
    "content",
    [
        b'"' * MOST_BYTES,
        b'";' * (MOST_BYTES // 2),
        b";" * MOST_BYTES,
        b"\n" * MOST_BYTES,
        b"\r" * MOST_BYTES,
        b",;\t" * (MOST_BYTES // 3),
        b"Naam;IBAN;Bedrag\n" + b"a;b;c\n" * ((MOST_BYTES - 17) // 6),
        b"Naam;IBAN;Bedrag\n" + b"a;b;" + b"9" * 1_000_000,
        b"Naam;IBAN;Bedrag\n" + b"a;b;" + b"1." * 60_000 + b"x",
        b"Naam;IBAN;Bedrag\n" + b"a;b;1" + b" " * 120_000 + b"x",
        b"Naam;IBAN;Bedrag\n" + b"a;b;" + b"1 " * 60_000 + b"-x",
        b"Naam;IBAN;Bedrag\n" + b"a;b;" + b"1,111" * 24_000 + b",",
        b"Naam;IBAN;Bedrag\n" + b"a;" + b"NL" * 60_000 + b";1",
        b"Naam;IBAN;Bedrag\n" + b"a;" + b" ." * 60_000 + b";1",
        b"Naam" + b"_ " * 60_000 + b";IBAN;Bedrag\nx;y;1",
        b"Naam;IBAN;Bedrag\n" + "\U0001f600\u200d\u00ad".encode() * 14_000 + b";x;1",
        b"\xff\xfe" + b"\x00\xd8" * 1000,
        b"\xc3" * MOST_BYTES,
    ],
    ids=range(18),
)
def test_csv_that_is_wide_or_long_is_refused_in_time(content: bytes) -> None:
    assert len(content) <= MOST_BYTES
    assert isinstance(bounded(read_csv, content), FileRefused)


def test_a_comment_parts_no_iban_in_two() -> None:
    (line,) = lines_of(
        reader.read(pain001(batch([transfer(changes={RABO: f"{RABO[:9]}<!-- {GERMAN} -->{RABO[9:]}"})])))
    )
    assert line.iban == RABO


def test_a_second_payment_does_not_hide_outside_the_batches() -> None:
    hidden = f"<SplmtryData><Envlp>{transfer('E-2', '900.00', to=GERMAN)}</Envlp></SplmtryData></CstmrCdtTrfInitn>"
    found = reader.read(pain001(changes={"</CstmrCdtTrfInitn>": hidden}))
    assert [line.iban for line in lines_of(found)] == [RABO]
    assert isinstance(found, PaymentFile)
    assert found.not_carried == ("SplmtryData",)


@pytest.mark.parametrize("sign", ["\u202e", "\u200b", "\u2066", "\U000e0041", "\x1b", "\ufeff"])
def test_a_name_does_not_read_otherwise_than_it_is(sign: str) -> None:
    (line,) = lines_of(read_csv(csv_file(f"Noord{sign}B;{RABO};1,00;a{sign}b;r{sign}1")))
    assert (line.name, line.description, line.end_to_end_id) == ("NoordB", "ab", "r1")


def test_references_that_differ_only_in_what_nobody_sees_are_the_same() -> None:
    found = reasons_of(read_csv(csv_file(f"A;{RABO};1,00;;R1", f"B;{RABO};2,00;;R\u200b1")))
    assert "the reference “R1” is there before (Line 2)" in found[0]


SOME = pain001(batch([transfer("a", "1.00"), transfer("b", "2.00")], count=2, total="3.00"), count=2, total="3.00")
TABLE = csv_file(f'"Drukkerij Noord";{RABO};1.234,56;Factuur 12;F-12', f"Zuid;{GERMAN};12,50;;")
EDITS = st.lists(
    st.tuples(
        st.integers(0, len(SOME)), st.integers(0, 8), st.binary(max_size=6) | st.sampled_from([b"<", b'"', b"\n"])
    ),
    max_size=4,
)


def edited(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, new in edits:
        content = content[:place] + new + content[place + length :]
    return content


@given(EDITS)
@settings(max_examples=200)
def test_a_damaged_file_is_read_or_refused_and_nothing_else_happens(edits: list[tuple[int, int, bytes]]) -> None:
    for found in (reader.read(edited(SOME, edits)), read_csv(edited(TABLE, edits))):
        if isinstance(found, PaymentFile):
            assert found.lines
            assert all(0 < line.amount < 10**9 and ibans.fault_of(line.iban) is None for line in found.lines)
        else:
            assert all(fault.reason.endswith(".") for fault in found.faults)
            assert found.faults


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_refused(content: bytes) -> None:
    assert isinstance(reader.read(content), FileRefused)
    assert isinstance(read_csv(content), FileRefused)
