"""The resources that the stand-in answers: one module per resource, one line here per module."""

from bunqflask.sandbox.bank.rate_limits import last_word
from bunqflask.sandbox.protocol.dispatch import table
from bunqflask.sandbox.resources import (
    attachment,
    avatar,
    bunqme_tab,
    card,
    certificate_pinned,
    confirmation_of_funds,
    credential_ip,
    customer_statement,
    device_server,
    documented,
    draft_payment,
    event,
    export,
    export_statement_card,
    health,
    insight,
    installation,
    issuer_transaction,
    monetary_account,
    note,
    notification,
    oauth_client,
    payment,
    provider_credential,
    provider_draft_payment,
    request,
    sandbox_user,
    schedule,
    session,
    user,
    user_facts,
    user_update,
)

RESOURCES = [
    module.resource
    for module in (
        installation,
        device_server,
        session,
        sandbox_user,
        provider_credential,
        user,
        oauth_client,
        monetary_account,
        payment,
        draft_payment,
        request,
        notification,
        event,
        bunqme_tab,
        attachment,
        avatar,
        note,
        card,
        schedule,
        credential_ip,
        certificate_pinned,
        confirmation_of_funds,
        issuer_transaction,
        provider_draft_payment,
        customer_statement,
        export,
        insight,
        user_facts,
        health,
        user_update,
        export_statement_card,
    )
]
RESOURCES.append(documented.remaining(RESOURCES))

CALLS = table(RESOURCES)

# Each call as faults name it: a method and the last word of the path.
CALL_NAMES = frozenset(f"{route.method} {last_word(route.pattern)}" for each in RESOURCES for route in each.routes)
