"""A local stand-in for bunq: its protocol, its consent page and a simulated phone, with faults on switches.

It shares no code with the app beside it, so that the two can disagree.
"""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Callable

from flask import Flask, Response, current_app, request

from bunqflask.sandbox import commands
from bunqflask.sandbox.bank import hosts, people, seed, wire
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.settings import Settings
from bunqflask.sandbox.control import api, scenarios
from bunqflask.sandbox.pages import bunqme_pages, bunqto_links, consent, panel, phone, portal
from bunqflask.sandbox.protocol import token_endpoint
from bunqflask.sandbox.protocol.dispatch import mount
from bunqflask.sandbox.resources.catalogue import CALL_NAMES, CALLS

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings | None = None) -> Flask:
    """Return the sandbox as a WSGI application; settings come from the environment unless given."""
    app = Flask(__name__, template_folder="pages/templates", static_folder="pages/static", static_url_path="/static")
    app.url_map.strict_slashes = False
    app.extensions["call_names"] = CALL_NAMES
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.before_request(_refuse_foreign_name)
    app.before_request(_begin)
    mount(app, CALLS)
    app.register_blueprint(token_endpoint.bp)
    app.register_blueprint(consent.bp)
    app.register_blueprint(bunqme_pages.bp)
    app.register_blueprint(bunqto_links.bp)
    app.register_blueprint(portal.bp)
    app.register_blueprint(api.bp)
    app.register_blueprint(panel.bp)
    app.register_blueprint(phone.bp)
    app.register_blueprint(scenarios.bp)
    _add_errors(app)
    commands.init_app(app)
    logging.getLogger("werkzeug").addFilter(_without_secrets)
    put_bank(app, settings or Settings.from_env())
    return app


def put_bank(app: Flask, settings: Settings) -> Bank:
    """Let a sandbox be about a new bank from here on; the one before it has to be closed."""
    bank = Bank(settings)
    app.extensions["bank"] = bank
    app.extensions["give_past"] = once(lambda: seed.give_past(bank))
    seed.ensure(bank)
    return bank


def _begin() -> None:
    """Give the bank a past and a worker; commands make an app too, which needs neither."""
    current_app.extensions["give_past"]()
    current().start_worker()


def _refuse_foreign_name() -> Response | None:
    if hosts.is_ours(request.host, current().settings.hosts):
        return None
    told = "The sandbox does not answer to this name. Set SANDBOX_HOSTS to the names that it has on your network.\n"
    return Response(told, 421, content_type="text/plain; charset=utf-8")


def once(action: Callable[[], None]) -> Callable[[], None]:
    """Return a function that does the action at its first call; later callers wait until it is done."""
    lock, done = threading.Lock(), threading.Event()

    def first() -> None:
        if done.is_set():
            return
        with lock:
            if not done.is_set():
                action()
                done.set()

    return first


_SECRET = re.compile(r"((?:client_secret|code|access_token|token)=)[^&\s\"]+")


def _without_secrets(record: logging.LogRecord) -> bool:
    """Blank out secrets in the development server's request lines."""
    if isinstance(record.args, tuple):
        record.args = tuple(_SECRET.sub(r"\1***", each) if isinstance(each, str) else each for each in record.args)
    return True


def _add_errors(app: Flask) -> None:
    """Answer in bunq's shape where nothing else does, and show in the log who looks for bunq's API elsewhere."""

    @app.errorhandler(404)
    def nothing_here(_error: Exception) -> Response:
        return _refuse(wire.nothing_there())

    @app.errorhandler(405)
    def wrong_method(_error: Exception) -> Response:
        return _refuse(wire.wrong_method())

    @app.errorhandler(500)
    def failed(_error: Exception) -> Response:
        return _refuse(wire.failed())

    def _refuse(refusal: wire.Refusal) -> Response:
        language = request.headers.get("X-Bunq-Language", "en_US")
        body = wire.to_bytes(wire.error_body(refusal.text, language=language))
        response = Response(body, refusal.status, content_type="application/json")
        response_id = response.headers["X-Bunq-Client-Response-Id"] = str(uuid.uuid4())
        if not request.path.startswith((api.PREFIX, "/favicon")):
            hint = {"path": "bunq's API lies under /v1/"} if refusal.status == 404 else {}
            bank = current()
            bank.calls.add(
                at=people.now_text(bank.store),
                method=request.method,
                pattern=request.path,
                path=request.path,
                status=refusal.status,
                response_id=response_id,
                took_ms=0.0,
                verdicts={**hint, "refused": refusal.text},
            )
        return response
