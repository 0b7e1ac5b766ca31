"""`sandbox-user-person` and `sandbox-user-company`: a new user and the key to it.

https://doc.bunq.com/basics/sandbox
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, people
from bunqflask.sandbox.bank.store import Item
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol.call import Call, Resource

resource = Resource()


@resource.post("/sandbox-user-person", auth="none")
def person(call: Call) -> Answer:
    """Make a person with one empty account."""
    return _answer(call, people.add_random_person(call.store))


@resource.post("/sandbox-user-company", auth="none")
def company(call: Call) -> Answer:
    """Make a company with one empty account."""
    return _answer(call, people.add_random_company(call.store))


def _answer(call: Call, user: Item) -> Answer:
    accounts.add(call.store, user, accounts.NewAccount(description="Main"))
    return Answer([{"ApiKey": {"api_key": people.new_credential(call.store, user, "API_KEY").name}}])
