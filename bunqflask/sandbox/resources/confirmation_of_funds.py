"""`confirmation-of-funds`: whether an account holds enough, yes or no.

https://doc.bunq.com/psd2/connect-as-a-cbpii
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, ledger, oauth, payments, people, wire
from bunqflask.sandbox.bank.store import Item
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol.call import Call, Resource, U

resource = Resource()

ROLES = frozenset({"CBPII", "PISP"})


def _check_role(call: Call) -> None:
    """Refuse PSD2 parties without one of the roles, and apps of anybody else: their grant does not name this call.

    :raises Refusal: 403.
    """
    acting = call.app_owner if call.is_oauth else call.user
    assert acting is not None
    is_provider = acting.body["type"] == people.PROVIDER
    if (is_provider and not ROLES & set(acting.body["roles"])) or (call.is_oauth and not is_provider):
        raise wire.not_allowed()


def _is_known(call: Call, account: Item) -> bool:
    """Tell whether the account is the caller's own and visible, or shared with the PSD2 party that calls.

    bunq's pages leave open in which of its sessions a PSD2 party asks; both work here, with a grant behind it.
    """
    if account.owner == call.user.id:
        visible = call.visible_accounts(call.user)
        return visible is None or account.id in visible
    if call.user.body["type"] != people.PROVIDER:
        return False
    clients = {each.id for each in call.store.select("oauth_client", owner=call.user.id)}
    return any(
        grant.parent in clients and account.id in grant.body["accounts"]
        for grant in oauth.grants(call.store, account.owner)
    )


@resource.post(U + "/confirmation-of-funds")
def create(call: Call) -> Answer:
    """Say whether the amount could be paid now. The SDKs read this object, bunq's OpenAPI says `Id`."""
    _check_role(call)
    pointer = call.json.get("pointer_iban")
    # The name matters to payments only.
    named = {"name": "-", **pointer} if isinstance(pointer, dict) else pointer
    kind, iban, _name = payments.read_pointer(named, "pointer_iban")
    cents, currency = wire.read_amount(call.json.get("amount"), "amount")
    account = accounts.find(call.store, kind, iban) if kind == "IBAN" else None
    if account is None or not _is_known(call, account):
        raise wire.not_found("Monetary account", iban)
    balance, own_currency = ledger.balance(call.store, account.id)
    if currency != own_currency:
        raise wire.invalid("The amount is not in the currency of the account.")
    enough = account.body["status"] == "ACTIVE" and cents <= balance + ledger.overdraft(call.store, account.id)
    return Answer([{"ConfirmationOfFunds": {"has_sufficient_funds": enough}}])
