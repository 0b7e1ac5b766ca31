"""The states that rows go through, as enums; the database checks them too."""

from enum import StrEnum


class TeamRole(StrEnum):
    """What a team member may do here; the rules are in `services.policy`."""

    # runs the team; there is always at least one who is not locked
    OWNER = "owner"
    # invites people, and manages everybody but owners
    ADMIN = "admin"
    # connects bunq, and reads what is their own or shared with them
    MEMBER = "member"
    # reads what was shared with them by name, until a date
    GUEST = "guest"


class ConnectionState(StrEnum):
    """What a connection can be used for; it follows from its consents."""

    # one of its consents works
    ACTIVE = "active"
    # none does, and bunq refused the last one: its holder has to approve again
    LOST = "lost"
    # none does, and the last one was ended here
    DISCONNECTED = "disconnected"


class ConsentGrantState(StrEnum):
    """What a completed consent can be used for."""

    # bunq accepts its permission, as far as we know
    ACTIVE = "active"
    # bunq refuses its permission
    LOST = "lost"
    # its member ended it here, or a later consent of theirs covers all its accounts
    ENDED = "ended"


class AttemptStep(StrEnum):
    """The steps of one attempt to obtain a consent; the moves between them are in `services.consent.attempts`."""

    WAITING = "waiting"
    EXCHANGING = "exchanging"
    CONNECTING = "connecting"
    CONFIRM = "confirm"
    CONNECTED = "connected"
    DENIED = "denied"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"


class Language(StrEnum):
    """The languages that the pages of an account holder speak; `bunqflask.i18n` has their words."""

    ENGLISH = "en"
    DUTCH = "nl"


class ErrorKind(StrEnum):
    """Why a call to bunq failed; `services.gateway.retry_policy` says what follows from each."""

    # bunq's rate limit: the work goes on automatically
    WAITING = "waiting"
    UNAVAILABLE = "unavailable"
    NO_ANSWER = "no_answer"
    NOT_TRUSTED = "not_trusted"
    NOT_UNDERSTOOD = "not_understood"
    INSTALLATION_REFUSED = "installation_refused"
    # refused, and not known yet whether the permission or this server is
    CHECKING = "checking"
    SERVER_REFUSED = "server_refused"
    # bunq refused the permission although it accepted this server; it is asked again before the permission is lost
    REFUSED_ONCE = "refused_once"
    REFUSED = "refused"
    # bunq does not list the payments of this account
    NOT_LISTED = "not_listed"
    NOT_SET_UP = "not_set_up"


class AttemptFailure(StrEnum):
    """Why an attempt ended in failure, where no retry could help."""

    NO_CODE = "no_code"
    BUNQ_ERROR = "bunq_error"
    CODE_REFUSED = "code_refused"
    CLIENT_REFUSED = "client_refused"
    WAITING = "waiting"
    UNAVAILABLE = "unavailable"
    NO_ANSWER = "no_answer"
    NOT_TRUSTED = "not_trusted"
    NOT_UNDERSTOOD = "not_understood"
    INTERRUPTED = "interrupted"
    GIVEN_UP = "given_up"
    SECRET_REFUSED = "secret_refused"  # noqa: S105 - a state, not a secret


class NoticeKind(StrEnum):
    """What a member is informed about; `services.notices.texts` has the words."""

    # facts of each kind about logins: browser, address
    NEW_BROWSER = "new_browser"
    # the right password was given, and the second factor was not
    FACTOR_MISSING = "factor_missing"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a kind, not a password
    # facts: change (added, removed, reset, codes), factor
    FACTOR_CHANGED = "factor_changed"
    # facts: left
    RECOVERY_CODE_USED = "recovery_code_used"
    # facts: member, connection, accounts; another member obtained a consent for accounts that this one holds
    CONNECTION_JOINED = "connection_joined"
    # facts: role, until (the last day of a guest), may_export
    ROLE_CHANGED = "role_changed"
    # from events of the outbox, with their facts
    CONNECTION_STOPPED = "connection_stopped"
    CONNECTION_RECOVERED = "connection_recovered"
    RENEWAL_DUE = "renewal_due"
    INVITATION_OPENED = "invitation_opened"
    INVITATION_APPROVED = "invitation_approved"
    PAYMENTS_CHANGED = "payments_changed"
    PAYMENTS_ARRIVED = "payments_arrived"
    DOCTOR_FOUND_FAULT = "doctor_found_fault"
    DOCTOR_ALL_GOOD = "doctor_all_good"
    BACKUP_FAILED = "backup_failed"
    DRAFT_PREPARED = "draft_prepared"
    DRAFT_DECIDED = "draft_decided"
    # facts: account_id; its balance is below the limit that the member chose
    BALANCE_LOW = "balance_low"
    # facts: channel_id, channel (its kind)
    CHANNEL_SWITCHED_OFF = "channel_switched_off"
    # a member tries a channel
    TEST = "test"


class NoticeTopic(StrEnum):
    """What a member chooses to be informed about; `services.notices.topics` says which kinds belong to it."""

    CONNECTIONS = "connections"
    RENEWALS = "renewals"
    INVITATIONS = "invitations"
    # logins, passwords, second factors, the role, and channels that were switched off
    SECURITY = "security"
    LATE_CHANGES = "late_changes"
    MONEY_IN = "money_in"
    LOW_BALANCE = "low_balance"
    # payments to approve, and what became of them
    DRAFTS = "drafts"
    # the doctor and backups, for those who run this server
    SERVER = "server"


class ChannelKind(StrEnum):
    """How notices leave this server."""

    # to the member's own email address
    MAIL = "mail"
    # https://docs.ntfy.sh/publish/
    NTFY = "ntfy"
    # https://www.standardwebhooks.com/
    WEBHOOK = "webhook"
    # to a hosted service, where the package is installed: https://appriseit.com/
    APPRISE = "apprise"


class DeliveryState(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    # given up: a test that failed, or three days of tries
    FAILED = "failed"
    # the member may not hear any of it any more
    WITHDRAWN = "withdrawn"


class FactorKind(StrEnum):
    """How a member proves more than that they know a password."""

    # codes of an authenticator app: RFC 6238
    TOTP = "totp"
    # a key in a device: https://www.w3.org/TR/webauthn-2/
    PASSKEY = "passkey"
