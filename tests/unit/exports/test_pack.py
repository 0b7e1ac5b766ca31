"""The month-end pack: what is in it, that it repeats itself, and what it says has changed."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from bunqflask.exports import changes, digests, pack
from bunqflask.exports.formats import FORMATS
from bunqflask.exports.pack import AccountTwice, Manifest, write_files, write_pack
from bunqflask.exports.statement import Entry, EntryNote, ExportError, Statement, StatementBroken
from tests.unit.exports.statements import account, entry, hostile_statements, many, statement

SAVINGS = account(name="=Savings", iban=None, monetary_account_id=10112)


def packed(
    statements: Sequence[Statement], formats: Sequence[str] = (), previous: Manifest | None = None
) -> tuple[zipfile.ZipFile, Manifest, bytes]:
    stream = io.BytesIO()
    manifest = write_pack(statements, formats, stream, previous)
    return zipfile.ZipFile(stream), manifest, stream.getvalue()


def told(old: Sequence[Statement], new: Sequence[Statement]) -> list[str]:
    """Return the lines of changes.txt, the last manifest having been kept as JSON in between."""
    _, manifest, _ = packed(old)
    archive, _, _ = packed(new, (), json.loads(json.dumps(manifest)))
    return archive.read("changes.txt").decode().splitlines()


def of(*entries: Entry, **changed: Any) -> Statement:
    return statement(entries, **changed)


class Forward:
    """A stream that can only be written to, as a download is."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, piece: bytes) -> int:
        self.content += piece
        return len(piece)


def test_a_pack_holds_each_format_of_each_account() -> None:
    archive, _, _ = packed([of(entry(1)), of(entry(2), account=SAVINGS)], list(FORMATS))
    assert archive.testzip() is None
    names = archive.namelist()
    assert names == [*sorted(names[:-1]), "manifest.json"]
    period = "20261001-20261031"
    main, savings = f"Main-account-NL12BUNQ2034567890-10111-{period}", f"Savings-10112-{period}"
    extensions = {
        "bunq-csv": "csv",
        "bunq-csv-comma": "csv",
        "camt053": "xml",
        "mt940": "sta",
        "ofx": "ofx",
        "qif": "qif",
    }
    assert set(names) == {
        "balances.csv", "changes.txt", "read-me.txt", "manifest.json", f"payments-{period}.csv",
        f"payments-comma-{period}.csv", f"payments-{period}.xlsx", f"payments-{period}.jsonl",
        f"payments-{period}.journal", f"ledger-{period}.journal", f"payments-{period}.beancount",
        f"ledger-{period}.beancount", f"notes-{period}.csv",
        *(f"{name}/{each}.{extension}" for name, extension in extensions.items() for each in (main, savings)),
    }  # fmt: skip


def test_an_account_without_payments_has_no_bank_file_and_a_word_about_it() -> None:
    archive, _, _ = packed([of(entry(1)), of(account=SAVINGS)], ["camt053", "csv"])
    assert [name for name in archive.namelist() if name.startswith("camt053/")] == [
        "camt053/Main-account-NL12BUNQ2034567890-10111-20261001-20261031.xml"
    ]
    told = archive.read("read-me.txt").decode()
    assert "10111: 1 payment, verified" in told
    assert "=Savings · 10112: no payments, no bank file, verified" in told
    assert archive.read("balances.csv").count(b"\n") == 3


def test_an_account_that_may_be_seen_from_a_later_day_on_shares_a_pack_with_others() -> None:
    later = of(entry(2), account=SAVINGS, first_day=date(2026, 10, 10))
    for both in ([later, of(entry(1))], [of(entry(1)), later]):
        archive, manifest, _ = packed(both, list(FORMATS))
        assert manifest["first_day"] == "2026-10-01"
        names = archive.namelist()
        assert "payments-20261001-20261031.csv" in names
        assert "qif/Savings-10112-20261010-20261031.qif" in names
        assert archive.read("read-me.txt").startswith(b"Payments from 2026-10-01 to 2026-10-31")


def files(statements: Sequence[Statement], formats: Sequence[str]) -> zipfile.ZipFile:
    stream = io.BytesIO()
    write_files(statements, formats, stream)
    return zipfile.ZipFile(stream)


