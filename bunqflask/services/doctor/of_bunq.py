"""The checks between this server and bunq. Each is a pure function of what its probe has found.

    check = clock(ClockFacts(is_set_up=True, difference_s=0.2))

Texts are for the person who runs the server; `found` is also part of the report for support, and names nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from bunqflask import clock as our_clock
from bunqflask.i18n import gettext as _
from bunqflask.models import Check, CheckName, Comparison, ErrorKind, Verdict, Who
from bunqflask.services.doctor import times

ANYWHERE = "*"
CLOCK_OFF_S = 5.0
CALLBACK_WITHIN = timedelta(hours=24)
_SETUP = "`flask --app wsgi setup`"


@dataclass(frozen=True, kw_only=True)
class ReturnAddressFacts:
    """Our return address, and those that bunq knows; None: setup has not come so far."""

    ours: str
    known: Sequence[str] | None


@dataclass(frozen=True, kw_only=True)
class ServerAddressFacts:
    """From where we call, and from where bunq lets us.

    :param refused: how bunq refuses this server as a whole; None: it does not, as far as it was called.
    :param accepted_at: when bunq has opened our last session; None: never.
    :param calls_from: the address of this machine towards bunq; None behind a router or proxy, where it cannot be seen.
    :param allowed: the addresses that bunq names for each API key that may be ours; None: it was not asked, or does not
        tell.
    """

    is_set_up: bool
    refused: ErrorKind | None = None
    accepted_at: datetime | None = None
    calls_from: str | None = None
    allowed: Sequence[Sequence[str]] | None = None


@dataclass(frozen=True, kw_only=True)
class ClockFacts:
    """How far bunq's clock was ahead of ours at its last answer, in seconds; None: it gave none."""

    is_set_up: bool
    difference_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class KeysFacts:
    """Whether installation, device and session belong together, and whether all secrets can be opened.

    :param missing: the steps of setup that were not done; None: there is no installation.
    :param unreadable: tables and columns of secrets that no key opens.
    """

    missing: Sequence[str] | None
    made_at: datetime | None = None
    is_session_ours: bool = True
    refused: ErrorKind | None = None
    secrets: int = 0
    unreadable: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """Our own session: until when it is open, and how bunq has refused us last."""

    is_set_up: bool
    expires_at: datetime | None = None
    refused: ErrorKind | None = None
    refused_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class CallbackFacts:
    """Whether calls from outside reach this server.

    :param is_callable: bunq calls only https addresses; the local stand-in others too.
    :param received_at: when a callback came last.
    :param ping: what became of our own call through our public address: empty when it was answered; None: not made.
    """

    public_url: str
    is_callable: bool
    received_at: datetime | None = None
    ping: str | None = None


def return_address(facts: ReturnAddressFacts) -> Check:
    """Compare our return address with bunq's, letter for letter."""
    name = CheckName.RETURN_ADDRESS
    if facts.known is None:
        return _not_set_up(name)
    if facts.ours in facts.known:
        return Check(name, Verdict.GOOD, _("Registered letter for letter: %(url)s") % {"url": facts.ours})
    steps = (
        _("If the address of this site is wrong, correct PUBLIC_URL in .env and restart the app."),
        _("Run %(command)s: it registers %(url)s at bunq.") % {"command": _SETUP, "url": facts.ours},
    )
    if not facts.known:
        found = _("bunq knows no return address; ours is %(url)s") % {"url": facts.ours}
        return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps)
    nearest = max(facts.known, key=lambda each: _equal_letters(facts.ours, each))
    differs_at = _equal_letters(facts.ours, nearest)
    found = _("Ours is %(ours)s; bunq’s is %(bunqs)s; they differ from letter %(number)d on") % {
        "ours": facts.ours,
        "bunqs": nearest,
        "number": differs_at + 1,
    }
    return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps, Comparison(facts.ours, nearest, differs_at))


