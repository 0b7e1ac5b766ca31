"""Events as sentences: what somebody did, in plain words, to be put after who it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import groupby

from markupsafe import Markup, escape

from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.models import Ability, AttemptStep, AuditKind, InstructionKind, InstructionState, TeamRole
from bunqflask.services.audit.reading import TrailEvent
from bunqflask.web.ui import formatting

_NAME_LENGTH = 80
_BDI = Markup("<bdi>{}</bdi>")

# What events are about, as the filter offers it. Each kind belongs to one group.
GROUPS: dict[str, tuple[AuditKind, ...]] = {
    "looked": (AuditKind.ACCOUNT_VIEWED, AuditKind.ATTACHMENT_OPENED, AuditKind.TRAIL_READ),
    "exported": (AuditKind.EXPORTED, AuditKind.RECEIPT_MADE),
    "changed": (
        AuditKind.CONSENT_BEGUN,
        AuditKind.CONSENT_LINK_OPENED,
        AuditKind.CONSENT_APPROVED,
        AuditKind.CONSENT_CONFIRMED,
        AuditKind.CONSENT_ENDED,
        AuditKind.CONNECTED,
        AuditKind.RENEWED,
        AuditKind.DISCONNECTED,
        AuditKind.ERASED,
        AuditKind.SHARED,
        AuditKind.UNSHARED,
    ),
    "bunq": (
        AuditKind.ABILITY_SWITCHED,
        AuditKind.INSTRUCTION_PREPARED,
        AuditKind.INSTRUCTION_CHANGED,
        AuditKind.INSTRUCTION_APPROVED,
        AuditKind.INSTRUCTION_SENT_BACK,
        AuditKind.INSTRUCTION_TAKEN_BACK,
        AuditKind.INSTRUCTION_SENT,
        AuditKind.INSTRUCTION_ENDED,
        AuditKind.COLLECTION_EXPORTED,
    ),
    "logins": (
        AuditKind.LOGIN,
        AuditKind.LOGIN_HALF,
        AuditKind.LOGIN_REFUSED,
        AuditKind.LOGIN_THROTTLED,
        AuditKind.LOGIN_ENDED,
        AuditKind.PASSWORD_CHANGED,
        AuditKind.FACTOR_CHANGED,
        AuditKind.RECOVERY_CODE_USED,
        AuditKind.BROWSER_FORGOTTEN,
        AuditKind.TOKEN_MADE,
        AuditKind.TOKEN_ENDED,
        AuditKind.CHANNEL_ADDED,
        AuditKind.CHANNEL_REMOVED,
    ),
    "team": (
        AuditKind.INVITATION_MADE,
        AuditKind.INVITATION_OPENED,
        AuditKind.INVITATION_WITHDRAWN,
        AuditKind.INVITATION_ACCEPTED,
        AuditKind.MEMBER_ADDED,
        AuditKind.MEMBER_REMOVED,
        AuditKind.MEMBER_RESET,
        AuditKind.ROLE_CHANGED,
        AuditKind.MEMBER_LOCKED,
        AuditKind.MEMBER_UNLOCKED,
        AuditKind.RULE_CHANGED,
        AuditKind.SETUP_RUN,
        AuditKind.BACKUP_MADE,
        AuditKind.KEYS_ROTATED,
        AuditKind.TRAIL_CUT,
    ),
}


def what(event: TrailEvent) -> Markup:
    """Return what somebody did, as HTML; names are escaped and isolated."""
    try:
        return _WHAT[event.kind](event)
    except (KeyError, ValueError):
        # Events outlive the code that wrote them: one that lacks a fact of today is shown by its kind.
        return escape(event.kind.value)


def accounts(event: TrailEvent) -> Markup:
    """Return the accounts of an event under whose they are; those that the reader may not see are counted."""
    parts = []
    for holder, each in groupby(sorted(event.accounts, key=lambda one: one.holder), key=lambda one: one.holder):
        names = Markup(", ").join(_bdi(account.name) for account in each)
        parts.append(Markup("{} › {}").format(_bdi(holder), names))
    if event.more_accounts:
        more = ngettext("%(n)d other account", "%(n)d other accounts", event.more_accounts)
        alone = ngettext("%(n)d account", "%(n)d accounts", event.more_accounts)
        parts.append(escape((more if parts else alone) % {"n": event.more_accounts}))
    return Markup("; ").join(parts) or _subject(event)


def _bdi(text: str) -> Markup:
    return _BDI.format(formatting.name(text, _NAME_LENGTH))


def _subject(event: TrailEvent) -> Markup:
    return _bdi(event.subject) if event.subject else escape(_("an account"))


def _named(event: TrailEvent) -> list[Markup]:
    """Return the event's subject as a detail, if it has one."""
    return [_bdi(event.subject)] if event.subject else []