def test_bank_files_alone_are_what_a_package_takes() -> None:
    both = [of(entry(1)), of(entry(2), account=SAVINGS)]
    names = ["Main-account-NL12BUNQ2034567890-10111-20261001-20261031", "Savings-10112-20261001-20261031"]
    assert files(both, ["camt053"]).namelist() == [f"{name}.xml" for name in names]
    assert files(both, ["camt053", "mt940"]).namelist() == [
        *(f"camt053/{name}.xml" for name in names), *(f"mt940/{name}.sta" for name in names)
    ]  # fmt: skip
    assert files(both, ["hledger"]).namelist() == [
        "ledger-20261001-20261031.journal", "payments-20261001-20261031.journal"
    ]  # fmt: skip
    with pytest.raises(AccountTwice):
        files([of(), of()], ["camt053"])
    with pytest.raises(ExportError, match="no account has payments"):
        files([of()], ["camt053"])


def test_the_manifest_vouches_for_every_file_and_is_what_the_caller_gets() -> None:
    archive, manifest, _ = packed([of(entry(1, "-2.50"))], list(FORMATS))
    assert json.loads(archive.read("manifest.json")) == manifest
    for file in manifest["files"]:
        content = archive.read(file["name"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert {file["name"] for file in manifest["files"]} == set(archive.namelist()) - {"manifest.json"}
    (of_account,) = manifest["accounts"]
    assert (of_account["opening"], of_account["money_in"]) == ("100.00", "0.00")
    assert (of_account["money_out"], of_account["closing"]) == ("-2.50", "97.50")
    assert manifest["zone"] == "Europe/Amsterdam"


def test_balances_are_a_table_of_exact_amounts() -> None:
    archive, _, _ = packed([of(entry(1, "10.01"), entry(2, "-0.02")), of(account=SAVINGS, opening=Decimal("5"))])
    rows = list(csv.DictReader(io.StringIO(archive.read("balances.csv").decode("utf-8-sig"))))
    assert [(row["account"], row["opening"], row["closing"], row["payments"]) for row in rows] == [
        ("Main account", "100.00", "109.99", "2"),
        ("'=Savings", "5.00", "5.00", "0"),
    ]


def test_balances_and_notes_have_the_decimal_mark_of_the_payments_beside_them() -> None:
    note = EntryNote(created_at=None, author="Jodi", text="Receipt", files=1)
    for formats, mark in (
        (["csv-comma"], ","), (["bunq-csv-comma", "camt053"], ","), (["csv", "csv-comma"], "."), (["camt053"], ".")
    ):  # fmt: skip
        archive, _, _ = packed([of(entry(1, "-10.01", notes=(note,)))], [*formats, "notes"])
        row, noted = (
            next(csv.DictReader(io.StringIO(text), delimiter=";" if mark == "," else ",", strict=True))
            for text in (
                archive.read(name).decode("utf-8-sig") for name in ("balances.csv", "notes-20261001-20261031.csv")
            )
        )
        assert (noted["amount"], noted["note"]) == (f"-10{mark}01", "Receipt")
        found = [row[name] for name in ("opening", "money_in", "money_out", "closing", "payments")]
        assert found == [f"100{mark}00", f"0{mark}00", f"-10{mark}01", f"89{mark}99", "1"]


def test_a_pack_repeats_itself_to_the_byte_whatever_it_is_written_to() -> None:
    statements = [of(entry(1)), of(entry(2), account=SAVINGS)]
    _, manifest, once = packed(statements, list(FORMATS))
    _, _, again = packed(list(reversed(statements)), [*reversed(list(FORMATS)), "csv"])
    forward = Forward()
    write_pack(statements, list(FORMATS), cast(BinaryIO, forward))
    assert once == again == bytes(forward.content)
    first, second = packed(statements, ["csv"], manifest)[2], packed(statements, ["csv"], manifest)[2]
    assert first == second


def test_times_in_the_zip_are_the_last_day_of_the_period() -> None:
    archive, _, _ = packed([of()], ["csv"])
    assert {file.date_time for file in archive.infolist()} == {(2026, 10, 31, 0, 0, 0)}


def test_an_unverified_account_cannot_be_overlooked() -> None:
    doubtful = of(entry(1), verified=False, notice="A gap on 2026-10-03.")
    archive, manifest, _ = packed([doubtful, of(account=SAVINGS)], ["csv"])
    warning = archive.read("NOT-VERIFIED.txt").decode()
    assert "A gap on 2026-10-03." in warning
    assert "10111" in warning
    assert "10112" not in warning
    assert manifest["verified"] is False
    assert b"NOT VERIFIED COMPLETE. A gap" in archive.read("balances.csv")
    assert b"NOT VERIFIED COMPLETE. A gap" in archive.read("read-me.txt")


def test_a_verified_pack_has_no_warning() -> None:
    archive, manifest, _ = packed([of(entry(1))], ["csv"])
    assert "NOT-VERIFIED.txt" not in archive.namelist()
    assert manifest["verified"] is True
    assert b"verified to the cent" in archive.read("read-me.txt")


def test_an_account_whose_sums_contradict_it_is_unverified_in_every_file() -> None:
    wrong = of(entry(1, "10.00"), closing=Decimal("110.01"))
    archive, manifest, _ = packed([wrong], ["csv"])
    assert manifest["verified"] is manifest["accounts"][0]["verified"] is False
    assert b"do not add up" in archive.read("NOT-VERIFIED.txt")
    assert archive.read("payments-20261001-20261031.csv").rstrip().endswith(b",no")


@pytest.mark.parametrize(
    ("statements", "formats", "words"),
    [
        ([], ["csv"], "at least one account"),
        ([of()], ["csv", "pdf"], "no such format: pdf"),
        ([of(), of(account=SAVINGS, zone=ZoneInfo("UTC"))], [], "one last day and one zone"),
        ([of(), of(account=SAVINGS, last_day=date(2026, 10, 30))], [], "one last day and one zone"),
    ],
)
def test_a_pack_that_makes_no_sense_is_refused(statements: list[Statement], formats: list[str], words: str) -> None:
    with pytest.raises(ExportError, match=words):
        packed(statements, formats)


def test_an_account_handed_in_twice_is_refused() -> None:
    with pytest.raises(AccountTwice, match="10111"):
        packed([of(), of()])


def test_a_pack_that_broke_off_is_no_zip() -> None:
    calls: list[int] = []

    def entries() -> Any:
        calls.append(1)
        yield entry(1) if len(calls) == 1 else entry(1, currency="USD")

    stream = io.BytesIO()
    with pytest.raises(StatementBroken):
        write_pack([replace(of(), entries=entries)], ["csv"], stream)
    assert not zipfile.is_zipfile(stream)


def test_a_huge_pack_announces_its_large_files(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, small = packed([of(entry(1))], ["csv"])
    monkeypatch.setattr(pack, "_LARGE", 0)
    archive, _, large = packed([of(entry(1))], ["csv"])
    assert archive.testzip() is None
    assert large != small


@given(one=hostile_statements(largest=10**9), two=hostile_statements(number=10112, largest=10**9))
@settings(max_examples=15)
def test_hostile_names_stay_inside_their_files(one: Statement, two: Statement) -> None:
    two = replace(
        two, first_day=one.first_day, last_day=one.last_day, zone=one.zone, entries=lambda: iter(()), closing=None
    )
    archive, manifest, _ = packed([one, two], ["csv", "qif", "camt053"])
    assert archive.testzip() is None
    for name in archive.namelist():
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-./")
        assert ".." not in name
        assert not name.startswith("/")
    assert told([one, two], [one, two])[-1].endswith("nothing changed")
    assert manifest["verified"] is (one.verified and two.verified)


def test_what_was_added_changed_and_removed_is_told_by_payment() -> None:
    before = [of(entry(1), entry(2, "-5.00"), entry(3, "7.00"), entry(4))]
    late = entry(5, "1.00", counterparty_name="Late\n+ payment 6")
    after = [of(entry(1), entry(2, "-6.00"), entry(3, "7.00", description="Late words"), late)]
    lines = told(before, after)
    assert lines[5:] == [
        "",
        "Main account NL12BUNQ2034567890 (10111): payments: 1 added, 2 changed, 1 removed",
        "  = closing balance 112.00 EUR, was 122.00",
        "  ~ payment 2 on 2026-10-15: -6.00 EUR, was -5.00 EUR on 2026-10-15 · Baker",
        "  ~ payment 3 on 2026-10-15: 7.00 EUR, same day and amount, other details · Baker",
        "  - payment 4 on 2026-10-15: 10.00 EUR",
        "  + payment 5 on 2026-10-15: 1.00 EUR · Late + payment 6",
    ]


def test_nothing_changed_is_said_plainly() -> None:
    assert told([of(entry(1))], [of(entry(1))])[-1] == "Main account NL12BUNQ2034567890 (10111): nothing changed"


def test_a_moved_balance_after_a_payment_is_no_change_of_the_payment() -> None:
    before, after = of(entry(1, balance_after=Decimal("1.00"))), of(entry(1, balance_after=Decimal("2.00")))
    assert told([before], [after])[-1].endswith("nothing changed")
    digests_of_both = [packed([each])[1]["accounts"][0]["payments_sha256"] for each in (before, after)]
    assert len(set(digests_of_both)) == 2


def test_only_days_of_both_packs_are_compared() -> None:
    before = [of(entry(1, booked_at="2026-10-03 12:00"), entry(2), last_day=date(2026, 10, 20))]
    after = [of(entry(2), entry(3, booked_at="2026-10-25 12:00"), first_day=date(2026, 10, 10))]
    lines = told(before, after)
    assert "Compared:  2026-10-10 to 2026-10-20" in lines
    assert lines[-1].endswith("nothing changed")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"first_day": date(2026, 9, 1), "last_day": date(2026, 9, 30)}, "no day in common"),
        ({"zone": ZoneInfo("UTC")}, "different zones"),
    ],
)
def test_packs_that_cannot_be_compared_say_so(changed: dict[str, Any], words: str) -> None:
    assert words in told([of(**changed)], [of()])[-1]


