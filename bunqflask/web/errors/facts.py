"""bunq's own account of an error, for the folded part of a page."""

from __future__ import annotations

from typing import Any

from bunqflask.i18n import gettext as _


def shown_facts(facts: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return what bunq said, with labels."""
    labels = {"status": _("bunq’s status"), "message": _("bunq’s message"), "response_id": _("bunq’s response id")}
    return [(label, str(facts[name])) for name, label in labels.items() if name in facts] if facts else []
