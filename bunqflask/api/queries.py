"""What programs may ask for behind the question mark of an address; anything else is refused."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bunqflask.api.schemas import Day

Size = Annotated[
    str, Meta(description="An amount without a sign.", pattern=r"^[0-9]{1,14}(\.[0-9]{1,4})?$", examples=["10.00"])
]


class PaymentFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What payments are narrowed to."""

    q: Annotated[str, Meta(max_length=200, description="Words of name, text or IBAN, or an amount.")] = ""
    account: Annotated[str, Meta(pattern="^[0-9]{1,9}$", description="The id of an account.")] | None = None
    first: Day | None = field(default=None, name="from")
    last: Day | None = field(default=None, name="to")
    min: Size | None = None
    max: Size | None = None
    direction: Literal["in", "out"] | None = None
    type: Annotated[str, Meta(pattern="^[A-Za-z0-9_]{1,40}$", description="bunq’s type, such as IDEAL.")] | None = None
    receipt: (
        Annotated[
            Literal["known", "missing"],
            Meta(
                description="Whether a file came with the payment or stands in a note on it, as far as this server "
                "knows: bunq shows notes for one payment at a time."
            ),
        ]
        | None
    ) = None


class PaymentQuery(PaymentFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of payments."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Annotated[str, Meta(max_length=120, description="`next` of the page before.")] | None = None


class ChangesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a program was."""

    cursor: Annotated[str, Meta(max_length=8000, description="`next` of the answer before; without it, all.")] = ""
    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many payments at once.")] = 500


class PaymentExpansion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is added to a payment."""

    expand: Literal["raw"] | None = None


class BalanceQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One day, or the days from one to another: at most 400."""

    date: Day | None = None
    first: Day | None = field(default=None, name="from")
    last: Day | None = field(default=None, name="to")


class BalanceSheetQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All balances."""


class PaymentSheetQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payments of one account, or of some days."""

    account: Annotated[str, Meta(pattern="^[0-9]{1,9}$", description="The id of an account.")] | None = None
    first: Day | None = field(default=None, name="from")
    last: Day | None = field(default=None, name="to")


class CsvLook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a table is written as CSV: by default with comma and point, with `decimal=comma` with semicolons."""

    decimal: Literal["point", "comma"] = "point"
    separator: Literal["comma", "semicolon", "tab"] | None = None
