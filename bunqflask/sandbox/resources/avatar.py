"""`avatar`: a public picture made ready to be set on a user or an account.

https://doc.bunq.com/psd2/change-your-avatar
"""

from __future__ import annotations

import struct
import uuid

from bunqflask.sandbox.bank import files, wire
from bunqflask.sandbox.bank.store import Json
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol.call import Call, Resource

resource = Resource()

# What bunq's own pictures measure, for a picture whose size its bytes do not tell.
USUAL_SIZE = (1024, 1024)


def chosen(call: Call, value: object) -> Json:
    """Return the avatar that `avatar_uuid` in a request means, as it stands in users and accounts.

    :raises Refusal: 400, no such avatar.
    """
    item = call.store.named("avatar", value) if isinstance(value, str) else None
    if item is None:
        raise wire.invalid("The field avatar_uuid must be the uuid of an avatar.")
    return item.body


@resource.post("/avatar")
def create(call: Call) -> Answer:
    """Make an avatar of a public attachment."""
    wanted = call.text("attachment_public_uuid")
    picture = call.store.named("attachment_public", wanted or "")
    if picture is None:
        raise wire.invalid("The field attachment_public_uuid must be the uuid of a public attachment.")
    if not picture.body["content_type"].startswith("image/"):
        raise wire.invalid("An avatar needs a picture.")
    content = call.store.get_content(picture.id)
    width, height = size(b"" if content is None else content[1])
    name = str(uuid.uuid4())
    image = {
        "attachment_public_uuid": picture.name,
        "height": height,
        "width": width,
        "content_type": picture.body["content_type"],
        "urls": [{"type": "ORIGINAL", "url": files.url(picture)}],
    }
    body = {"uuid": name, "image": [image], "anchor_uuid": None, "style": "NONE"}
    call.store.insert("avatar", body, owner=call.caller.id, name=name)
    return Answer([{"Uuid": {"uuid": name}}])


@resource.get("/avatar/<uuid:avatar_uuid>")
def read(call: Call, avatar_uuid: object) -> Answer:
    """Read an avatar."""
    item = call.store.named("avatar", str(avatar_uuid))
    if item is None:
        raise wire.not_found("Avatar", str(avatar_uuid))
    return Answer([{"Avatar": item.body}])


def size(picture: bytes) -> tuple[int, int]:
    """Return (width, height) in pixels of a PNG or JPEG."""
    if picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) >= 24:
        width, height = struct.unpack(">II", picture[16:24])
        return int(width), int(height)
    if picture[:2] == b"\xff\xd8":
        at = 2
        while at + 9 <= len(picture) and picture[at] == 0xFF:
            # Frame headers hold the size; 0xC4, 0xC8 and 0xCC lie in their range and are something else.
            if 0xC0 <= picture[at + 1] <= 0xCF and picture[at + 1] not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">HH", picture[at + 5 : at + 9])
                return int(width), int(height)
            at += 2 + struct.unpack(">H", picture[at + 2 : at + 4])[0]
    return USUAL_SIZE
