"""`payment-service-provider-credential`: a PSD2 party shows its certificate and gets a key.

https://doc.bunq.com/psd2/register-as-a-service-provider
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes

from bunqflask.sandbox.bank import credentials, people, wire
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol import signing
from bunqflask.sandbox.protocol.call import Call, Resource

resource = Resource()


@resource.post("/payment-service-provider-credential", auth="installation")
def create(call: Call) -> Answer:
    """Check certificate and signature, and hand out a credential.

    The same certificate again gives the same user a new credential; what bunq does then is unverified.
    """
    assert call.installation is not None
    certificate_pem = call.text("client_payment_service_provider_certificate", longest=20_000)
    call.text("client_payment_service_provider_certificate_chain", longest=100_000)
    signature = call.text("client_public_key_signature")
    assert certificate_pem is not None
    assert signature is not None
    try:
        certificate, key, common_name = signing.read_certificate(certificate_pem)
    except signing.KeyNotUsable as error:
        raise wire.invalid(f"The certificate is not usable: {error}.") from error
    posted, token = call.installation.body["client_public_key"], call.installation.name or ""
    if not signing.is_signed(key, signing.key_and_token_bytes(posted, token), signature):
        raise wire.invalid("The client_public_key_signature is invalid.")
    fingerprint = "provider " + certificate.fingerprint(hashes.SHA256()).hex()
    user = call.store.named("user", fingerprint)
    if user is None:
        user = people.add_provider(call.store, common_name, certificate.subject.rfc4514_string(), fingerprint)
    credential = people.new_credential(call.store, user, "PSD2")
    credential.parent = call.installation.id
    call.store.save(credential, touch=False)
    return Answer([credentials.shape(credential)])


@resource.get("/payment-service-provider-credential/<int:credential_id>", auth="any")
def read(call: Call, credential_id: int) -> Answer:
    """Read a credential that was asked for on this installation, or is registered on it."""
    assert call.installation is not None
    credential = call.store.get("credential", credential_id)
    devices = call.store.select("device", parent=call.installation.id, limit=1)
    registered = bool(devices) and devices[0].body["credential_id"] == credential_id
    if (
        credential is None
        or credential.body["type"] != "PSD2"
        or not (registered or credential.parent == call.installation.id)
    ):
        raise wire.not_found("Credential", credential_id)
    return Answer([credentials.shape(credential)])
