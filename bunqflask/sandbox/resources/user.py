"""`user` and its typed forms.

https://doc.bunq.com/api-reference/user
"""

from __future__ import annotations

from bunqflask.sandbox.bank import people, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol.call import Call, Resource
from bunqflask.sandbox.resources.session import user_api_key

resource = Resource()


def _shown(call: Call) -> Json:
    assert call.session is not None
    timeout_s = people.session_timeout(call.caller, call.session.body["timeout_s"])
    return people.wire(call.caller, timeout_s)


def _granted(call: Call, grant: Item) -> Json:
    assert call.session is not None
    return user_api_key(call, grant, call.session.body["timeout_s"])


@resource.get("/user")
def index(call: Call) -> Answer:
    """List the session's user; in an OAuth session the UserApiKey object."""
    grant = call.grant
    return Answer([_shown(call) if grant is None else _granted(call, grant)], wire.NO_PAGES)


@resource.get("/user/<int:user_id>")
def read(call: Call) -> Answer:
    """Read the user, or in an OAuth session the UserApiKey object under that object's id."""
    grant = call.grant
    if grant is not None and call.path_id == grant.body["user_api_key_id"]:
        return Answer([_granted(call, grant)])
    return Answer([_shown(call)])


def _typed(call: Call, wrapper: str) -> Item:
    user = call.user
    if user.body["type"] != wrapper:
        raise wire.not_found("User", user.id)
    return user


@resource.get("/user-person/<int:user_id>")
def read_person(call: Call) -> Answer:
    """Read a person."""
    _typed(call, people.PERSON)
    return Answer([_shown(call)])


@resource.get("/user-company/<int:user_id>")
def read_company(call: Call) -> Answer:
    """Read a company."""
    _typed(call, people.COMPANY)
    return Answer([_shown(call)])


@resource.get("/user-payment-service-provider/<int:user_id>")
def read_provider(call: Call) -> Answer:
    """Read a payment service provider."""
    _typed(call, people.PROVIDER)
    return Answer([_shown(call)])


@resource.get("/user-company/<int:user_id>/name")
def company_name(call: Call) -> Answer:
    """List the names a company may go by."""
    return Answer([{"UserCompanyNameArray": {"name_array": [_typed(call, people.COMPANY).body["legal_name"]]}}])
