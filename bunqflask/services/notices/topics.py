"""What belongs together in a member's choice, and what is chosen at first."""

from __future__ import annotations

from bunqflask.models import NoticeKind, NoticeTopic

OF_KIND: dict[NoticeKind, NoticeTopic] = {
    NoticeKind.NEW_BROWSER: NoticeTopic.SECURITY,
    NoticeKind.FACTOR_MISSING: NoticeTopic.SECURITY,
    NoticeKind.PASSWORD_CHANGED: NoticeTopic.SECURITY,
    NoticeKind.FACTOR_CHANGED: NoticeTopic.SECURITY,
    NoticeKind.RECOVERY_CODE_USED: NoticeTopic.SECURITY,
    NoticeKind.CONNECTION_JOINED: NoticeTopic.SECURITY,
    NoticeKind.ROLE_CHANGED: NoticeTopic.SECURITY,
    NoticeKind.CHANNEL_SWITCHED_OFF: NoticeTopic.SECURITY,
    NoticeKind.TEST: NoticeTopic.SECURITY,
    NoticeKind.CONNECTION_STOPPED: NoticeTopic.CONNECTIONS,
    NoticeKind.CONNECTION_RECOVERED: NoticeTopic.CONNECTIONS,
    NoticeKind.RENEWAL_DUE: NoticeTopic.RENEWALS,
    NoticeKind.INVITATION_OPENED: NoticeTopic.INVITATIONS,
    NoticeKind.INVITATION_APPROVED: NoticeTopic.INVITATIONS,
    NoticeKind.PAYMENTS_CHANGED: NoticeTopic.LATE_CHANGES,
    NoticeKind.PAYMENTS_ARRIVED: NoticeTopic.MONEY_IN,
    NoticeKind.BALANCE_LOW: NoticeTopic.LOW_BALANCE,
    NoticeKind.DOCTOR_FOUND_FAULT: NoticeTopic.SERVER,
    NoticeKind.DOCTOR_ALL_GOOD: NoticeTopic.SERVER,
    NoticeKind.BACKUP_FAILED: NoticeTopic.SERVER,
    NoticeKind.DRAFT_PREPARED: NoticeTopic.DRAFTS,
    NoticeKind.DRAFT_DECIDED: NoticeTopic.DRAFTS,
}
# Of a password that somebody is just typing the second step is not late yet: a message would come too early.
ONLY_IN_APP = frozenset({NoticeKind.FACTOR_MISSING, NoticeKind.ROLE_CHANGED})
# Every member sees these on each page until they dismiss them, whatever they chose.
ON_EVERY_PAGE = tuple(
    kind for kind, topic in OF_KIND.items() if topic is NoticeTopic.SECURITY and kind is not NoticeKind.TEST
)
USUAL_IN_APP = tuple(each for each in NoticeTopic if each is not NoticeTopic.MONEY_IN)
USUAL_OUTSIDE = (
    NoticeTopic.CONNECTIONS,
    NoticeTopic.RENEWALS,
    NoticeTopic.INVITATIONS,
    NoticeTopic.SECURITY,
    NoticeTopic.SERVER,
    NoticeTopic.DRAFTS,
)
