"""Handing a mail to the mail server of the settings."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

from flask import current_app

from bunqflask.i18n import gettext as _
from bunqflask.services.notices.targets import MOST_OF_ANSWER, Answer, NoAnswer

_TIMEOUT_S = 10.0


def is_set_up() -> bool:
    """Tell whether there is a mail server."""
    return bool(current_app.config["SMTP_HOST"])


def send(message: EmailMessage) -> Answer:
    """Hand over a mail; returns the server's answer, whatever its status.

    :raises NoAnswer: there is no mail server, or it did not answer.
    """
    if not is_set_up():
        raise NoAnswer(_("No mail server is set up. The person who runs this site can do it: SMTP_HOST."))
    try:
        with _connected() as server:
            if user := current_app.config["SMTP_USER"]:
                server.login(user, current_app.config["SMTP_PASSWORD"])
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as refused:
        status, text = next(iter(refused.recipients.values()))
        return _answer(status, text)
    except smtplib.SMTPResponseException as refused:
        return _answer(refused.smtp_code, refused.smtp_error)
    except ssl.SSLError:
        raise NoAnswer(_("Its TLS certificate is not trusted.")) from None
    except smtplib.SMTPNotSupportedError:
        raise NoAnswer(_("The mail server does not offer what the settings ask for: encryption or a login.")) from None
    except (smtplib.SMTPException, OSError):
        raise NoAnswer(_("The mail server did not answer in time, or broke off.")) from None
    return Answer(250, _("The mail server took the message."))


def _connected() -> smtplib.SMTP:
    config = current_app.config
    host, port, context = config["SMTP_HOST"], config["SMTP_PORT"], ssl.create_default_context()
    if config["SMTP_SECURITY"] == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=context)
    server = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
    if config["SMTP_SECURITY"] == "starttls":
        try:
            server.starttls(context=context)
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
    return server


def _answer(status: int, text: bytes | str) -> Answer:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return Answer(status, shown[:MOST_OF_ANSWER])
