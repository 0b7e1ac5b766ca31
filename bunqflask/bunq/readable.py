"""What of bunq's API programs can read through ours: each resource, and where accounts stand in its answers.

This table alone decides which paths there are. The OpenAPI description is made from it, and the table in
docs/reference/bunq-through-the-api.md is tested against it.

https://doc.bunq.com/api-reference/start-here
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property


class Accounts(Enum):
    """Where an answer says which accounts it is about, and with that, to whom it is shown."""

    PATH = "the path names the account"
    ACCOUNT = "each item is an account"
    ITEM = "each item names its accounts"
    # nothing says which accounts it is about: for the member whose consent it is, with all its accounts
    NONE = "none: about the bunq user as a whole"
    # of whom only the two names that everybody knows who sees an account are shown to all
    USER = "none: about the bunq user; others see `UserApiKey` only"
    # pictures that every session at bunq can read by their uuid
    PUBLIC = "none: public"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query: what it may be, as a whole, and an example."""

    name: str
    about: str
    pattern: str
    example: str

    def fits(self, value: str) -> bool:
        """Tell whether a value is one that bunq is asked with."""
        return re.fullmatch(self.pattern, value, re.ASCII) is not None


_ID = "[0-9]{1,18}"
_TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,6})?)?"
COUNT = Parameter(
    "count", "Items of a page, from 1 to 200; bunq’s default is 10.", "[1-9]|[1-9][0-9]|1[0-9][0-9]|200", "50"
)
OLDER = Parameter("older_id", "Only items older than the one with this id.", _ID, "900")
NEWER = Parameter("newer_id", "Only items newer than the one with this id; not together with `older_id`.", _ID, "900")
ACCOUNT_IDS = Parameter(
    "monetary_account_id", "bunq’s ids of accounts, with commas.", f"{_ID}(?:,{_ID}){{0,99}}", "2083712"
)
_PAGING = (COUNT, OLDER, NEWER)
_OF_EVENTS = (
    ACCOUNT_IDS,
    Parameter("status", "The state of an event.", "AWAITING_REPLY|FINALIZED", "FINALIZED"),
    Parameter("display_user_event", "Whether events without an account are wanted.", "true|false", "false"),
)
_RANGE = (
    Parameter("time_start", "The beginning of the range (UTC).", _TIME, "2026-11-01 00:00:00"),
    Parameter("time_end", "The end of the range (UTC).", _TIME, "2026-12-01 00:00:00"),
    Parameter("category", "The name of a category.", "[A-Z0-9_]{1,100}", "GROCERIES"),
)


@dataclass(frozen=True)
class Resource:
    """One call of bunq's API: its path below /v1/, with its ids in braces as bunq's own description names them."""

    path: str
    about: str
    accounts: Accounts
    parameters: tuple[Parameter, ...] = ()

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The parts of the path, those in braces included."""
        return tuple(self.path.split("/"))

    @property
    def is_content(self) -> bool:
        """Whether it is answered with the bytes of a file; otherwise with JSON."""
        return self.path.endswith("/content")

    @property
    def is_single(self) -> bool:
        """Whether it is one object, which is there or not."""
        return self.path.endswith("}")


@dataclass(frozen=True)
class Call:
    """A path that a program asked for: its resource, and the ids in it."""

    resource: Resource
    ids: dict[str, str]

    @property
    def user_id(self) -> int | None:
        """bunq's user id in the path, None without one."""
        return int(self.ids["userID"]) if "userID" in self.ids else None

    @property
    def monetary_account_id(self) -> int | None:
        """bunq's id of the account that the path names, None without one."""
        return int(self.ids["monetary-accountID"]) if "monetary-accountID" in self.ids else None

    def path(self, user_id: int) -> str:
        """Return the path with this user id; nothing in it is anybody's text, only the table's words and ids."""
        ids = {**self.ids, "userID": str(user_id)}
        return "/".join(ids[word[1:-1]] if word.startswith("{") else word for word in self.resource.words)


_USER = "user/{userID}"
_ACCOUNT = "user/{userID}/monetary-account/{monetary-accountID}"


def _list(path: str, about: str, accounts: Accounts, *more: Parameter) -> Resource:
    return Resource(path, about, accounts, (*_PAGING, *more))


def _both(path: str, name: str, about: str, accounts: Accounts, *more: Parameter) -> tuple[Resource, Resource]:
    """Return a list, and one item of it."""
    return _list(path, about, accounts, *more), Resource(f"{path}/{{{name}ID}}", f"{about}: one", accounts)


