"""`attachment`, `attachment-public` and `avatar`: files as raw bytes.

https://doc.bunq.com/api-reference/attachment
"""

from __future__ import annotations

import uuid

from .. import people, wire
from ..api import A, Call, Resource, U
from ..store import Item, Json
from ..wire import Answer, id_answer

resource = Resource()

MIMES = ("image/png", "image/jpeg", "image/gif", "application/pdf")
LONGEST = 10 * 1024 * 1024


def _upload(call: Call, kind: str, account_id: int | None) -> Item:
    """Keep the bytes of the request.

    :raises Refusal: 400, no description, an unknown type, nothing, or too much.
    """
    description = call.header.get("X-Bunq-Attachment-Description")
    mime = call.header.get("Content-Type", "").partition(";")[0].strip().lower()
    if not description or not description.isascii():
        raise wire.invalid("The header X-Bunq-Attachment-Description is required and must be ASCII.")
    if mime not in MIMES:
        raise wire.invalid(f"The Content-Type must be one of {', '.join(MIMES)}.")
    if not 0 < len(call.body) <= LONGEST:
        raise wire.invalid("The attachment is empty or too large.")
    item = call.store.insert(
        kind,
        {"description": description, "mime": mime},
        owner=call.caller.id,
        account=account_id,
        name=str(uuid.uuid4()),
    )
    call.store.put_content(item.id, mime, call.body)
    return item


def content(call: Call, item: Item) -> Answer:
    """Answer the bytes kept for an item.

    :raises Refusal: 404, there are none.
    """
    found = call.store.get_content(item.id)
    if found is None:
        raise wire.not_found("Content", item.id)
    return Answer(raw=found)


@resource.post(A + "/attachment")
def upload(call: Call) -> Answer:
    """Upload a file for use with payments and notes."""
    return id_answer(_upload(call, "attachment", call.account.id).id)


@resource.get(A + "/attachment/<int:attachment_id>/content")
def account_content(call: Call, attachment_id: int) -> Answer:
    """Download a file of an account."""
    return content(call, call.load("attachment", attachment_id, "Attachment", account=call.account.id))


@resource.get(U + "/attachment/<int:attachment_id>")
def read(call: Call, attachment_id: int) -> Answer:
    """Read what a file is."""
    item = _own(call, attachment_id)
    shape = {"description": item.body["description"], "content_type": item.body["mime"], "urls": []}
    return Answer(
        [{"AttachmentUser": {"id": item.id, "created": item.created, "updated": item.updated, "attachment": shape}}]
    )


@resource.get(U + "/attachment/<int:attachment_id>/content")
def user_content(call: Call, attachment_id: int) -> Answer:
    """Download a file of a user."""
    return content(call, _own(call, attachment_id))


def _own(call: Call, attachment_id: int) -> Item:
    item = call.load("attachment", attachment_id, "Attachment", owner=call.user.id)
    visible = call.visible_accounts(call.user)
    if visible is not None and item.account not in visible:
        raise wire.not_found("Attachment", attachment_id)
    return item


@resource.post("/attachment-public")
def upload_public(call: Call) -> Answer:
    """Upload a picture that anybody may see. The answer is a UUID, as SDKs expect."""
    return Answer([{"Uuid": {"uuid": _upload(call, "attachment_public", None).name}}])


def _public(call: Call, attachment_uuid: object) -> Item:
    item = call.store.named("attachment_public", str(attachment_uuid))
    if item is None:
        raise wire.not_found("Attachment", str(attachment_uuid))
    return item


@resource.get("/attachment-public/<uuid:attachment_uuid>")
def read_public(call: Call, attachment_uuid: object) -> Answer:
    """Read what a public file is."""
    item = _public(call, attachment_uuid)
    members: Json = {
        "uuid": item.name,
        "created": item.created,
        "updated": item.updated,
        "attachment": {"description": item.body["description"], "content_type": item.body["mime"]},
    }
    return Answer([{"AttachmentPublic": members}])


@resource.get("/attachment-public/<uuid:attachment_uuid>/content")
def public_content(call: Call, attachment_uuid: object) -> Answer:
    """Download a public file."""
    return content(call, _public(call, attachment_uuid))


@resource.post("/avatar")
def create_avatar(call: Call) -> Answer:
    """Make an avatar of a public picture."""
    picture = _public(call, call.text("attachment_public_uuid"))
    avatar = people.avatar(picture.name or "")
    image = avatar["image"][0]
    image |= {"attachment_public_uuid": picture.name, "content_type": picture.body["mime"]}
    avatar |= {"uuid": str(uuid.uuid4()), "anchor_uuid": None}
    call.store.insert("avatar", avatar, owner=call.caller.id, name=avatar["uuid"])
    return Answer([{"Uuid": {"uuid": avatar["uuid"]}}])


@resource.get("/avatar/<uuid:avatar_uuid>")
def read_avatar(call: Call, avatar_uuid: object) -> Answer:
    """Read an avatar."""
    item = call.store.named("avatar", str(avatar_uuid))
    if item is None:
        raise wire.not_found("Avatar", str(avatar_uuid))
    return Answer([{"Avatar": item.body}])
