"""Amounts of money as HTML, or the sign that they are hidden in this browser."""

from __future__ import annotations

from decimal import Decimal

from flask import Flask
from markupsafe import Markup, escape

from bunqflask.i18n import gettext as _
from bunqflask.web.ui import appearance
from bunqflask.web.ui.formatting import money

_HIDDEN = Markup('<span class="n"><span aria-hidden="true">{}</span><span class="vh">{}</span></span>')


def amount(value: Decimal | None, currency: str) -> Markup:
    """Return an amount; a negative one looks so."""
    if appearance.current().hide_amounts:
        return _HIDDEN.format(money(value, currency, hide=True), _("amount hidden"))
    return _shown(money(value, currency), "n neg" if value is not None and value < 0 else "n")


def change(value: Decimal, currency: str) -> Markup:
    """Return what a payment or several of them changed, with its sign."""
    if appearance.current().hide_amounts:
        return amount(value, currency)
    return _shown(("+" if value > 0 else "") + money(value, currency), "n")


def _shown(text: str, css_class: str) -> Markup:
    # A page has a hundred amounts, for which `Markup.format` takes ten times as long.
    return Markup(f'<span class="{css_class}">{escape(text)}</span>')  # noqa: S704 - escaped above


def register(app: Flask) -> None:
    """Give every template the filters `amount` and `change`."""
    app.jinja_env.filters |= {"amount": amount, "change": change}
