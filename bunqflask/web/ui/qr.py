"""QR codes as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import qrcode
from markupsafe import Markup

from bunqflask.i18n import gettext as _

QUIET_ZONE = 4


def stays_here(url: str) -> bool:
    """Tell whether an address means this computer to everybody: no other device can open it."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def qr_svg(url: str, label: str | None = None) -> Markup:
    """A QR code of an address as inline SVG: black on white in any theme, four modules of quiet zone.

    One path with presentation attributes only, so a strict content security policy lets it pass.
    """
    code = qrcode.QRCode(border=QUIET_ZONE)
    code.add_data(url)
    code.make(fit=True)
    matrix = code.get_matrix()
    path = "".join(_row_path(y, line) for y, line in enumerate(matrix))
    return Markup(
        '<svg viewBox="0 0 {size} {size}" role="img" aria-label="{label}" shape-rendering="crispEdges">'
        '<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path fill="#000" d="{path}"/></svg>'
    ).format(size=len(matrix), path=path, label=label or _("QR code with the link of this attempt"))


def _row_path(y: int, line: Sequence[bool]) -> str:
    """The dark runs of one line of modules."""
    runs, x = [], 0
    while x < len(line):
        start = x
        while x < len(line) and line[x]:
            x += 1
        if x > start:
            runs.append(f"M{start} {y}h{x - start}v1H{start}z")
        x += 1
    return "".join(runs)
