"""What people call the browser behind a User-Agent header."""

from __future__ import annotations

from bunqflask.i18n import gettext as _

# By the part of the header that gives each away; the first one found counts.
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Macintosh": "Mac",
    "Linux": "Linux",
}
_BROWSERS = {"Firefox": "Firefox", "Edg": "Edge", "Chrome": "Chrome", "Safari": "Safari", "curl": "curl"}


def device(user_agent: str) -> str:
    """Return browser and system, as far as they can be told: "Chrome on Linux"."""
    found = [next((name for sign, name in names.items() if sign in user_agent), "") for names in (_BROWSERS, _SYSTEMS)]
    shown = [each for each in found if each]
    return _(" on ").join(shown) if shown else _("Unknown browser")