def test_accounts_that_came_and_went_are_named() -> None:
    assert told([of()], [of(account=SAVINGS)])[-2:] == [
        "Main account NL12BUNQ2034567890 (10111): no longer in this pack",
        "=Savings (10112): not in the last pack",
    ]


def _with(key: str, value: object) -> Callable[[Manifest], object]:
    return lambda manifest: {**manifest, key: value}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda manifest: {},
        _with("format", "another pack 7"),
        _with("accounts", None),
        _with("accounts", [1]),
        _with("first_day", "yesterday"),
        _with("first_day", 5),
        lambda manifest: {**manifest, "accounts": [{**manifest["accounts"][0], "marks": ["1 2 3 4"]}]},
        lambda manifest: {**manifest, "accounts": [{**manifest["accounts"][0], "marks": ["x"]}]},
        lambda manifest: {**manifest, "accounts": [{**manifest["accounts"][0], "marks": [7]}]},
        lambda manifest: {**manifest, "accounts": [{**manifest["accounts"][0], "marks": None, "days": ["x"]}]},
        lambda manifest: {
            **manifest, "accounts": [{**manifest["accounts"][0], "marks": ["1 2026-10-15 NaN abcdefabcdef"]}]
        },
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_read_stops_no_pack(spoil: Callable[[Manifest], Any]) -> None:
    _, manifest, _ = packed([of(entry(1))])
    archive, _, _ = packed([of(entry(1))], ["csv"], spoil(manifest))
    assert "could not be read" in archive.read("changes.txt").decode()


