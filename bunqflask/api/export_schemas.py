"""What the API returns and takes about exports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bunqflask.api.schemas import Day, Id

FormatName = Literal[
    "csv", "csv-comma", "bunq-csv", "bunq-csv-comma", "xlsx", "jsonl", "camt053", "mt940", "ofx", "qif", "hledger",
    "beancount", "notes",
]  # fmt: skip


class ExportWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be exported. With several formats or accounts the content is a ZIP, as on the export page."""

    formats: Annotated[list[FormatName], Meta(min_length=1, max_length=20, examples=[["csv"]])]
    first: Day = field(name="from")
    last: Day = field(name="to")
    account_ids: (
        Annotated[
            list[Annotated[str, Meta(pattern="^[0-9]{1,9}$")]],
            Meta(min_length=1, description="Ids of accounts; absent: all that the token sees.", examples=[["1"]]),
        ]
        | None
    ) = None
    only_files: Annotated[bool, Meta(description="A ZIP without balances and manifest.")] = False
    with_receipts: Annotated[
        bool,
        Meta(
            description="A pack that holds the known files of the payments too, at most 40. Needs the scope "
            "`notes:read` as well."
        ),
    ] = False


class ExportItem(Struct, frozen=True, kw_only=True):
    """An export that was ordered. Its files are written when `content_at` is fetched, until `expires_at`."""

    id: Id
    state: Literal["ready"]
    formats: list[str]
    account_ids: list[Id]
    first: Day = field(name="from")
    last: Day = field(name="to")
    only_files: bool
    with_receipts: bool
    created_at: datetime
    expires_at: datetime
    content_at: str


class Exports(Struct, frozen=True):
    """Exports of the last day, the newest first."""

    items: list[ExportItem]
