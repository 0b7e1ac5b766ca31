"""The tables. Importing this package makes all of them known to migrations."""

from bunqflask.database.outbox import Event, EventKind
from bunqflask.database.storage import WriteCheck
from bunqflask.models.aggregates import AggregateState, PaymentTotal, StaleMonth, Unit
from bunqflask.models.audit import AccountLook, AuditAccount, AuditCut, AuditEvent, AuditKind
from bunqflask.models.backups import BackupOutcome, BackupRecord
from bunqflask.models.calls import BunqCall
from bunqflask.models.conditions import Condition, ConditionChange, ConnectionDay, RenewalReminder, StopReason
from bunqflask.models.connections import AccountHolder, AccountShare, Connection, CoOwner, MonetaryAccount
from bunqflask.models.consent import Consent, ConsentAccount, ConsentAttempt, ConsentState
from bunqflask.models.doctor import Check, CheckName, Comparison, DoctorState, Verdict, Who
from bunqflask.models.exports import ExportChoice, ExportOrder, Pack, PackAccount
from bunqflask.models.factors import Browser, Factor, PasskeyChallenge, PendingLogin, RecoveryCode
from bunqflask.models.gateway import BunqSession, Installation, RateLimitWindow
from bunqflask.models.notes import Note, NoteSync
from bunqflask.models.notices import MemberNotice, NoticeChannel, NoticeDelivery, NoticeItem, NoticeSettings
from bunqflask.models.payments import Payment, PaymentRaw, WithdrawnPayment
from bunqflask.models.states import (
    AttemptFailure,
    AttemptStep,
    ChannelKind,
    ConnectionState,
    ConsentGrantState,
    DeliveryState,
    ErrorKind,
    FactorKind,
    Language,
    NoticeKind,
    NoticeTopic,
    TeamRole,
)
from bunqflask.models.sync import AccountSync, CoveredRange, Discrepancy, LateChangeKind, MissingPayment, PaymentChange
from bunqflask.models.team import (
    Invitation,
    InvitationAccount,
    Login,
    LoginThrottle,
    PasswordReset,
    TeamMember,
    TeamRules,
)
from bunqflask.models.tokens import (
    LINK_SCOPES,
    ApiToken,
    ApiTokenAccount,
    Assistant,
    AssistantCode,
    AssistantRefresh,
    TokenScope,
)
from bunqflask.models.worker import WorkerHeartbeat

__all__ = [
    "LINK_SCOPES",
    "AccountHolder",
    "AccountLook",
    "AccountShare",
    "AccountSync",
    "AggregateState",
    "ApiToken",
    "ApiTokenAccount",
    "Assistant",
    "AssistantCode",
    "AssistantRefresh",
    "AttemptFailure",
    "AttemptStep",
    "AuditAccount",
    "AuditCut",
    "AuditEvent",
    "AuditKind",
    "BackupOutcome",
    "BackupRecord",
    "Browser",
    "BunqCall",
    "BunqSession",
    "ChannelKind",
    "Check",
    "CheckName",
    "CoOwner",
    "Comparison",
    "Condition",
    "ConditionChange",
    "Connection",
    "ConnectionDay",
    "ConnectionState",
    "Consent",
    "ConsentAccount",
    "ConsentAttempt",
    "ConsentGrantState",
    "ConsentState",
    "CoveredRange",
    "DeliveryState",
    "Discrepancy",
    "DoctorState",
    "ErrorKind",
    "Event",
    "EventKind",
    "ExportChoice",
    "ExportOrder",
    "Factor",
    "FactorKind",
    "Installation",
    "Invitation",
    "InvitationAccount",
    "Language",
    "LateChangeKind",
    "Login",
    "LoginThrottle",
    "MemberNotice",
    "MissingPayment",
    "MonetaryAccount",
    "Note",
    "NoteSync",
    "NoticeChannel",
    "NoticeDelivery",
    "NoticeItem",
    "NoticeKind",
    "NoticeSettings",
    "NoticeTopic",
    "Pack",
    "PackAccount",
    "PasskeyChallenge",
    "PasswordReset",
    "Payment",
    "PaymentChange",
    "PaymentRaw",
    "PaymentTotal",
    "PendingLogin",
    "RateLimitWindow",
    "RecoveryCode",
    "RenewalReminder",
    "StaleMonth",
    "StopReason",
    "TeamMember",
    "TeamRole",
    "TeamRules",
    "TokenScope",
    "Unit",
    "Verdict",
    "Who",
    "WithdrawnPayment",
    "WorkerHeartbeat",
    "WriteCheck",
]
