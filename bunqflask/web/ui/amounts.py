"""Amounts of money as HTML, or the sign that they are hidden in this browser."""

from __future__ import annotations

from decimal import Decimal

from flask import Flask
from markupsafe import Markup

from bunqflask.i18n import gettext as _
from bunqflask.web.ui import appearance
from bunqflask.web.ui.formatting import money

_SHOWN = Markup('<span class="{}">{}</span>')
_HIDDEN = Markup('<span class="n"><span aria-hidden="true">{}</span><span class="vh">{}</span></span>')


def amount(value: Decimal | None, currency: str) -> Markup:
    """Return an amount; a negative one looks so."""
    if appearance.current().hide_amounts:
        return _HIDDEN.format(money(value, currency, hide=True), _("amount hidden"))
    return _SHOWN.format("n neg" if value is not None and value < 0 else "n", money(value, currency))


def change(value: Decimal, currency: str) -> Markup:
    """Return what a payment or several of them changed, with its sign."""
    if appearance.current().hide_amounts:
        return amount(value, currency)
    return _SHOWN.format("n", ("+" if value > 0 else "") + money(value, currency))


def register(app: Flask) -> None:
    """Give every template the filters `amount` and `change`."""
    app.jinja_env.filters |= {"amount": amount, "change": change}
