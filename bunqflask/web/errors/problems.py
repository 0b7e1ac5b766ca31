"""The problems that the holder of accounts may meet as well as members, with texts in each language of this site."""

from __future__ import annotations

from bunqflask.i18n import gettext as _
from bunqflask.web.errors.problem import Problem, Way


def origin_refused(ours: str) -> Problem:
    """A form came from another site, or from another address of this one."""
    return Problem(
        title=_("You opened this site at a different address"),
        lead=_("Nothing was changed."),
        happened=_("Forms only work at %(address)s.") % {"address": ours},
        todo=[_("Open %(address)s and try again there.") % {"address": ours}],
        who=_("You – or, if that address is wrong, the person who runs this site (PUBLIC_URL)"),
        status=403,
    )


def database_away(reference: str, ways: list[Way]) -> Problem:
    """The database does not answer."""
    return Problem(
        title=_("The database isn’t responding right now"),
        lead=_("Your data is safe. We couldn’t load or save this page."),
        todo=[_("Try again in a moment.")],
        who=_("The person who runs this site"),
        reference=reference,
        status=503,
        ways=ways,
    )


def refused_request(status: int, ways: list[Way]) -> Problem:
    """A request is refused before anything is done."""
    titles = {
        400: _("The request could not be read"),
        405: _("That doesn’t work at this address"),
        413: _("That’s too large"),
        429: _("Too many requests"),
    }
    return Problem(
        title=titles.get(status, _("That didn’t work")),
        lead=_("Nothing was changed."),
        todo=[_("Wait a minute, and try again.") if status == 429 else _("Go back and try again.")],
        who=_("You"),
        status=status,
        ways=ways,
    )


def unexpected(reference: str, ways: list[Way]) -> Problem:
    """A fault of this program."""
    return Problem(
        title=_("Something went wrong here"),
        lead=_("Your data is safe."),
        happened=_("This is a bug in bunqflask, not something you did."),
        todo=[_("Try again. If it happens again, tell the person who runs this site, with the reference.")],
        who=_("The person who runs this site"),
        reference=reference,
        status=500,
        ways=ways,
    )


def not_set_up(ways: list[Way]) -> Problem:
    """Setup with bunq is not complete."""
    return Problem(
        title=_("This server is not set up with bunq yet"),
        lead=_("Everything stored here is still readable."),
        todo=[_("Run setup on the server. If somebody sent you a link, tell them: the link stays valid.")],
        who=_("The person who runs this site"),
        status=503,
        ways=ways,
    )


def form_too_old(ways: list[Way]) -> Problem:
    """A form lacks the proof that this browser got it from here."""
    return Problem(
        title=_("This page is out of date"),
        lead=_("Nothing was changed."),
        happened=_("You’ve logged in or out since opening it, or your browser blocks cookies here."),
        todo=[_("Open the page again and repeat what you did.")],
        who=_("You"),
        status=400,
        ways=ways,
    )
