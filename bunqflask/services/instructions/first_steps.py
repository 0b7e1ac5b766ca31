"""What has to come before the one call that must not be made twice: an upload, or a look at the card.

Both can be repeated: nobody sees a file at bunq that no note names.
"""

from __future__ import annotations

from sqlalchemy import delete

from bunqflask.bunq import writable
from bunqflask.bunq.resources import created_id
from bunqflask.database.leases import Lease
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import CardBody, EndReason, FileBody, Instruction, InstructionFile
from bunqflask.services.gateway import user_ids
from bunqflask.services.gateway.sessions import Bunq
from bunqflask.services.instructions import note_kinds
from bunqflask.services.instructions.kinds import Place


def take(lease: Lease, bunq: Bunq, place: Place) -> EndReason | None:
    """Do what comes first for an instruction, if anything does; returns why it must not go on.

    :raises BunqError: bunq does not do it, or not now.
    :raises LeaseLost: another worker has taken over.
    """
    row = db.session.get_one(Instruction, lease.row_id, populate_existing=True)
    if isinstance(row.body, FileBody) and "attachment_id" not in row.result:
        _upload(lease, bunq, place, row.body)
    if isinstance(row.body, CardBody) and not _is_of_account(bunq, place, row.body):
        return EndReason.NOT_PERMITTED
    return None


def _upload(lease: Lease, bunq: Bunq, place: Place, body: FileBody) -> None:
    content = db.session.get_one(InstructionFile, lease.row_id).content
    write = writable.new_file(place.monetary_account_id, body.media_type, content)
    made = user_ids.with_either(
        bunq,
        place.holder_user_id,
        lambda user_id: bunq.call(lambda client, token, _own: client.write(token, user_id, write)),
    )
    attachment_id = created_id(made)
    with transaction():
        lease.verify()
        row = db.session.get_one(Instruction, lease.row_id)
        row.result = {"attachment_id": attachment_id}
        db.session.execute(delete(InstructionFile).filter_by(instruction_id=row.id))


def _is_of_account(bunq: Bunq, place: Place, body: CardBody) -> bool:
    """Tell whether a card is in use, and pays from the account that the member named and holds."""
    card = note_kinds.show_card(bunq, place.holder_user_id, body.card_id)
    return note_kinds.is_in_use(card) and place.monetary_account_id in card.account_ids
