"""`limit`, `legal-name`, `tree-progress`, `billing-contract-subscription`: small facts about a user.

https://doc.bunq.com/api-reference/limit
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, people
from bunqflask.sandbox.bank.wire import NO_PAGES, Answer, amount
from bunqflask.sandbox.protocol.call import Call, Resource, U

resource = Resource()

# bunq's numbers are not published; these are large enough never to be in the way, and nothing enforces them.
ACCOUNTS, CARDS = 25, 5
MONTHLY_CENTS = 10_000_000


@resource.get(U + "/limit", oauth=False)
def limits(call: Call) -> Answer:
    """Read how many accounts and cards the user may have: not for apps, as it counts accounts that they may not see."""
    opened = sum(each.body["status"] != "CANCELLED" for each in accounts.of_user(call.store, call.user.id))
    shape = {
        "limit_monetary_account": ACCOUNTS,
        "limit_monetary_account_remaining": max(0, ACCOUNTS - opened),
        "limit_card_debit_maestro": CARDS,
        "limit_card_debit_mastercard": CARDS,
        "limit_card_debit_wildcard": CARDS,
        "limit_card_wildcard": CARDS,
        "limit_card_replacement": CARDS,
        "limit_amount_monthly": amount(MONTHLY_CENTS),
        "spent_amount_monthly": amount(0),
    }
    return Answer([{"CustomerLimit": shape}], NO_PAGES)


@resource.get(U + "/legal-name")
def legal_names(call: Call) -> Answer:
    """List the user's legal names."""
    return Answer([{"UserLegalNameArray": {"legal_names": [call.user.body["legal_name"]]}}], NO_PAGES)


@resource.get(U + "/tree-progress")
def trees(call: Call) -> Answer:
    """Read how many trees the user's cards have planted: none, as no simulated forest grows."""
    progress = {
        "number_of_tree": 0,
        "progress_tree_next": 0,
        "url_invite_profile": None,
        "label_user": people.label(call.user),
    }
    return Answer([{"TreeProgress": progress}], NO_PAGES)


@resource.get(U + "/billing-contract-subscription", oauth=False)
def contracts(call: Call) -> Answer:
    """List what the user subscribed to, as it stands in the user object."""
    (shown,) = people.wire(call.user, 0).values()
    return Answer(shown.get("billing_contract", []), NO_PAGES)
