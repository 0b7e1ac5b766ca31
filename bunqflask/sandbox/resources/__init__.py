"""What the bank offers: one module per resource, one word here per module."""

from . import (
    attachment,
    avatar,
    device_server,
    draft_payment,
    event,
    installation,
    monetary_account,
    notification,
    oauth_client,
    payment,
    provider_credential,
    request,
    sandbox_user,
    session,
    user,
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
        attachment,
        avatar,
    )
]
