"""`attachment` and `attachment-public`: files as raw bytes, of an account or for everybody, and their content.

https://doc.bunq.com/api-reference/attachment
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

from bunqflask.sandbox.bank import files, payment_requests, wire
from bunqflask.sandbox.bank.store import Item, Store
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource, U

resource = Resource()

MIME_TYPES = tuple(files.EXTENSIONS)

# bunq names no limit; this one only keeps a stray upload from filling the database.
LARGEST = 20_000_000


def _upload(call: Call, kind: str, *, owner: int, account: int | None = None) -> Item:
    """Keep the bytes of the request.

    :raises Refusal: 400, no bytes, a type that bunq does not take, or no description (invented texts).
    """
    mime = call.header.get("Content-Type", "").partition(";")[0].strip().lower()
    if mime not in MIME_TYPES:
        raise wire.invalid(f"The header Content-Type must be one of {', '.join(MIME_TYPES)}.")
    description = call.header.get("X-Bunq-Attachment-Description", "")
    if not description or not description.isascii():
        raise wire.invalid("The header X-Bunq-Attachment-Description is required and must be ASCII.")
    if not 0 < len(call.body) <= LARGEST:
        raise wire.invalid(f"The request body must be the content of the file, at most {LARGEST} bytes.")
    body = {
        "description": description,
        "content_type": mime,
        "digest": hashlib.sha256(call.body).hexdigest(),
    }
    item = call.store.insert(kind, body, name=str(uuid.uuid4()), owner=owner, account=account)
    call.store.put_content(item.id, mime, call.body)
    return item


def _content(call: Call, item: Item) -> Answer:
    found = call.store.get_content(item.id)
    if found is None:
        raise wire.not_found("Attachment", item.id)
    return Answer(raw=found)


# Of an account.


def readable(call: Call, attachment_id: int) -> Item:
    """Return an attachment of the user that this session may see.

    :raises Refusal: 404.
    """
    item = call.load("attachment", attachment_id, "Attachment", owner=call.user.id)
    visible = call.visible_accounts(call.user)
    if visible is not None and item.account not in visible:
        raise wire.not_found("Attachment", attachment_id)
    return item


def check_readable(call: Call, ids: Iterable[int]) -> None:
    """Refuse to pass on files of accounts that this session may not see.

    :raises Refusal: 404; earlier work of the same call is rolled back.
    """
    for id in ids:
        readable(call, id)


def _is_received(store: Store, account_id: int, attachment_id: int) -> bool:
    """Tell whether a payment or a request made another owner's attachment visible to an account."""
    for response in store.select("request_response", account=account_id):
        if attachment_id in payment_requests.inquiry_of(store, response).body["attachment"]:
            return True
    with store.transaction():
        row = store.db.execute(
            "SELECT 1 FROM ledger_entry, json_each(extra, '$.attachment') AS each"
            " WHERE account = ? AND extra IS NOT NULL AND each.value = ? LIMIT 1",
            (account_id, attachment_id),
        ).fetchone()
    return row is not None


@resource.post(A + "/attachment")
def create(call: Call) -> Answer:
    """Upload a file, to be named in a payment, a request or a note."""
    return id_answer(_upload(call, "attachment", owner=call.user.id, account=call.account.id).id)


@resource.get(A + "/attachment/<int:attachment_id>/content")
def account_content(call: Call, attachment_id: int) -> Answer:
    """Read the bytes of a file of this account, or of one that came to it with a payment or a request."""
    call.require_role("AISP")
    item = call.store.get("attachment", attachment_id)
    if item is None or not (
        item.account == call.account.id or _is_received(call.store, call.account.id, attachment_id)
    ):
        raise wire.not_found("Attachment", attachment_id)
    return _content(call, item)


@resource.get(U + "/attachment/<int:attachment_id>")
def read(call: Call, attachment_id: int) -> Answer:
    """Read what a file is."""
    call.require_role("AISP")
    item = readable(call, attachment_id)
    shape = {"id": item.id, "created": item.created, "updated": item.updated, "attachment": files.shape(item)}
    return Answer([{"AttachmentUser": shape}])


@resource.get(U + "/attachment/<int:attachment_id>/content")
def user_content(call: Call, attachment_id: int) -> Answer:
    """Read the bytes of a file of any of the user's accounts."""
    call.require_role("AISP")
    return _content(call, readable(call, attachment_id))


# For everybody: known by uuid, readable in every session.


@resource.post("/attachment-public")
def create_public(call: Call) -> Answer:
    """Upload a file that everybody may see. The SDKs read `Uuid`, bunq's OpenAPI says `Id`."""
    item = _upload(call, "attachment_public", owner=call.caller.id)
    return Answer([{"Uuid": {"uuid": item.name}}])


def public(call: Call, attachment_uuid: object) -> Item:
    """Return the public attachment of this uuid.

    :raises Refusal: 404.
    """
    item = call.store.named("attachment_public", str(attachment_uuid))
    if item is None:
        raise wire.not_found("Attachment", str(attachment_uuid))
    return item


@resource.get("/attachment-public/<uuid:attachment_uuid>")
def read_public(call: Call, attachment_uuid: object) -> Answer:
    """Read what a public file is."""
    item = public(call, attachment_uuid)
    shape = {"uuid": item.name, "created": item.created, "updated": item.updated, "attachment": files.shape(item)}
    return Answer([{"AttachmentPublic": shape}])


@resource.get("/attachment-public/<uuid:attachment_uuid>/content")
def public_content(call: Call, attachment_uuid: object) -> Answer:
    """Read the bytes of a public file."""
    return _content(call, public(call, attachment_uuid))