def _equal_letters(one: str, other: str) -> int:
    return sum(1 for _pair in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def server_address(facts: ServerAddressFacts) -> Check:
    """Compare the address from which we call with those that bunq allows, as far as either is known."""
    name = CheckName.SERVER_ADDRESS
    if not facts.is_set_up:
        return _not_set_up(name)
    allowed = sorted({address for each in facts.allowed or () for address in each})
    words = {"from": facts.calls_from or _("an address that it cannot see"), "allowed": ", ".join(allowed)}
    is_one_key = len(facts.allowed or ()) == 1
    # Where several API keys may be ours, one that does not allow the address proves nothing.
    is_outside = is_one_key and facts.calls_from is not None and not {facts.calls_from, ANYWHERE} & set(allowed)
    if facts.refused is ErrorKind.SERVER_REFUSED or is_outside:
        found = _("This server calls from %(from)s, and bunq refuses it.") % words
        if is_outside:
            found = _("This server calls from %(from)s; the API key allows %(allowed)s.") % words
        elif allowed:
            found = _("This server calls from %(from)s, and bunq refuses it; the API key allows %(allowed)s.") % words
        return Check(name, Verdict.BROKEN, found, Who.KEY_HOLDER, _address_steps(facts.calls_from))
    if facts.accepted_at is None:
        return Check(name, Verdict.NOT_KNOWN, _("bunq has not opened a session for this server yet."))
    if ANYWHERE in allowed:
        return Check(name, Verdict.GOOD, _("The API key allows every address."))
    if facts.calls_from is not None and facts.calls_from in allowed:
        return Check(name, Verdict.GOOD, _("This server calls from %(from)s, which the API key allows.") % words)
    accepted = _("bunq accepted this server’s address %(time)s.") % {"time": times.local(facts.accepted_at)}
    told = _("The API key allows %(allowed)s.") % words if allowed else _("bunq does not tell which ones are allowed.")
    seen = (
        _("bunq does not say from which address it sees us.")
        if facts.calls_from is None
        else _("This server calls from %(from)s.") % words
    )
    return Check(name, Verdict.GOOD, f"{accepted} {told} {seen}")


def _address_steps(calls_from: str | None) -> tuple[str, ...]:
    place = _("In the bunq app: Profile › Security & Settings › Developers › API keys › bunqflask.")
    if calls_from is not None:
        allow = _("Allow %(address)s, then check again.") % {"address": calls_from}
        ways: tuple[str, ...] = (place, allow)
    else:
        ask = _("Find the address from which this server calls: ask your internet provider or look in your router.")
        ways = (ask, place, _("Allow that address, then check again."))
    other = _("Was the key withdrawn? Make a new one and run %(command)s --new-installation.") % {"command": _SETUP}
    return (*ways, other, _("Nobody has to approve again."))


def clock(facts: ClockFacts) -> Check:
    """Compare our clock with bunq's."""
    name = CheckName.CLOCK
    if not facts.is_set_up:
        return _not_set_up(name)
    if facts.difference_s is None:
        return Check(name, Verdict.NOT_KNOWN, _("bunq gave no answer to compare with."))
    off = f"{abs(facts.difference_s):.1f}"
    if abs(facts.difference_s) < CLOCK_OFF_S:
        return Check(name, Verdict.GOOD, _("%(seconds)s s off bunq’s clock") % {"seconds": off})
    found = (
        _("This server’s clock is %(seconds)s s behind bunq’s")
        if facts.difference_s > 0
        else _("This server’s clock is %(seconds)s s ahead of bunq’s")
    ) % {"seconds": off}
    steps = (
        _("Let the clock be set by the network: `timedatectl set-ntp true`."),
        _("Look whether it is: `timedatectl status` should say “System clock synchronized: yes”."),
    )
    return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps)


