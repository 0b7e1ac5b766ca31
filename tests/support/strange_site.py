"""The app before the second bunq, and the way to a connection there."""

from collections.abc import Iterator
from contextlib import contextmanager

from bunqflask import create_app
from bunqflask.config import Config
from tests.support import consents
from tests.support.apps import ThreadSite, bare_environ, let_go, reserve_port, served, sign_in
from tests.support.browser import Browser
from tests.support.strange_bunq import Bunq


@contextmanager
def running(bunq: Bunq, database_url: str, **settings: str) -> Iterator[ThreadSite]:
    """Serve the app on a thread, not set up yet."""
    with reserve_port() as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        given = {**bunq.settings, "PUBLIC_URL": url, "BUNQ_CALL_LIMITS": "off", **settings}
        environ = {**bare_environ(database_url), **given}
        app = create_app(Config.from_env(environ))
        with served(app, listener, environ) as site:
            yield site
        let_go(app)


def connect(site: ThreadSite, bunq: Bunq) -> Browser:
    """Log in and connect the holder's accounts; returns the browser at the end of that."""
    browser = sign_in(site, "sam@team.example")
    browser.get(bunq.approve(consents.ask(browser)))
    return browser
