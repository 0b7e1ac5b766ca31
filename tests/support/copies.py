"""A program's copy of the payments that a member sees, kept by what `payments.changes` returns."""

from __future__ import annotations

from typing import Any

from bunqflask.api.payments import facts
from bunqflask.extensions import db
from bunqflask.services.payments import changes, notes, repository
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.search import Search
from bunqflask.services.principal import Principal

MOST = 10_000


class Copy:
    """Payments by their ids, each as the API shows it, with the texts of its notes."""

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self.cursor = ""
        self.payments: dict[str, dict[str, Any]] = {}
        self.pages = 0

    def as_before(self) -> Copy:
        """Return another copy that has what this one has, and its cursor."""
        other = Copy(limit=self.limit)
        other.cursor, other.payments = self.cursor, dict(self.payments)
        return other

    def turn(self, principal: Principal) -> bool:
        """Apply one page; returns whether there is more."""
        scope = repository.scope_of(principal)
        found = changes.since(scope, self.cursor, limit=self.limit, with_notes=True)
        assert len(found.payments) + len(found.removed) <= self.limit
        gone = {str(each) for each in found.removed_accounts}
        self.payments = {each: had for each, had in self.payments.items() if had["account_id"] not in gone}
        for each in found.removed:
            self.payments.pop(str(each), None)
        for change in found.payments:
            shown = shown_as(change.line, change.notes)
            self.payments[shown["id"]] = shown
        self.cursor = found.cursor
        self.pages += 1
        return found.has_more

    def catch_up(self, principal: Principal) -> None:
        """Apply pages until there is none."""
        left = MOST
        while self.turn(principal):
            left -= 1
            assert left, "it never ends"


def shown_as(line: Any, noted: Any) -> dict[str, Any]:
    return {**facts(line), "notes": [(each.text, each.author) for each in noted]}


def listed(principal: Principal) -> dict[str, dict[str, Any]]:
    """Return the payments that the list shows to a principal, in the form of a copy."""
    scope = repository.scope_of(principal)
    lines = Search(scope, Filter()).page(size=MOST).lines
    noted = notes.of_payments([line.id for line in lines]) if lines else {}
    found = {str(line.id): shown_as(line, noted.get(line.id, ())) for line in lines}
    db.session.rollback()
    return found