def test_beyond_the_kept_marks_changes_are_told_by_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "MOST_MARKS", 2)
    entries = [entry(1), entry(2, booked_at="2026-10-16 12:00"), entry(3, booked_at="2026-10-17 12:00")]
    _, manifest, _ = packed([of(*entries)])
    (of_account,) = manifest["accounts"]
    assert of_account["marks"] is None
    assert len(of_account["days"]) == 3
    lines = told([of(*entries)], [of(*entries[:2], entry(4, "3.00", "2026-10-17 13:00"))])
    assert lines[-1] == "  ~ 2026-10-17: 1 payment of 3.00 EUR, was 1 payment of 10.00 EUR"


def test_marks_are_compared_with_days_where_one_pack_kept_only_those(monkeypatch: pytest.MonkeyPatch) -> None:
    few, more = of(entry(1), entry(2)), of(entry(1), entry(2), entry(3, booked_at="2026-10-16 12:00"))
    monkeypatch.setattr(pack, "MOST_MARKS", 2)
    assert told([few], [more])[-1] == "  + 2026-10-16: 1 payment of 10.00 EUR, was no payment"
    assert told([more], [few])[-1] == "  - 2026-10-16: no payment, was 1 payment of 10.00 EUR"


def test_marks_have_room_for_several_accounts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "MOST_MARKS", 3)
    _, manifest, _ = packed([of(entry(1), entry(2)), of(entry(3), entry(4), account=SAVINGS)])
    assert [each["marks"] is None for each in manifest["accounts"]] == [False, True]


def test_a_long_list_of_changes_is_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_LINES", 2)
    lines = told([of()], [of(*[entry(number) for number in range(5)])])
    assert lines[-1] == "  and 4 more"


def test_a_full_manifest_stays_small() -> None:
    _, manifest, _ = packed([many(2_000)])
    assert len(json.dumps(manifest)) < 2_000 * 60
    assert digests.MOST_MARKS * 60 < 4_000_000
