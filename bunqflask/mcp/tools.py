"""The tools of the MCP server. Each reads what the same call of the API reads, and none changes anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from bunqflask.api import accounts, changes, connections, payments
from bunqflask.api.problems import ParameterRefused, ScopeMissing
from bunqflask.api.queries import BalanceQuery, ChangesQuery, PaymentFilter, PaymentQuery
from bunqflask.api.schemas import Accounts, Changes, Connections, DayBalances, Months, Notes, Payments
from bunqflask.mcp import untrusted
from bunqflask.models import TokenScope
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.principal import TokenBearer


class ToolFailed(Exception):
    """A tool cannot answer a call; the text is for the assistant, and repeats no value of its arguments."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No argument."""


class BalancesOfAccount(BalanceQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account and one day (`date`), or the days from one to another: at most 400; by default the last 30."""

    account: Annotated[str, Meta(pattern="^[0-9]{1,9}$", description="The id of an account.")]


class OnePayment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One payment."""

    payment: Annotated[str, Meta(pattern="^[0-9]{1,18}$", description="The id of a payment.")]


@dataclass(frozen=True)
class Tool:
    """A tool: what it is for, what it takes and returns, and the scope that a token needs for it."""

    name: str
    title: str
    about: str
    scope: TokenScope
    takes: type[Struct]
    returns: type[Struct]
    run: Callable[[TokenBearer, Any], Struct]

    @cached_property
    def description(self) -> dict[str, Any]:
        """The tool as `tools/list` names it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.about,
            "inputSchema": _input_schema(self.takes),
            "outputSchema": untrusted.schema(self.returns),
            "annotations": {
                "title": self.title,
                "readOnlyHint": True,
                "destructiveHint": False,
                "idempotentHint": True,
                "openWorldHint": False,
            },
        }

    def call(self, bearer: TokenBearer, arguments: Any) -> dict[str, Any]:
        """Return the tool's result, with the texts of strangers marked.

        :raises ScopeMissing: the token does not allow it.
        :raises ToolFailed: the arguments do not fit, or name what the token does not see.
        """
        if self.scope.value not in bearer.scopes:
            raise ScopeMissing(self.scope)
        try:
            asked = msgspec.convert(_as_texts(arguments), self.takes, strict=False)
            return untrusted.marked(self.run(bearer, asked))
        except msgspec.ValidationError as error:
            raise ToolFailed(f"The arguments do not fit: {error}") from error
        except ParameterRefused as error:
            raise ToolFailed(str(error)) from error
        except NotFoundHere as error:
            raise ToolFailed("There is no such account or payment, or this token does not see it.") from error
        except NotPermitted as error:
            raise ToolFailed(str(error)) from error


def permitted(bearer: TokenBearer) -> list[Tool]:
    """Return the tools that a token allows, always in the same order."""
    return [tool for tool in TOOLS.values() if tool.scope.value in bearer.scopes]


def _as_texts(arguments: Any) -> Any:
    """Return arguments with numbers as texts: ids and amounts are texts here, and assistants write them as numbers."""
    if not isinstance(arguments, dict):
        return arguments
    return {name: str(each) if type(each) in (int, float) else each for name, each in arguments.items()}


def _input_schema(model: type[Struct]) -> dict[str, Any]:
    (found,), components = msgspec.json.schema_components([model], ref_template="#/$defs/{name}")
    root: dict[str, Any] = components[found["$ref"].rpartition("/")[2]]
    return {**root, "properties": {name: _optional(each) for name, each in root["properties"].items()}}


def _optional(found: dict[str, Any]) -> dict[str, Any]:
    """Describe a parameter that may be left out without the null that stands for that: models fill in too much."""
    given = [each for each in found.get("anyOf", ()) if each != {"type": "null"}]
    return given[0] if len(given) == 1 else found


_BALANCES, _PAYMENTS = TokenScope.BALANCES_READ, TokenScope.PAYMENTS_READ
TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "list_accounts",
            "List accounts",
            "All bank accounts that this token sees, with their ids, IBANs, last known balances and how far their "
            "payments are imported. Start here: other tools take the ids.",
            _BALANCES,
            Nothing,
            Accounts,
            lambda bearer, _asked: accounts.list_of(bearer),
        ),
        Tool(
            "balances",
            "Balances on days",
            "The balance of one account at the end of a day, or of each day of a period. Days are of the server’s "
            "time zone; a day is left out as long as no payment up to it is known.",
            _BALANCES,
            BalancesOfAccount,
            DayBalances,
            lambda bearer, asked: accounts.days_of(bearer, int(asked.account), asked),
        ),
        Tool(
            "search_payments",
            "Search payments",
            "Payments, the newest first, narrowed by words, account, days, amounts, direction or type. One page at a "
            "time: give `next` as `cursor` for the following one. To add up, use month_totals instead of pages.",
            _PAYMENTS,
            PaymentQuery,
            Payments,
            lambda bearer, asked: payments.page_of(bearer, asked),
        ),
        Tool(
            "month_totals",
            "Totals of months",
            "What payments of each month add up to, per currency, the newest month first; narrowed like "
            "search_payments. Transfers between own accounts are counted apart.",
            _PAYMENTS,
            PaymentFilter,
            Months,
            lambda bearer, asked: payments.months_of(bearer, asked),
        ),
        Tool(
            "payment_notes",
            "Notes on a payment",
            "The notes and the ids of files on one payment, as they were last fetched from bunq.",
            TokenScope.NOTES_READ,
            OnePayment,
            Notes,
            lambda bearer, asked: payments.notes_of(bearer, int(asked.payment)),
        ),
        Tool(
            "changes",
            "Changes of payments",
            "What was added, modified or removed since a cursor, and which accounts are gone. Without a cursor it "
            "begins with everything; keep `next`, and give it as `cursor` the next time.",
            _PAYMENTS,
            ChangesQuery,
            Changes,
            lambda bearer, asked: changes.list_since(bearer, asked),
        ),
        Tool(
            "connections",
            "Connections to bunq",
            "The connections behind the accounts: whether the holder’s consent still works (active, lost or "
            "disconnected), when it was given, when the accounts were last updated and why an update failed.",
            _BALANCES,
            Nothing,
            Connections,
            lambda bearer, _asked: connections.list_of(bearer),
        ),
    )
}
