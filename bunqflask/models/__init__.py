"""The tables. Importing this package makes all of them known to migrations."""

from bunqflask.database.outbox import Event, EventKind
from bunqflask.database.storage import WriteCheck
from bunqflask.models.aggregates import AggregateState, PaymentTotal, StaleMonth, Unit
from bunqflask.models.audit import AccountLook, AuditAccount, AuditCut, AuditEvent, AuditKind
from bunqflask.models.connections import Connection, ConnectionMember, CoOwner, MonetaryAccount
from bunqflask.models.consent import ConsentAttempt, ConsentState
from bunqflask.models.exports import Pack, PackAccount
from bunqflask.models.gateway import BunqSession, Installation, RateLimitWindow
from bunqflask.models.notes import Note, NoteSync
from bunqflask.models.payments import Payment, PaymentRaw
from bunqflask.models.states import AttemptFailure, AttemptStep, ConnectionState, ErrorKind, TeamRole
from bunqflask.models.sync import AccountSync, CoveredRange, Discrepancy, LateChangeKind, PaymentChange
from bunqflask.models.team import Invitation, Login, LoginThrottle, PasswordReset, TeamMember
from bunqflask.models.worker import WorkerHeartbeat

__all__ = [
    "AccountLook",
    "AccountSync",
    "AggregateState",
    "AttemptFailure",
    "AttemptStep",
    "AuditAccount",
    "AuditCut",
    "AuditEvent",
    "AuditKind",
    "BunqSession",
    "CoOwner",
    "Connection",
    "ConnectionMember",
    "ConnectionState",
    "ConsentAttempt",
    "ConsentState",
    "CoveredRange",
    "Discrepancy",
    "ErrorKind",
    "Event",
    "EventKind",
    "Installation",
    "Invitation",
    "LateChangeKind",
    "Login",
    "LoginThrottle",
    "MonetaryAccount",
    "Note",
    "NoteSync",
    "Pack",
    "PackAccount",
    "PasswordReset",
    "Payment",
    "PaymentChange",
    "PaymentRaw",
    "PaymentTotal",
    "RateLimitWindow",
    "StaleMonth",
    "TeamMember",
    "TeamRole",
    "Unit",
    "WorkerHeartbeat",
    "WriteCheck",
]
