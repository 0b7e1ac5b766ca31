"""What changed since the last pack, found from the two manifests; names come from the payments of the new one."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from bunqflask.exports.digests import Day, Mark, by_day
from bunqflask.exports.statement import decimal_text
from bunqflask.exports.text import plain

FORMAT = "bunqflask pack 1"
MOST_LINES = 1_000  # per account; what is beyond is counted
# Returns the names of the counterparties of some payments of an account, by bunq's ids.
NamesOf = Callable[[int, Collection[int]], Mapping[int, str]]


@dataclass(frozen=True)
class _Account:
    """One account of a manifest, read again; `marks` is None where only days were stored."""

    monetary_account_id: int
    title: str
    currency: str
    opening: str | None
    closing: str | None
    marks: dict[int, Mark] | None
    days: dict[date, Day]

    @classmethod
    def read(cls, of: dict[str, Any]) -> "_Account":
        marks = None if of["marks"] is None else [Mark.read(line) for line in of["marks"]]
        days = [Day.read(line) for line in of["days"] or ()]
        return cls(
            monetary_account_id=int(of["monetary_account_id"]),
            title=plain(f"{of['name']} {of['iban'] or ''}") or "Account",
            currency=str(of["currency"]),
            opening=None if of["opening"] is None else str(of["opening"]),
            closing=None if of["closing"] is None else str(of["closing"]),
            marks=None if marks is None else {mark.payment_id: mark for mark in marks},
            days=by_day(marks) if marks is not None else {day.day: day for day in days},
        )


@dataclass(frozen=True)
class _Pack:
    """A manifest, read again."""

    first_day: date
    last_day: date
    zone: str
    accounts: dict[int, _Account]

    @classmethod
    def read(cls, manifest: dict[str, Any]) -> "_Pack":
        if manifest["format"] != FORMAT:
            raise ValueError("another format")
        accounts = [_Account.read(account) for account in manifest["accounts"]]
        return cls(
            first_day=date.fromisoformat(manifest["first_day"]),
            last_day=date.fromisoformat(manifest["last_day"]),
            zone=str(manifest["zone"]),
            accounts={account.monetary_account_id: account for account in accounts},
        )


def describe(previous: dict[str, Any] | None, current: dict[str, Any], names_of: NamesOf) -> str:
    """Return the text of changes.txt: what was added, changed and removed in the days that both packs cover.

    A manifest holds no name, so a payment that is gone has none.

    A previous manifest that cannot be read is said to be so: an old or foreign file must not stop a pack.
    """
    new = _Pack.read(current)
    lines = ["What changed since the last pack", "", f"This pack: {_period(new)}"]
    if previous is None:
        return _text([*lines, "This is the first pack, so there is nothing to compare."])
    try:
        old = _Pack.read(previous)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        return _text([*lines, "The manifest of the last pack could not be read: nothing was compared."])
    lines.append(f"Last pack: {_period(old)}")
    if old.zone != new.zone:
        return _text([*lines, "The two packs count their days in different zones: nothing was compared."])
    first, last = max(old.first_day, new.first_day), min(old.last_day, new.last_day)
    if first > last:
        return _text([*lines, "The two packs have no day in common: nothing was compared."])
    lines += [f"Compared:  {first} to {last}", ""]
    same_period = (old.first_day, old.last_day) == (new.first_day, new.last_day)
    for number in sorted(old.accounts.keys() | new.accounts.keys()):
        accounts = old.accounts.get(number), new.accounts.get(number)
        lines += _account(*accounts, first, last, names_of, balances=same_period)
    return _text(lines)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _period(pack: _Pack) -> str:
    return f"{pack.first_day} to {pack.last_day}, days in {pack.zone}"


def _account(
    old: _Account | None, new: _Account | None, first: date, last: date, names_of: NamesOf, *, balances: bool
) -> list[str]:
    if old is None or new is None:
        there = new or old
        assert there is not None  # the number came from one of the two
        story = "not in the last pack" if old is None else "no longer in this pack"
        return [f"{there.title} ({there.monetary_account_id}): {story}"]
    if old.marks is not None and new.marks is not None:
        told = list(_payments(old.marks, new.marks, new.currency, first, last))
        names = names_of(new.monetary_account_id, {number for number, _line in told[:MOST_LINES]}) if told else {}
        found = [" · ".join(filter(None, (line, names.get(number)))) for number, line in told]
        unit = "payments"
    else:
        found = list(_days(old.days, new.days, new.currency, first, last))
        unit = "days"
    if balances:
        found = [*_balances(old, new), *found]
    signs = "".join(line[0] for line in found)
    counts = [f"{signs.count(sign)} {word}" for sign, word in (("+", "added"), ("~", "changed"), ("-", "removed"))]
    head = f"{new.title} ({new.monetary_account_id}): "
    head += f"{unit}: {', '.join(counts)}" if signs.strip("=") else "balances moved" if found else "nothing changed"
    lines = [head, *(f"  {line}" for line in found[:MOST_LINES])]
    if len(found) > MOST_LINES:
        lines.append(f"  and {len(found) - MOST_LINES} more")
    return lines


def _balances(old: _Account, new: _Account) -> Iterator[str]:
    for word, before, after in (("opening", old.opening, new.opening), ("closing", old.closing, new.closing)):
        if before != after:
            now = "not known" if after is None else f"{after} {new.currency}"
            yield f"= {word} balance {now}, was {'not known' if before is None else plain(before)}"


def _payments(
    old: dict[int, Mark], new: dict[int, Mark], currency: str, first: date, last: date
) -> Iterator[tuple[int, str]]:
    """Yield number and line of each payment that was added, changed or removed."""
    for number in sorted(old.keys() | new.keys()):
        was, now = old.get(number), new.get(number)
        if not any(mark and first <= mark.day <= last for mark in (was, now)) or was == now:
            continue
        if now is None and was is not None:
            yield number, f"- payment {number} on {was.day}: {decimal_text(was.amount)} {currency}"
        elif was is None and now is not None:
            yield number, f"+ payment {number} on {now.day}: {decimal_text(now.amount)} {currency}"
        elif was is not None and now is not None:
            before = (
                "same day and amount, other details"
                if (was.day, was.amount) == (now.day, now.amount)
                else f"was {decimal_text(was.amount)} {currency} on {was.day}"
            )
            yield number, f"~ payment {number} on {now.day}: {decimal_text(now.amount)} {currency}, {before}"


def _days(old: dict[date, Day], new: dict[date, Day], currency: str, first: date, last: date) -> Iterator[str]:
    for day in sorted(old.keys() | new.keys()):
        was, now = old.get(day), new.get(day)
        if not first <= day <= last or was == now:
            continue
        sign = "+" if was is None else "-" if now is None else "~"
        yield f"{sign} {day}: {_of_day(now, currency)}, was {_of_day(was, currency)}"


def _of_day(day: Day | None, currency: str) -> str:
    if day is None:
        return "no payment"
    return f"{day.count} payment{'s' if day.count != 1 else ''} of {decimal_text(day.amount)} {currency}"