def _with(said: Markup, *details: str) -> Markup:
    """Put details in brackets after a sentence."""
    return Markup("{} ({})").format(said, Markup(", ").join(details)) if details else said


def _day(event: TrailEvent, fact: str) -> str:
    return formatting.day(date.fromisoformat(event.facts[fact]), "short")


def _say(text: str) -> Callable[[TrailEvent], Markup]:
    """Return what makes a sentence with the event's subject and accounts."""
    return lambda event: escape(text) % {"subject": _subject(event), "accounts": accounts(event)}


def _token(by_hand: str, by_login: str) -> Callable[[TrailEvent], Markup]:
    """Return what makes one of two sentences: for a token, or for the access of an assistant."""
    return lambda event: _say(by_login if "assistant" in event.facts else by_hand)(event)


def _login_refused(event: TrailEvent) -> Markup:
    how = event.facts.get("how")
    if how == "passkey":
        return escape(_("was refused: a passkey that is not valid here"))
    if event.subject and how == "code":
        return _say(_("was refused: wrong code for %(subject)s"))(event)
    if event.subject:
        return _say(_("was refused: wrong password for %(subject)s"))(event)
    return escape(_("was refused: nobody here has that email"))


def _login_throttled(event: TrailEvent) -> Markup:
    if event.subject:
        return _say(_("was held back after too many tries for %(subject)s"))(event)
    return escape(_("was held back after too many tries from this address"))


def _login_ended(event: TrailEvent) -> Markup:
    if event.facts["how"] == "ended_for":
        return _say(_("logged %(subject)s out in another browser"))(event)
    texts = {
        "logged_out": _("logged out"),
        "ended": _("logged out in another browser"),
        "others": _("logged out in all other browsers"),
    }
    return escape(texts[event.facts["how"]])


def _factor_changed(event: TrailEvent) -> Markup:
    texts = {
        "added": _("added the second factor %(factor)s of %(subject)s"),
        "removed": _("removed the second factor %(factor)s of %(subject)s"),
        "reset": _("removed all second factors of %(subject)s"),
        "codes": _("made new recovery codes of %(subject)s"),
    }
    text = escape(texts[event.facts["change"]])
    return text % {"factor": _bdi(event.facts["factor"]), "subject": _subject(event)}


def _rule_changed(event: TrailEvent) -> Markup:
    if event.facts["second_factor_from"] is None:
        return escape(_("made second factors optional"))
    day = _day(event, "second_factor_from")
    return escape(_("required a second factor of everybody from %(day)s")) % {"day": day}


def _shared(event: TrailEvent) -> Markup:
    people = [_bdi(name) for name in event.facts["people"]]
    if event.facts["team"]:
        people.append(escape(_("the team, also people who join later")))
    said = escape(_("shared %(accounts)s with %(people)s")) % {
        "accounts": accounts(event),
        "people": Markup(", ").join(people),
    }
    days = {"first_day": _("payments from %(day)s"), "last_day": _("until %(day)s")}
    about = [text % {"day": _day(event, name)} for name, text in days.items() if event.facts.get(name)]
    return _with(said, *about)


def _unshared(event: TrailEvent) -> Markup:
    if event.facts["how"] == "expired":
        return _say(_("ended a share of %(accounts)s, whose last day is over"))(event)
    return _say(_("stopped sharing %(accounts)s"))(event)


def _consent_begun(event: TrailEvent) -> Markup:
    if event.connection_id is None:
        return escape(_("began to connect accounts of bunq"))
    return _say(_("began to renew the permission of %(subject)s"))(event)


def _consent_approved(event: TrailEvent) -> Markup:
    if event.facts.get("elsewhere"):
        return _say(_("came back from bunq with an approval for %(subject)s, in another browser than theirs"))(event)
    return escape(_("came back from bunq with an approval, in the browser that asked"))


def _consent_ended(event: TrailEvent) -> Markup:
    texts = {
        AttemptStep.DENIED: _("did not get an approval: it was refused at bunq"),
        AttemptStep.EXPIRED: _("did not get an approval in time"),
        AttemptStep.FAILED: _("did not get connected: bunq or this server refused"),
        AttemptStep.CANCELLED: _("cancelled an attempt to connect"),
        AttemptStep.DISCARDED: _("discarded an approval"),
    }
    text = escape(texts.get(AttemptStep(event.facts["step"]), _("ended an attempt to connect")))
    return _with(text, *_named(event))


