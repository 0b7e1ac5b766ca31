"""`certificate-pinned`: the certificates a user expects at the targets of webhooks.

They are kept and shown. Unlike bunq, the sandbox does not compare them when it sends a webhook: its targets are
local and mostly without TLS.

https://doc.bunq.com/api-reference/certificate-pinned
"""

from __future__ import annotations

from cryptography import x509

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource, U

resource = Resource()

LONGEST_CHAIN = 10


def _chain(call: Call) -> str:
    """Return the certificates of the request as one PEM text.

    :raises Refusal: 400, not a list of certificates (invented texts).
    """
    given = call.json.get("certificate_chain")
    if not isinstance(given, list) or not 0 < len(given) <= LONGEST_CHAIN:
        raise wire.invalid(f"The field certificate_chain must hold 1 to {LONGEST_CHAIN} certificates.")
    texts = []
    for each in given:
        text = each.get("certificate") if isinstance(each, dict) else None
        try:
            x509.load_pem_x509_certificate(text.encode() if isinstance(text, str) else b"")
        except ValueError as error:
            raise wire.invalid("Each certificate in certificate_chain must be in PEM.") from error
        texts.append(str(text).strip())
    return "\n".join(texts) + "\n"


def _shape(item: Item) -> Json:
    return {"CertificatePinned": {"certificate_chain": item.body["certificate_chain"], "id": item.id}}


@resource.post(U + "/certificate-pinned", oauth=False)
def create(call: Call) -> Answer:
    """Pin a certificate chain."""
    body = {"certificate_chain": _chain(call)}
    return id_answer(call.store.insert("certificate_pinned", body, owner=call.user.id).id)


@resource.get(U + "/certificate-pinned", oauth=False)
def index(call: Call) -> Answer:
    """List the pinned chains."""
    return call.page("certificate_pinned", _shape, owner=call.user.id)


def _load(call: Call, pinned_id: int) -> Item:
    return call.load("certificate_pinned", pinned_id, "Certificate pinned", owner=call.user.id)


@resource.get(U + "/certificate-pinned/<int:pinned_id>", oauth=False)
def read(call: Call, pinned_id: int) -> Answer:
    """Read one pinned chain."""
    return Answer([_shape(_load(call, pinned_id))])


@resource.delete(U + "/certificate-pinned/<int:pinned_id>", oauth=False)
def delete(call: Call, pinned_id: int) -> Answer:
    """Forget a pinned chain."""
    call.store.delete(_load(call, pinned_id))
    return Answer([])