def _of_account(name: str, about: str) -> tuple[Resource, Resource]:
    return _both(f"{_ACCOUNT}/{name}", name, about, Accounts.PATH)


def _of_user() -> tuple[Resource, ...]:
    return (
        Resource("user", "The user of the session", Accounts.USER),
        Resource(_USER, "The user, by either id", Accounts.USER),
        Resource("user-person/{userID}", "A person", Accounts.NONE),
        Resource("user-company/{userID}", "A company", Accounts.NONE),
        Resource("user-company/{userID}/name", "The names of a company", Accounts.NONE),
        Resource(f"{_USER}/legal-name", "Legal names", Accounts.NONE),
        *_both(f"{_USER}/card", "card", "Cards", Accounts.ITEM),
        Resource(f"{_USER}/card-name", "Names for a card", Accounts.NONE),
        *_card_statements(),
        *_both(f"{_USER}/event", "event", "Events", Accounts.ITEM, *_OF_EVENTS),
        _list(f"{_USER}/schedule", "Schedules of all accounts", Accounts.ITEM),
        Resource(f"{_USER}/insights", "Sums by category", Accounts.NONE, _RANGE),
        _list(f"{_USER}/insights-search", "Events of a category", Accounts.ITEM, *_RANGE),
        Resource(f"{_USER}/insight-preference-date", "The day on which a month begins", Accounts.NONE),
        _list(f"{_USER}/additional-transaction-information-category", "Categories", Accounts.NONE),
        *(
            _list(f"{_USER}/notification-filter-{kind}", f"Notification filters: {kind}", Accounts.NONE)
            for kind in ("url", "push", "email", "failure")
        ),
        Resource(f"{_USER}/attachment/{{attachmentID}}", "What a file is", Accounts.NONE),
        Resource(f"{_USER}/attachment/{{attachmentID}}/content", "A file", Accounts.NONE),
        Resource("attachment-public/{uuid}", "What a public file is", Accounts.PUBLIC),
        Resource("attachment-public/{uuid}/content", "A public file", Accounts.PUBLIC),
        Resource("avatar/{uuid}", "A picture of a user or an account", Accounts.PUBLIC),
    )


def _card_statements() -> tuple[Resource, ...]:
    """Statements of a card: it may have paid from several accounts, and a file cannot be narrowed to some."""
    path = f"{_USER}/card/{{cardID}}/export-statement-card"
    kinds = (("", ""), ("-csv", ", CSV"), ("-pdf", ", PDF"))
    lists = [_both(path + kind, "statement", f"Statements of a card{what}", Accounts.NONE) for kind, what in kinds]
    content = Resource(f"{path}/{{statementID}}/content", "A statement of a card", Accounts.NONE)
    return (*(each for both in lists for each in both), content)


def _monetary_accounts() -> tuple[Resource, ...]:
    kinds = ("", "-bank", "-joint", "-savings", "-external", "-external-savings", "-card")
    return tuple(
        each
        for kind in kinds
        for each in _both(
            f"{_USER}/monetary-account{kind}",
            "monetary-account",
            f"Accounts{': ' if kind else ''}{kind[1:]}",
            Accounts.ACCOUNT,
        )
    )


def _of_accounts() -> tuple[Resource, ...]:
    of_event = f"{_ACCOUNT}/event/{{eventID}}/statement/{{statementID}}"
    instances = f"{_ACCOUNT}/schedule/{{scheduleID}}/schedule-instance"
    return (
        *_of_account("payment", "Payments"),
        *_of_account("payment-batch", "Batches of payments"),
        *_of_account("draft-payment", "Draft payments"),
        *_of_account("request-inquiry", "Requests for money"),
        *_of_account("request-inquiry-batch", "Batches of requests"),
        *_of_account("request-response", "Requests received"),
        *_of_account("bunqme-tab", "bunq.me links"),
        Resource(f"{_ACCOUNT}/bunqme-tab-result-response/{{resultID}}", "A payment of a link", Accounts.PATH),
        *_of_account("mastercard-action", "Card payments"),
        Resource(
            f"{_ACCOUNT}/mastercard-action/{{mastercard-actionID}}/payment", "Payments of a card payment", Accounts.PATH
        ),
        *_of_account("schedule", "Schedules"),
        *_both(instances, "schedule-instance", "Runs of a schedule", Accounts.PATH),
        *_of_account("schedule-payment", "Scheduled payments"),
        Resource(f"{_ACCOUNT}/schedule-payment-batch/{{scheduleID}}", "A scheduled batch", Accounts.PATH),
        *_of_account("customer-statement", "Statements"),
        Resource(f"{_ACCOUNT}/customer-statement/{{statementID}}/content", "A statement", Accounts.PATH),
        Resource(of_event, "What the statement of an event is", Accounts.PATH),
        Resource(f"{of_event}/content", "The statement of an event", Accounts.PATH),
        *_of_account("export-rib", "Proofs of an account"),
        Resource(f"{_ACCOUNT}/export-rib/{{export-ribID}}/content", "A proof of an account", Accounts.PATH),
        Resource(f"{_ACCOUNT}/attachment/{{attachmentID}}/content", "A file", Accounts.PATH),
        _list(f"{_ACCOUNT}/notification-filter-url", "Notification filters of an account", Accounts.NONE),
    )


