"""Uploaded files as other objects show them.

https://doc.bunq.com/api-reference/attachment
"""

from __future__ import annotations

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.store import Item, Json, Store

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "application/pdf": "pdf"}


def url(item: Item) -> str:
    """Return an address shaped like those of bunq's file store; it leads nowhere."""
    name = f"{item.body['digest']}.{EXTENSIONS[item.body['content_type']]}"
    store = "bunq-triage-model-storage-public.s3.eu-central-1.amazonaws.com"
    return f"https://{store}/bunq_file/File/content/{name}"


def shape(item: Item) -> Json:
    """Write what a file is."""
    return {
        "description": item.body["description"],
        "content_type": item.body["content_type"],
        "urls": [{"type": "ORIGINAL", "url": url(item)}],
    }


def read_ids(store: Store, account: Item, value: object) -> tuple[int, ...]:
    """Return the ids of the files that a payment or a request names; they must be its maker's own.

    :raises Refusal: 400, not a list of ids; 404, no such file.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wire.invalid("The field attachment must be a list of attachments.")
    ids = []
    for each in value:
        id = each.get("id") if isinstance(each, dict) else None
        if isinstance(id, bool) or not isinstance(id, int):
            raise wire.invalid("Each attachment needs the id of an uploaded file.")
        found = store.get("attachment", id)
        if found is None or (found.account != account.id and found.owner != account.owner):
            raise wire.not_found("Attachment", id)
        ids.append(found.id)
    return tuple(ids)
