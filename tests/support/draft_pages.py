"""Draft payments on pages, as people handle them: the form, the approval, and files that are uploaded."""

import re

from bunqflask.services.sync import connection_sync
from tests.protocol.sandbox.client import JODI, MAIN, Client
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.browser import Browser, Page, read_page

ONE = {"name": "Stadsbus", "iban": "NL91 ABNA 0417 1643 00", "amount": "182,40", "description": "Ticket"}


def account_of(site: ThreadSite, bunq_id: int = MAIN) -> str:
    """Return our id of an account, as a form sends it."""
    with rows.behind(site.app):
        return str(next(each.id for each in rows.monetary_accounts() if each.monetary_account_id == bunq_id))


def own_iban(site: ThreadSite) -> str:
    """Return the IBAN of the main account."""
    with rows.behind(site.app):
        found = next(each.iban for each in rows.monetary_accounts() if each.monetary_account_id == MAIN)
    assert found is not None
    return found


def prepare(browser: Browser, site: ThreadSite, **fields: str | list[str]) -> int:
    """Prepare a draft by the form; returns its id."""
    browser.get("/pay/drafts/new")
    page = browser.submit(action="/new", button="Prepare", account=account_of(site), **{**ONE, **fields})
    found = re.search(r"/pay/drafts/(\d+)$", page.url)
    if found is None:
        raise AssertionError((page.status, page.text))
    return int(found[1])


def approve(browser: Browser, draft: int) -> Page:
    """Open a draft and approve it as it is shown."""
    browser.get(f"/pay/drafts/{draft}")
    return browser.submit(action="/approve")


def upload(browser: Browser, content: bytes, name: str = "payments.csv", *, account: str = "") -> Page:
    """Send a file by the form for it; the browser is then on the page that follows."""
    page = browser.get("/pay/drafts/file")
    form, _button = page.form(button="Read the file")
    fields = {key: value for key, value in form.fields if key not in ("file", "account")}
    answer = browser.session.post(
        form.action,
        data={**fields, "account": account},
        files={"file": (name, content, "text/csv")},
        headers={"Origin": browser.home, "Referer": page.url},
        timeout=30,
        allow_redirects=False,
    )
    browser.page = read_page(answer)
    return browser.page


def decide(site: ThreadSite, holder: Client, draft: int, status: str) -> None:
    """Let a draft that is at bunq be accepted or refused there by its holder, and be followed and synced here."""
    bunq_id = instructions.row(site.app, draft).bunq_id
    holder.ok("PUT", f"/user/{JODI}/monetary-account/{MAIN}/draft-payment/{bunq_id}", {"status": status})
    instructions.work_until(site.app, draft, [status.lower()])
    # At once, not when a callback of the bank has come.
    with rows.behind(site.app), rows.read_only():
        connection_sync.run(1, patience_s=30)