def keys(facts: KeysFacts) -> Check:
    """Judge whether what we sign and call with belongs together and can be opened."""
    name = CheckName.KEYS
    if facts.unreadable:
        found = _("Secrets cannot be opened with the present keys: %(places)s") % {
            "places": ", ".join(facts.unreadable)
        }
        steps: tuple[str, ...] = (
            _("Put the missing key back into ENCRYPTION_KEYS in .env, behind the first one, and restart the app."),
            _("If it is lost, run %(command)s --new-installation; holders have to approve again.")
            % {"command": _SETUP},
        )
        return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps)
    if facts.missing is None:
        return _not_set_up(name)
    if facts.missing:
        found = _("Setup is not finished: %(steps)s") % {"steps": ", ".join(facts.missing)}
        return Check(name, Verdict.LOOK, found, Who.ADMIN, (_("Run %(command)s.") % {"command": _SETUP},))
    if facts.refused is ErrorKind.INSTALLATION_REFUSED:
        steps = (_("Run %(command)s --new-installation. Nobody has to approve again.") % {"command": _SETUP},)
        return Check(name, Verdict.BROKEN, _("bunq no longer knows this installation."), Who.ADMIN, steps)
    if facts.refused is ErrorKind.NOT_TRUSTED:
        steps = (
            _("Make sure that no proxy between this server and bunq changes answers."),
            _("Run %(command)s; it says what to do.") % {"command": _SETUP},
        )
        return Check(name, Verdict.BROKEN, _("bunq’s answers do not carry its signature."), Who.ADMIN, steps)
    if not facts.is_session_ours:
        steps = (_("Run %(command)s: it opens a session of the present installation.") % {"command": _SETUP},)
        return Check(name, Verdict.LOOK, _("The session was opened by another installation."), Who.ADMIN, steps)
    found = _("Belong together; made %(day)s. %(count)d secrets open.") % {
        "day": f"{facts.made_at:%Y-%m-%d}" if facts.made_at else "?",
        "count": facts.secrets,
    }
    return Check(name, Verdict.GOOD, found)


def session(facts: SessionFacts) -> Check:
    """Judge our own session: open, or one that is opened when it is needed."""
    name = CheckName.SESSION
    if facts.refused is not None:
        since = facts.refused_since
        found = _("bunq refuses it")
        if since is not None:
            found = _("bunq refuses to open one since %(time)s") % {"time": times.local(since)}
        if facts.expires_at is not None and facts.expires_at > our_clock.now():
            found += _("; the open one ends %(time)s") % {"time": times.local(facts.expires_at)}
        steps = (_("The checks of the address and of the keys say which of them is refused."),)
        return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps)
    if not facts.is_set_up:
        return _not_set_up(name)
    if facts.expires_at is None:
        steps = (_("Run %(command)s.") % {"command": _SETUP},)
        return Check(name, Verdict.LOOK, _("None was opened yet"), Who.ADMIN, steps)
    if facts.expires_at <= our_clock.now():
        return Check(name, Verdict.GOOD, _("Over; a new one is opened when it is needed"))
    return Check(
        name, Verdict.GOOD, _("Open until %(time)s; renewed automatically") % {"time": times.local(facts.expires_at)}
    )


def callbacks(facts: CallbackFacts) -> Check:
    """Judge whether bunq can reach this server: a callback came lately, or our own call found the way back."""
    name, url = CheckName.CALLBACKS, facts.public_url
    is_recent = not our_clock.is_over(facts.received_at, after=CALLBACK_WITHIN)
    if facts.received_at is not None and is_recent:
        return Check(name, Verdict.GOOD, _("The last one came %(time)s") % {"time": times.local(facts.received_at)})
    last = (
        _("None for a day; the last came %(time)s.") % {"time": times.local(facts.received_at)}
        if facts.received_at
        else _("None came yet.")
    )
    if not facts.is_callable:
        steps: tuple[str, ...] = (_("Serve the site by https, behind a proxy, and name that address in PUBLIC_URL."),)
        found = _("bunq calls only https addresses, and %(url)s is none; payments are read every hour") % {"url": url}
        return Check(name, Verdict.LOOK, found, Who.ADMIN, steps)
    if facts.ping is None:
        return Check(name, Verdict.NOT_KNOWN, last)
    if not facts.ping:
        found = _("%(last)s Our own call through %(url)s was answered.") % {"last": last, "url": url}
        return Check(name, Verdict.GOOD, found)
    found = _("%(last)s Our own call through %(url)s was not: %(error)s. Payments are read every hour meanwhile.") % {
        "last": last,
        "url": url,
        "error": facts.ping,
    }
    steps = (
        _("Open %(url)s/healthz from a phone without wifi. It should say “ok”.") % {"url": url},
        _("If it does not, the name, the proxy or the firewall stops calls: look at the proxy’s log."),
        _("If it does, this server cannot reach its own public address: see whether the router allows that."),
    )
    return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps)


def _not_set_up(name: CheckName) -> Check:
    steps = (_("Run %(command)s.") % {"command": _SETUP},)
    return Check(name, Verdict.NOT_KNOWN, _("This server is not set up with bunq yet."), Who.ADMIN, steps)
