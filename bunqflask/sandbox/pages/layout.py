"""What the pages of the simulated bank share: headers, money for people, the QR code."""

from __future__ import annotations

from urllib.parse import urlsplit

import qrcode
from flask import Response, render_template

from bunqflask.sandbox.bank.store import Json

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action {}; frame-ancestors 'none'; base-uri 'none'"
)


def page(template: str, code: int = 200, /, *leads_to: str, **values: object) -> Response:
    """Render a page with the headers every page carries.

    `leads_to` are addresses that a form may end up at: a browser checks form-action on redirects, too.
    """
    response = Response(render_template(template, **values), code, content_type="text/html; charset=utf-8")
    origins = ["'self'"] + [f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, leads_to)]
    response.headers["Content-Security-Policy"] = POLICY.format(" ".join(origins))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response


def qr_path(text: str) -> Json:
    """Return a QR code as the size of its square and an SVG path; four modules of quiet zone."""
    code = qrcode.QRCode(border=4)
    code.add_data(text)
    matrix = code.get_matrix()
    path = "".join(f"M{x},{y}h1v1h-1z" for y, row in enumerate(matrix) for x, is_dark in enumerate(row) if is_dark)
    return {"size": len(matrix), "path": path}
