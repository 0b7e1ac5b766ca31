"""Template filters: money, dates, times and names, the way a person here reads and writes them.

Functions over plain values, in the time zone of this site; `register` hands them to Jinja. The language is an
argument with this site's default, so that a later choice per team member changes no format.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_name, get_currency_symbol
from flask import Flask, current_app, has_app_context
from markupsafe import Markup

from bunqflask import invisible
from bunqflask.config import HOME_ZONE
from bunqflask.i18n import gettext as _
from bunqflask.i18n import language, ngettext

LOCALE = "en"
MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
NAME_LENGTH = 140
DAY_PATTERNS = {
    "long": "d MMMM y",
    "short": "d MMM y",
    "week": "EEEE d MMMM",
    "day_month": "d MMMM",
    "month": "MMMM y",
    "month_short": "MMM",
    "month_year": "MMM y",
    "tick": "d MMM",
}


def zone() -> ZoneInfo:
    """The time zone of this site, in which its days begin and end."""
    chosen: ZoneInfo = current_app.config["TIME_ZONE"] if has_app_context() else ZoneInfo(HOME_ZONE)
    return chosen


def money(amount: Decimal | None, currency: str, *, hide: bool = False, locale: str = LOCALE) -> str:
    """An amount in its currency ("−€182.40"); with `hide`, the currency and three dots ("€•••").

    Never rounds: digits beyond the usual two are shown, because bunq sent them.
    """
    if hide:
        symbol = get_currency_symbol(currency, locale)
        return f"{symbol}{NO_BREAK if locale.startswith('nl') or symbol == currency else ''}•••"
    if amount is None:
        return _("unknown")
    frame = _frame(currency, locale)
    if frame is not None and amount == round(amount, 2):
        return f"{MINUS if amount < 0 else ''}{frame[0]}{abs(amount):,.2f}{frame[1]}"
    return _spelled_out(amount, currency, locale)


def _spelled_out(amount: Decimal, currency: str, locale: str) -> str:
    symbol = get_currency_symbol(currency, locale)
    text = format_currency(amount, currency, locale=locale, decimal_quantization=False)
    if symbol == currency and not locale.startswith("nl"):
        text = text.replace(symbol, symbol + NO_BREAK)
    return text.replace("-", MINUS)


@lru_cache(256)
def _frame(currency: str, locale: str) -> tuple[str, str] | None:
    """What stands around an amount, where cents are written as Python does: a page of payments has dozens of them."""
    before, number, after = _spelled_out(Decimal(-1234567), currency, locale).partition("1,234,567.00")
    return (before.removeprefix(MINUS), after) if number and before.startswith(MINUS) else None


def currency_name(currency: str, count: int = 1, locale: str = LOCALE) -> str:
    """The name of a currency, as inside a sentence: "euro", "US dollar", or with a larger `count` "euros"."""
    return get_currency_name(currency, count=count, locale=locale)


def number(value: int) -> str:
    """A count as people write it: 1,412."""
    return str(format_decimal(value, locale=LOCALE))


def iban(raw: str) -> str:
    """An IBAN in groups of four."""
    packed = raw.replace(" ", "")
    return " ".join(packed[start : start + 4] for start in range(0, len(packed), 4))


def name(raw: str | None, length: int = NAME_LENGTH) -> str:
    """A name that came from outside, safe to show: one line, and never nothing at all."""
    return one_line(raw, length) or _("(no name)")


def one_line(raw: str | None, length: int = NAME_LENGTH) -> str:
    """A text that came from outside, safe to show: one line, at most `length` signs, nothing invisible.

    Escaping is Jinja's job and isolation of direction is `<bdi>`'s; this removes what neither can: control
    signs, direction overrides and line breaks.
    """
    text = " ".join(invisible.remove(raw or "").split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def initials(raw: str | None) -> str:
    """Two letters for a person or a company: first of the first word, first of the last word."""
    words = [word for word in (raw or "").split() if word[0].isalnum()]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[0] for word in words]
    return "".join(letters).upper()


def day(moment: date | datetime, form: str = "long", locale: str | None = None) -> str:
    """A date: "14 March 2026", `short` "14 Mar 2026", `week` "Saturday 14 March"."""
    when = _local(moment).date() if isinstance(moment, datetime) else moment
    return _day_text(when, form, locale or language())


@lru_cache(2048)
def _day_text(when: date, form: str, locale: str) -> str:
    """A chart shows hundreds of days, and the next page the same ones again."""
    return format_date(when, DAY_PATTERNS[form], locale=locale)


def local_day(when: datetime) -> date:
    """The day on which something happens at this site."""
    return _local(when).date()


def clock(moment: datetime, *, seconds: bool = False) -> str:
    """The time of day, 24 hours: "14:42", or "14:42:07"."""
    return _clock_text(_local(moment), seconds=seconds)


def _clock_text(local: datetime, *, seconds: bool) -> str:
    return local.strftime("%H:%M:%S" if seconds else "%H:%M")


def moment(when: datetime, now: datetime | None = None, *, seconds: bool = False) -> str:
    """A time; with its date unless that is today."""
    local = _local(when)
    time, date_there = _clock_text(local, seconds=seconds), local.date()
    return time if date_there == _local(_now(now)).date() else f"{_day_text(date_there, 'short', language())} {time}"


def exact(when: datetime) -> str:
    """Date and time to the second, for a tooltip beside "2 min ago"; a zone that is not the usual one is named."""
    local, key = _local(when), zone().key
    text = f"{_day_text(local.date(), 'short', language())} {_clock_text(local, seconds=True)}"
    return text if key == HOME_ZONE else f"{text} {key}"


def iso(when: datetime) -> str:
    """The same time for `<time datetime>`, always with its offset."""
    return _local(when).isoformat(timespec="seconds")


def ago(when: datetime, now: datetime | None = None) -> str:
    """How long ago, roughly; beyond 24 hours the date."""
    minutes = int((_now(now) - when).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("%(n)d min ago", "%(n)d min ago", minutes) % {"n": minutes}
    if minutes < 24 * 60:
        hours = minutes // 60
        return ngettext("%(n)d hour ago", "%(n)d hours ago", hours) % {"n": hours}
    return day(when, "short")


def left(until: datetime, now: datetime | None = None) -> str:
    """The time that is left: whole minutes, under one minute seconds; never negative."""
    seconds = max(0, int((until - _now(now)).total_seconds()))
    if seconds < 60:
        return _("%(n)d s") % {"n": seconds}
    return _("%(n)d min") % {"n": seconds // 60}


def register(app: Flask) -> None:
    """Give every template these filters, and translated text by `_` and `{% trans %}`."""
    filters: list[Callable[..., Any]] = [
        money, currency_name, number, iban, name, initials, day, clock, moment, exact, iso, ago, left,
    ]  # fmt: skip
    app.jinja_env.globals["now"] = partial(datetime.now, UTC)
    app.jinja_env.filters.update({each.__name__: each for each in filters})
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    install: Callable[..., None] = app.jinja_env.install_gettext_callables  # type: ignore[attr-defined]
    install(_, ngettext, newstyle=True)
    # Jinja's own look up the context at each call, and a page has hundreds of texts.
    app.jinja_env.globals |= {"_": _text, "gettext": _text, "ngettext": _counted_text, "language": language}


def _text(message: str, **values: Any) -> Markup:
    """Return a text of a template, which may hold HTML; the values put into it are escaped."""
    text = _(message)
    return Markup(text) % values if values else _without_values(text)  # noqa: S704 - written here, by nobody else


@lru_cache(2048)
def _without_values(text: str) -> Markup:
    """A page has hundreds of texts, most of them many times and on the next page again."""
    return Markup(text) % {}  # noqa: S704 - written here, by nobody else


def _counted_text(singular: str, plural: str, num: int, **values: Any) -> Markup:
    """Return the form of a text of a template that fits a number, `num` in the text."""
    return Markup(ngettext(singular, plural, num)) % {"num": num, **values}  # noqa: S704 - written here, by nobody else


def _now(now: datetime | None) -> datetime:
    return now or datetime.now(UTC)


def _local(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("a time without a zone could be any of several")
    return when.astimezone(zone())