def _renewed(event: TrailEvent) -> Markup:
    said = _say(_("renewed the permission of %(subject)s"))(event)
    if "stays" not in event.facts:
        return said
    counts = _("%(stays)d accounts stay, %(new)d new, %(gone)d no longer shared") % event.facts
    return Markup("{}: {}").format(said, counts)


def _exported(event: TrailEvent) -> Markup:
    first, last = (_day(event, name) for name in ("first_day", "last_day"))
    said = escape(_("exported %(first)s to %(last)s of %(accounts)s")) % {
        "first": first,
        "last": last,
        "accounts": accounts(event),
    }
    about = [", ".join(event.facts["formats"])]
    if "rows" in event.facts:
        about.append(ngettext("%(n)d payment", "%(n)d payments", event.facts["rows"]) % {"n": event.facts["rows"]})
    return _with(said, *about)


def _erased(event: TrailEvent) -> Markup:
    said = _say(_("erased %(accounts)s"))(event)
    return _with(said, *_named(event))


def _ability_switched(event: TrailEvent) -> Markup:
    names = {
        Ability.DRAFTS: _("draft payments"),
        Ability.REQUESTS: _("requests for money"),
        Ability.LINKS: _("bunq.me links"),
        Ability.TRANSFERS: _("transfers between own accounts"),
        Ability.NOTES: _("notes and files"),
        Ability.CARDS: _("changes of cards"),
    }
    on = _("switched on %(ability)s for %(subject)s")
    off = _("switched off %(ability)s for %(subject)s")
    text = escape(on if event.facts["on"] else off)
    return text % {"ability": names[Ability(event.facts["ability"])], "subject": _subject(event)}


def _instruction(text: str) -> Callable[[TrailEvent], Markup]:
    """Return what makes a sentence with the kind and the reference of an instruction."""

    def said(event: TrailEvent) -> Markup:
        return escape(text) % {"what": _what_is_sent(event), "accounts": accounts(event)}

    return said


def _what_is_sent(event: TrailEvent) -> Markup:
    names = {
        InstructionKind.DRAFT: _("the draft"),
        InstructionKind.REQUEST: _("the request"),
        InstructionKind.LINK: _("the link"),
        InstructionKind.TRANSFER: _("the transfer"),
        InstructionKind.NOTE: _("the note"),
        InstructionKind.FILE: _("the file"),
        InstructionKind.CARD: _("the change of a card"),
    }
    return Markup("{} {}").format(names[InstructionKind(event.facts["instruction"])], _subject(event))


def _instruction_ended(event: TrailEvent) -> Markup:
    texts = {
        InstructionState.ACCEPTED: _("noted that %(what)s on %(accounts)s was accepted at bunq"),
        InstructionState.REJECTED: _("noted that %(what)s on %(accounts)s was rejected at bunq"),
        InstructionState.CANCELLED: _("noted that %(what)s on %(accounts)s was taken back or expired"),
        InstructionState.FAILED: _("could not send %(what)s on %(accounts)s: nothing was done at bunq"),
        InstructionState.DONE: _("noted that bunq has done %(what)s on %(accounts)s"),
    }
    return _instruction(texts[InstructionState(event.facts["state"])])(event)


def _with_role(text: str) -> Callable[[TrailEvent], Markup]:
    """Return what makes a sentence with the event's subject and role."""

    def said(event: TrailEvent) -> Markup:
        roles = {
            TeamRole.OWNER: _("an owner"),
            TeamRole.ADMIN: _("an admin"),
            TeamRole.MEMBER: _("a member"),
            TeamRole.GUEST: _("a guest"),
        }
        return escape(text) % {"subject": _subject(event), "role": roles[TeamRole(event.facts["role"])]}

    return said


def _member_removed(event: TrailEvent) -> Markup:
    said = _say(_("took the login of %(subject)s away"))(event)
    heir = event.facts.get("handed_over_to")
    return said + escape(_(" and handed their connections over to %(heir)s")) % {"heir": _bdi(heir)} if heir else said


def _backup_made(event: TrailEvent) -> Markup:
    text = _("made an encrypted backup") if event.facts["encrypted"] else _("made a backup that is not encrypted")
    return escape(text)


def _keys_rotated(event: TrailEvent) -> Markup:
    count = event.facts["secrets"]
    return escape(ngettext("encrypted %(n)d secret anew", "encrypted %(n)d secrets anew", count) % {"n": count})


def _trail_cut(event: TrailEvent) -> Markup:
    count = event.facts["events"]
    text = ngettext("deleted %(n)d old event of this list", "deleted %(n)d old events of this list", count)
    return escape(text % {"n": count})


