"""Characters that nobody sees or that turn the text around them: the one list, for pages, exports and the log.

A name from the bank or a payment's description is written by strangers. A soft hyphen makes two equal names differ, an
override of direction makes "gpj.exe" read as "exe.jpg", and tag characters carry a whole hidden text.

https://www.unicode.org/reports/tr36/ · https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
"""

import re

# Control and format characters, lone halves of characters, those without a meaning that all programs share, and what
# Unicode lets a program leave undrawn.
_ALWAYS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
    "\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
# A joiner changes how letters look in scripts from Hebrew to Mongolian, and makes one emoji of two.
_JOINED = "\u0590-\u109f\u1780-\u18af\u2190-\u2bff\U0001f000-\U0001faff"
_INVISIBLE = re.compile(
    f"[{_ALWAYS}]|(?<![{_JOINED}\ufe0f])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])|(?<![{_JOINED}])\ufe0f"
)
_NOT_IN_JSON = re.compile(f"{_INVISIBLE.pattern}|[\x85\u2028\u2029]")
_SEPARATORS = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]+")


def remove(text: str) -> str:
    """Return text as one line without what is invisible; line breaks and tabs become a space."""
    # Nearly all texts, and quicker to ask.
    if text.isascii() and text.isprintable():
        return text
    # Until nothing changes: what stood between two characters may have kept a joiner apart from its neighbour.
    while (shorter := _INVISIBLE.sub("", text)) != text:
        text = shorter
    return _SEPARATORS.sub(" ", text)


def spell_out(text: str) -> str:
    """Return JSON with every invisible character as its escape, but the line breaks between its members."""
    return _NOT_IN_JSON.sub(lambda found: _escape(found[0]), text)


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))
