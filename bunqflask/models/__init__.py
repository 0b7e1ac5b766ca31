"""The tables, one module for each area."""

from bunqflask.models.connections import (
    Connection,
    ConnectionMember,
    ConsentAttempt,
    ConsentState,
    MonetaryAccount,
)
from bunqflask.models.gateway import BunqSession, CallBudget, Installation
from bunqflask.models.notes import Note, NoteReading
from bunqflask.models.payments import AccountSync, Pack, Payment, PaymentChange, PaymentRaw, SpanSum, SummedSpan
from bunqflask.models.team import Login, LoginThrottle, TeamMember

__all__ = [
    "AccountSync",
    "BunqSession",
    "CallBudget",
    "Connection",
    "ConnectionMember",
    "ConsentAttempt",
    "ConsentState",
    "Installation",
    "Login",
    "LoginThrottle",
    "MonetaryAccount",
    "Note",
    "NoteReading",
    "Pack",
    "Payment",
    "PaymentChange",
    "PaymentRaw",
    "SpanSum",
    "SummedSpan",
    "TeamMember",
]
