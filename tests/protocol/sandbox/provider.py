"""A PSD2 party of the tests: certificate, credential, device, session."""

from __future__ import annotations

from bunqflask.sandbox.server import Served

from .client import Client, certificate, client_key, public_pem, sign


def new_provider(bank: Served, roles: str = "PISP AISP CBPII", *, key_number: int = 5) -> Client:
    """Open the session of a PSD2 party with these roles; another key number is another party."""
    client = Client(bank).install()
    key = client_key(key_number)
    pem = certificate(f"tests {roles} {key_number}", key)
    body = {
        "client_payment_service_provider_certificate": pem,
        "client_payment_service_provider_certificate_chain": pem,
        "client_public_key_signature": sign(key, (public_pem(client.key) + client.installation_token).encode()),
    }
    (item,) = client.ok("POST", "/payment-service-provider-credential", body, signed=False)
    secret = item["CredentialPasswordIp"]["token_value"]
    client.register(secret, permitted_ips=["*"])
    return client.open_session(secret)