_WHAT: dict[AuditKind, Callable[[TrailEvent], Markup]] = {
    AuditKind.LOGIN: _say(_("logged in")),
    AuditKind.LOGIN_REFUSED: _login_refused,
    AuditKind.LOGIN_THROTTLED: _login_throttled,
    AuditKind.LOGIN_ENDED: _login_ended,
    AuditKind.PASSWORD_CHANGED: _say(_("changed their password")),
    AuditKind.LOGIN_HALF: _say(_("gave the right password of %(subject)s, and no second factor yet")),
    AuditKind.FACTOR_CHANGED: _factor_changed,
    AuditKind.RECOVERY_CODE_USED: _say(_("used a recovery code")),
    AuditKind.BROWSER_FORGOTTEN: _say(_("let a known browser be forgotten")),
    AuditKind.RULE_CHANGED: _rule_changed,
    AuditKind.CONSENT_BEGUN: _consent_begun,
    AuditKind.CONSENT_LINK_OPENED: _say(_("opened the link that %(subject)s made")),
    AuditKind.CONSENT_APPROVED: _consent_approved,
    AuditKind.CONSENT_CONFIRMED: _say(_("confirmed that %(subject)s is the right person")),
    AuditKind.CONSENT_ENDED: _consent_ended,
    AuditKind.CONNECTED: _say(_("connected %(accounts)s")),
    AuditKind.RENEWED: _renewed,
    AuditKind.DISCONNECTED: _say(_("disconnected %(subject)s")),
    AuditKind.ERASED: _erased,
    AuditKind.SHARED: _shared,
    AuditKind.UNSHARED: _unshared,
    AuditKind.ABILITY_SWITCHED: _ability_switched,
    AuditKind.INSTRUCTION_PREPARED: _instruction(_("prepared %(what)s on %(accounts)s")),
    AuditKind.INSTRUCTION_CHANGED: _instruction(_("changed %(what)s on %(accounts)s")),
    AuditKind.INSTRUCTION_APPROVED: _instruction(_("approved %(what)s on %(accounts)s")),
    AuditKind.INSTRUCTION_SENT_BACK: _instruction(_("sent %(what)s on %(accounts)s back to who prepared it")),
    AuditKind.INSTRUCTION_TAKEN_BACK: _instruction(_("took %(what)s on %(accounts)s back")),
    AuditKind.INSTRUCTION_SENT: _instruction(_("sent %(what)s on %(accounts)s to bunq")),
    AuditKind.INSTRUCTION_ENDED: _instruction_ended,
    AuditKind.COLLECTION_EXPORTED: _say(_("downloaded the collection %(subject)s of %(accounts)s")),
    AuditKind.EXPORTED: _exported,
    AuditKind.ATTACHMENT_OPENED: _say(_("opened a file of a payment of %(accounts)s")),
    AuditKind.ACCOUNT_VIEWED: _say(_("looked at payments of %(accounts)s")),
    AuditKind.RECEIPT_MADE: _say(_("downloaded what is stored about %(subject)s")),
    AuditKind.INVITATION_MADE: _with_role(_("invited %(subject)s as %(role)s")),
    AuditKind.INVITATION_OPENED: _say(_("opened the invitation for %(subject)s")),
    AuditKind.INVITATION_WITHDRAWN: _say(_("withdrew the invitation for %(subject)s")),
    AuditKind.INVITATION_ACCEPTED: _with_role(_("accepted the invitation for %(subject)s and is %(role)s")),
    AuditKind.MEMBER_ADDED: _with_role(_("gave %(subject)s a login as %(role)s")),
    AuditKind.MEMBER_REMOVED: _member_removed,
    AuditKind.MEMBER_RESET: _say(_("ended the password of %(subject)s and made a link for a new one")),
    AuditKind.ROLE_CHANGED: _with_role(_("made %(subject)s %(role)s")),
    AuditKind.TOKEN_MADE: _token(_("made the API token %(subject)s"), _("let the assistant %(subject)s read")),
    AuditKind.TOKEN_ENDED: _token(
        _("ended the API token %(subject)s"), _("no longer lets the assistant %(subject)s read")
    ),
    AuditKind.CHANNEL_ADDED: _say(_("let notices be sent to %(subject)s")),
    AuditKind.CHANNEL_REMOVED: _say(_("no longer lets notices be sent to %(subject)s")),
    AuditKind.MEMBER_LOCKED: _say(_("locked %(subject)s out")),
    AuditKind.MEMBER_UNLOCKED: _say(_("let %(subject)s log in again")),
    AuditKind.SETUP_RUN: _say(_("made this server known to bunq")),
    AuditKind.BACKUP_MADE: _backup_made,
    AuditKind.KEYS_ROTATED: _keys_rotated,
    AuditKind.TRAIL_READ: _say(_("downloaded this list")),
    AuditKind.TRAIL_CUT: _trail_cut,
}
