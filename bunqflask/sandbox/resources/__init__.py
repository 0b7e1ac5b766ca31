"""What the bank offers: one module per resource, one line here per module."""

from . import (
    device_server,
    installation,
    monetary_account,
    oauth_client,
    payment,
    provider_credential,
    sandbox_user,
    session,
    user,
)

RESOURCES = [
    installation.resource,
    device_server.resource,
    session.resource,
    sandbox_user.resource,
    provider_credential.resource,
    user.resource,
    oauth_client.resource,
    monetary_account.resource,
    payment.resource,
]
