"""Request lines of the development server hold no secret."""

from __future__ import annotations

import logging

import pytest

from bunqflask.sandbox import Settings, create_app


def test_secrets_in_addresses_are_blanked_out(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings())
    line = "POST /v1/token?grant_type=authorization_code&code=c0de&client_secret=s3cret&state=x HTTP/1.1"
    logger = logging.getLogger("werkzeug")
    with caplog.at_level(logging.INFO, logger="werkzeug"):
        logger.info('%s - - "%s" %s', "127.0.0.1", line, 200)
    assert "POST /v1/token?grant_type=authorization_code&code=***&client_secret=***&state=x" in caplog.text
    assert "c0de" not in caplog.text
    app.extensions["bank"].close()


def test_settings_never_show_their_token() -> None:
    assert "open sesame" not in repr(Settings(token="open sesame"))


def test_settings_are_read_from_the_environment() -> None:
    read = Settings.from_env({"SANDBOX_DATABASE": ":memory:", "SANDBOX_RATE_LIMITS": "off", "SANDBOX_MAINTENANCE": "1"})
    assert (read.database, read.rate_limits, read.maintenance, read.history) == (":memory:", "off", True, 300)
    with pytest.raises(ValueError, match="rate_limits"):
        Settings.from_env({"SANDBOX_RATE_LIMITS": "sometimes"})