NOTED = (
    *("payment", "payment-batch", "draft-payment", "request-inquiry", "request-inquiry-batch", "request-response"),
    *("mastercard-action", "schedule-payment", "schedule-payment-batch"),
)


def _notes() -> tuple[Resource, ...]:
    parents = [f"{_ACCOUNT}/{noted}/{{parentID}}" for noted in NOTED]
    parents.append(f"{_ACCOUNT}/schedule/{{scheduleID}}/schedule-instance/{{parentID}}")
    return tuple(
        each
        for parent in parents
        for kind, what in (("note-text", "Notes"), ("note-attachment", "Files attached"))
        for each in _both(f"{parent}/{kind}", "note", f"{what}: {parent.split('/')[-2]}", Accounts.PATH)
    )


RESOURCES = (*_of_user(), *_monetary_accounts(), *_of_accounts(), *_notes())

# What bunq documents, and no grant permits: only the owner's own session, or nobody.
_OWNERS = "At bunq it takes the user’s own API key: a grant does not permit it."
_OURS = "It is about this server’s own access to bunq."
_CODES = "Codes of cards are never read."
NOT_GRANTED = {
    f"{_USER}/oauth-client": _OWNERS,
    f"{_USER}/credential-password-ip": _OWNERS,
    f"{_USER}/certificate-pinned": _OWNERS,
    f"{_USER}/limit": _OWNERS,
    f"{_USER}/billing-contract-subscription": _OWNERS,
    f"{_USER}/export-annual-overview": _OWNERS,
    f"{_USER}/payment-service-provider-issuer-transaction": _OURS,
    f"{_USER}/payment-service-provider-draft-payment": _OURS,
    f"{_USER}/card/{{cardID}}/generated-cvc2": _CODES,
    "payment-service-provider-credential": _OURS,
    "installation": _OURS,
    "device-server": _OURS,
}

_NUMBER = re.compile(_ID, re.ASCII)
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_LONGEST_PATH = 400
# Marks of ids in the shape of a path: no part of a path holds a slash.
_NUMBER_HERE, _UUID_HERE = "/", "//"


def find(path: str) -> Call | None:
    """Return what a path below /v1/ asks for; None where the table has no such path."""
    shape, ids = _shape_of(path)
    resource = _BY_SHAPE.get(shape)
    if resource is None:
        return None
    names = [word[1:-1] for word in resource.words if word.startswith("{")]
    return Call(resource, dict(zip(names, ids, strict=True)))


def why_not_granted(path: str) -> str | None:
    """Return why no grant permits a documented path; None where that is not known."""
    shape, _ids = _shape_of(path)
    return next((why for start, why in _NOT_BY_SHAPE.items() if shape[: len(start)] == start), None)


def _shape_of(path: str) -> tuple[tuple[str, ...], list[str]]:
    """Take a path apart: its words with a mark for each id, and the ids, which are digits or a uuid."""
    shape: list[str] = []
    ids: list[str] = []
    for word in path.split("/") if len(path) <= _LONGEST_PATH else ():
        if _NUMBER.fullmatch(word):
            shape.append(_NUMBER_HERE)
            ids.append(str(int(word)))
        elif _UUID.fullmatch(word):
            shape.append(_UUID_HERE)
            ids.append(word)
        else:
            shape.append(word)
    return tuple(shape), ids


def _marked(path: str) -> tuple[str, ...]:
    marks = {word: _UUID_HERE if word == "{uuid}" else _NUMBER_HERE for word in path.split("/") if word.startswith("{")}
    return tuple(marks.get(word, word) for word in path.split("/"))


_BY_SHAPE = {_marked(each.path): each for each in RESOURCES}
_NOT_BY_SHAPE = {_marked(path): why for path, why in NOT_GRANTED.items()}
