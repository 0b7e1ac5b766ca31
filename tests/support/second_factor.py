"""A member's authenticator app."""

from __future__ import annotations

import re
import time

import pyotp
from flask import Flask

from bunqflask.extensions import db
from bunqflask.models import Factor
from tests.support import rows
from tests.support.apps import PASSWORD
from tests.support.browser import Browser


class AuthenticatorApp:
    """An app on a phone, which got its secret from the page."""

    def __init__(self, app: Flask, secret: str) -> None:
        self._app = app
        self._totp = pyotp.TOTP(secret)

    def code(self, *, steps: int = 0) -> str:
        """Return the code that it shows now, or so many steps of 30 seconds later."""
        return self._totp.at(int(time.time()) + 30 * steps)

    def unused_code(self) -> str:
        """Return a code that was not used yet, as if the last login was a while ago."""
        with rows.behind(self._app):
            db.session.execute(db.update(Factor).values(last_step=0))
            db.session.commit()
        return self.code()


def set_up(browser: Browser, app: Flask) -> tuple[AuthenticatorApp, list[str]]:
    """Add an authenticator app in Settings; returns it and the recovery codes."""
    browser.get("/settings/factors")
    browser.submit(button="Add an authenticator app")
    secret = re.search(r'id="secret"[^>]* value="([A-Z2-7]{32})"', browser.page.html)
    assert secret is not None, browser.page.text
    phone = AuthenticatorApp(app, secret[1])
    page = browser.submit(action="/totp/setup", code=phone.code(), password=PASSWORD, name="Pixel")
    assert page.status == 200
    return phone, re.findall(r"<li>([a-z0-9]{4}(?:-[a-z0-9]{4}){3})</li>", page.html)
