"""`monetary-account` and its typed forms.

https://doc.bunq.com/api-reference/monetary-account
"""

from __future__ import annotations

from .. import accounts, wire
from ..api import A, Call, Resource, U
from ..store import Item
from ..wire import Answer

resource = Resource()

# Word in the path -> name of the type in answers.
TYPES = {
    "bank": accounts.BANK,
    "joint": accounts.JOINT,
    "savings": accounts.SAVINGS,
    "external": accounts.EXTERNAL,
    "external-savings": accounts.EXTERNAL_SAVINGS,
    "card": accounts.CARD,
}


def _list(call: Call, wrapper: str | None) -> Answer:
    """List accounts, ascending by id as bunq's OAuth example does; the newest when there are more than a page."""
    visible = call.visible_accounts(call.user)
    shown = [
        item
        for item in accounts.of_user(call.store, call.user.id)
        if (visible is None or item.id in visible) and wrapper in (None, item.body["wrapper"])
    ]

    def fetch(below: int | None, above: int | None, limit: int) -> list[Item]:
        if above is not None:
            return [item for item in shown if item.id > above][:limit][::-1]
        return [item for item in shown if below is None or item.id < below][::-1][:limit]

    page, pagination = wire.paged(call.window, fetch, lambda item: item.id)
    if len(page) == len(shown):
        pagination = {"future_url": None, "newer_url": None, "older_url": None}
    return Answer([accounts.wire(call.store, item) for item in page[::-1]], pagination)


@resource.get(U + "/monetary-account")
def index(call: Call) -> Answer:
    """List accounts of every type."""
    return _list(call, None)


@resource.get(A)
def read(call: Call) -> Answer:
    """Read one account of any type."""
    return Answer([accounts.wire(call.store, call.account)])


def _add_typed(word: str, wrapper: str) -> None:
    """Add the reading calls of one type."""

    @resource.get(f"{U}/monetary-account-{word}")
    def index_typed(call: Call) -> Answer:
        return _list(call, wrapper)

    @resource.get(f"{U}/monetary-account-{word}/<int:account_id>")
    def read_typed(call: Call) -> Answer:
        if call.account.body["wrapper"] != wrapper:
            raise wire.account_not_found(call.account.id)
        return read(call)


for _word, _wrapper in TYPES.items():
    _add_typed(_word, _wrapper)
