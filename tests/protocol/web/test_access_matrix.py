"""Every route and method, asked by everybody: for what is theirs, shared with them, somebody else's, or nothing.

A row of the table is a route and a method; a new route fails the test until it has one. Its cells are the statuses
that a member, an owner and a guest get, for each aim of its kind; `-` where they have nothing of this kind. Whoever has
no login gets to the login from everywhere but the public routes.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import zip_longest
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.digest import digest
from bunqflask.extensions import Base, db
from bunqflask.models import ConsentAttempt, Login, TeamMember
from bunqflask.web import marks
from tests.support import asked
from tests.support import team_of_rights as team
from tests.support.apps import PASSWORD, bare_environ, let_go
from tests.support.databases import Databases
from tests.support.routes import is_for_programs
from tests.support.team_of_rights import MARKED, MIAS, READ

# What a request is about: an account or what belongs to it, `hidden` being another account of the connection of one's
# own; a connection; what belongs to a person; a person of this role; nothing.
ACCOUNT, CONNECTION = ("own", "shared", "hidden", "foreign"), ("own", "shared", "foreign")
PERSONAL, TEAM, PLAIN = ("own", "foreign"), ("admin", "owner"), ("",)
HIDDEN = team.ACCOUNTS[team.OWN][1]
FOREIGN = team.ACCOUNTS[team.FOREIGN][0]
NOBODY = ("anonymous", "rex", "eva")
PEOPLE = {"mia": "member", "olga": "owner", "gus": "guest"}
# What differs with every answer, or with the length of an id. The cookie of the session is compared by what it holds.
AMOUNTS = {each.amount for each in MARKED.values()}
VOLATILE = {"Date", "Content-Length", "Set-Cookie"}
NONCE = r"(?<=/notices/)\d+|Printed [\d\w :]+ by|BF-\d{8}-\d{6}-[0-9A-F]{4}|(?<=name=\"csrf_token\" value=\")[^\"]+"


Seen = list[object]
"""Status, headers and lines of an answer."""


@dataclass(frozen=True)
class Row:
    """One route and method: the statuses by person, and what is sent along; `{account}` is our id of the account."""

    aims: tuple[str, ...]
    member: str
    owner: str
    guest: str
    data: Mapping[str, str] = field(default_factory=dict)

    def status(self, person: str, aim: str) -> int | None:
        """Return what a person gets, or None where they have nothing of this kind."""
        text = str(getattr(self, PEOPLE[person])).split()[self.aims.index(aim)]
        return None if text == "-" else int(text)


def accounts(member: str, owner: str, guest: str, **data: str) -> Row:
    return Row(ACCOUNT, member, owner, guest, data)


def connections(member: str, owner: str, guest: str, **data: str) -> Row:
    return Row(CONNECTION, member, owner, guest, data)


def personal(member: str, owner: str, guest: str, **data: str) -> Row:
    return Row(PERSONAL, member, owner, guest, data)


def people(member: str, owner: str, guest: str, **data: str) -> Row:
    return Row(TEAM, member, owner, guest, data)


def plain(member: str, owner: str, guest: str, **data: str) -> Row:
    return Row(PLAIN, member, owner, guest, data)


PERIOD = {"from": "2026-01-01", "to": "2026-12-31", "format": "csv", "files": "1"}
TOKEN = {"name": "mine", "scope": "balances:read", "accounts": "some", "days": "7"}
ASKED = {
    "response_type": "code",
    "client_id": team.ASSISTANT,
    "redirect_uri": "http://127.0.0.1/callback",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
}
LET_IN = {
    **ASKED,
    "answer": "yes",
    "scope_of": "balances:read",
    "accounts": "some",
    "account": "{account}",
    "days": "7",
}
LINE = {
    "account": "{account}",
    "name": "Stadsbus",
    "iban": "NL91ABNA0417164300",
    "amount": "1,00",
    "description": "Ticket",
    "content_hash": "{content_hash}",
    "token": "form",
    "compared": "1",
}
FILE = {
    "account": "{account}",
    "name": "payments.csv",
    "token": "form",
    "packed": base64.b64encode(zlib.compress(b"naam;iban;bedrag\nStadsbus;NL91ABNA0417164300;1,00\n")).decode(),
}
ASKING = {"account": "{account}", "amount": "1,00", "payer": "a@example.org", "description": "Tea", "token": "form"}
CARD = {"account": "{account}", "label": "Maestro", "limit": "5", "confirmed": "1", "token": "form"}
COLLECTION = {
    "account": "{account}",
    "kind": "link",
    "name": "Club",
    "description": "Fee",
    "people": "Anna; ; 5",
    "token": "form",
    "do": "send",
    "seen": "{seen}",
}
ROWS = {
    "abilities.index GET": connections("404 404 404", "- 200 404", "- 404 404"),
    "abilities.switch POST": connections("403 403 403", "- 302 404", "- 403 403", ability="links", on="0"),
    "assistants.answer POST": accounts("200 200 404 404", "- 200 404 404", "- 200 404 404", **LET_IN),
    "assistants.ask GET": plain("200", "200", "200", **ASKED),
    "audit.export POST": plain("200", "200", "200"),
    "audit.index GET": plain("200", "200", "200"),
    # There is no bunq here to read the cards from.
    "cards.ask GET": connections("302 404 404", "- 404 404", "- 404 404"),
    "cards.cancel POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404"),
    "cards.freeze POST": accounts("302 404 404 404", "- 404 404 404", "- 404 404 404", **CARD),
    "cards.index GET": plain("200", "200", "404"),
    "cards.limits POST": accounts("302 404 404 404", "- 404 404 404", "- 404 404 404", **CARD),
    "cards.of_connection GET": connections("200 404 404", "- 404 404", "- 404 404"),
    "cards.show GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
    "cards.unfreeze POST": accounts("302 404 404 404", "- 404 404 404", "- 404 404 404", **CARD),
    "collections.ask_again POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404", instead_of="{item_id}"),
    "collections.begin POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404", **COLLECTION),
    "collections.export POST": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404", column="name"),
    "collections.index GET": plain("200", "200", "404"),
    "collections.new GET": plain("200", "200", "404"),
    "collections.person GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
    "collections.show GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
    "collections.take_back POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404"),
    "collections.take_back_all POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404"),
    "conditions.calendar GET": plain("200", "200", "403"),
    "conditions.calendar POST": plain("200", "200", "403"),
    "conditions.index GET": plain("200", "200", "200"),
    "conditions.remind POST": connections("302 404 404", "- 404 404", "- 404 404", after="90"),
    "conditions.reminder_file GET": connections("200 404 404", "- 404 404", "- 404 404"),
    "conditions.reminders_file GET": plain("200", "200", "403"),
    "conditions.show GET": connections("200 200 404", "- 200 404", "- 200 404"),
    "connections.disconnect GET": connections("200 404 404", "- 404 404", "- 404 404"),
    "connections.disconnect POST": connections("302 404 404", "- 404 404", "- 404 404", data="erase"),
    "connections.home GET": plain("200", "200", "200"),
    "connections.index GET": connections("200 200 404", "- 200 404", "- 200 404"),
    "connections.reconnect POST": connections("302 404 404", "- 404 404", "- 404 404"),
    "connections.sync POST": connections("302 404 404", "- 404 404", "- 403 403"),
    "consent.begin GET": plain("200", "200", "403"),
    "consent.cancel POST": personal("302 404", "- 404", "- 404"),
    "consent.confirm POST": personal("302 404", "- 404", "- 404", answer="no"),
    "consent.go POST": personal("302 404", "- 404", "- 404"),
    "consent.invite POST": plain("302", "302", "403", label="Ann"),
    "consent.show GET": personal("200 404", "- 404", "- 404"),
    "consent.start POST": plain("302", "302", "403"),
    "consent.status GET": personal("204 404", "- 404", "- 404"),
    "consent.withdraw POST": personal("302 404", "- 404", "- 404"),
    "doctor.check POST": plain("403", "302", "403"),
    "doctor.index GET": plain("403", "200", "403"),
    "doctor.list_calls GET": plain("403", "200", "403"),
    # What one may not see cannot be chosen there, and is left out.
    "draft_files.begin GET": plain("200", "200", "404"),
    "draft_files.look POST": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404", **FILE),
    # Nobody has seen these lines.
    "draft_files.prepare POST": accounts("409 409 404 404", "- 409 404 404", "- 404 404 404", **FILE),
    "draft_forms.change POST": accounts("302 302 404 404", "- 302 404 404", "- 404 404 404", **LINE),
    "draft_forms.edit GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
    "draft_forms.new GET": plain("200", "200", "404"),
    "draft_forms.prepare POST": accounts("302 302 404 404", "- 302 404 404", "- 404 404 404", **LINE),
    "drafts.approve POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404", **LINE),
    "drafts.cancel POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404"),
    "drafts.index GET": plain("200", "200", "404"),
    "drafts.send_back POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404", reason="Why?"),
    "drafts.show GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
    "exports.index GET": accounts("200 200 200 200", "- 200 200 200", "- 200 200 200", account="{account}"),
    "exports.make POST": accounts("200 200 404 404", "- 200 404 404", "- 200 404 404", account="{account}", **PERIOD),
    "factors.begin_totp POST": plain("302", "302", "302"),
    "factors.index GET": plain("200", "200", "200"),
    "factors.new_codes POST": plain("200", "200", "200"),
    # Ending what is gone is no error, so neither is what belongs to somebody else; it stays.
    "factors.remove POST": personal("302 302", "302 302", "302 302"),
    "factors.totp GET": plain("302", "302", "302"),
    "factors.totp POST": plain("302", "302", "302"),
    "invitations.make POST": plain("403", "200", "403", label="Zoe", role="member"),
    "invitations.renew POST": people("403 403", "200 200", "403 403"),
    "invitations.withdraw POST": people("403 403", "302 302", "403 403"),
    "links.end POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404"),
    "links.index GET": plain("200", "200", "404"),
    "links.new GET": plain("200", "200", "404"),
    "links.prepare POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404", **ASKING),
    "links.show GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
    # Without a file there is nothing to attach.
    "note_writing.attach POST": accounts("302 302 404 404", "- 302 404 404", "- 404 404 404", token="form"),
    "note_writing.cancel POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404"),
    "note_writing.change POST": accounts("302 302 404 404", "- 302 404 404", "- 404 404 404", token="form"),
    "note_writing.edit GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
    "note_writing.write POST": accounts("302 302 404 404", "- 302 404 404", "- 404 404 404", text="mine", token="form"),
    # There is no bunq here to read the file from.
    "notes.file GET": accounts("503 503 404 404", "- 503 404 404", "- 503 404 404"),
    "notes.index GET": accounts("302 302 404 404", "- 302 404 404", "- 302 404 404"),
    "notes.refresh POST": accounts("302 404 404 404", "- 404 404 404", "- 404 404 404"),
    "notice_settings.add POST": plain("422", "422", "422", kind="mail"),  # there is no mail server
    "notice_settings.change POST": personal("302 404", "302 404", "302 404", topic="money_in"),
    "notice_settings.channel GET": personal("200 404", "200 404", "200 404"),
    "notice_settings.index GET": plain("200", "200", "200"),
    "notice_settings.remove POST": personal("302 404", "302 404", "302 404"),
    "notice_settings.save POST": plain("302", "302", "302", topic="money_in"),
    "notice_settings.send_again POST": personal("302 404", "302 404", "302 404"),
    "notice_settings.test POST": personal("302 404", "302 404", "302 404"),
    "notices.dismiss POST": personal("302 302", "302 302", "302 302"),
    "notices.index GET": plain("200", "200", "200"),
    "notices.not_me POST": personal("302 302", "302 302", "302 302"),
    "notices.read_all POST": plain("302", "302", "302", newest="99999"),
    "passkeys.add GET": plain("200", "200", "200"),
    "passkeys.add POST": plain("422", "422", "422"),
    "passkeys.confirm_options POST": plain("200", "200", "200"),
    "passkeys.registration_options POST": plain("200", "200", "200"),
    "pay.index GET": plain("200", "200", "404"),
    "payments.filter_account GET": accounts("200 200 404 404", "- 200 404 404", "- 200 404 404"),
    "payments.filter_all GET": accounts("200 200 200 200", "- 200 200 200", "- 200 200 200", account="{account}"),
    "payments.home GET": accounts("200 200 422 422", "- 200 422 422", "- 200 422 422", account="{account}"),
    "payments.index GET": accounts("200 200 404 404", "- 200 404 404", "- 200 404 404"),
    "payments.months GET": accounts("200 200 422 422", "- 200 422 422", "- 200 422 422", account="{account}"),
    "payments.show GET": accounts("200 200 404 404", "- 200 404 404", "- 200 404 404"),
    "payments.state GET": accounts("302 302 404 404", "- 302 404 404", "- 302 404 404"),
    "payments.sync POST": accounts("302 404 404 404", "- 404 404 404", "- 403 404 404"),
    "people.ask_to_remove GET": people("403 403", "200 200", "403 403"),
    "people.change POST": people("403 403", "302 302", "403 403", role="member"),
    "people.end_login POST": people("403 403", "302 302", "403 403"),
    "people.index GET": plain("200", "200", "200"),
    "people.lock POST": people("403 403", "302 302", "403 403"),
    "people.remove POST": people("403 403", "302 302", "403 403", data="erase"),
    "people.require_second_factor POST": plain("403", "302", "403", second_factor_from="2030-01-01"),
    "people.show GET": people("403 403", "200 200", "403 403"),
    "people.unlock POST": people("403 403", "302 302", "403 403"),
    "receipts.download POST": connections("200 404 404", "- 404 404", "- 404 404"),
    "receipts.show GET": connections("200 404 404", "- 404 404", "- 404 404"),
    "requests.index GET": plain("200", "200", "404"),
    "requests.new GET": plain("200", "200", "404"),
    "requests.prepare POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404", **ASKING),
    "requests.show GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
    "requests.take_back POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404"),
    "settings.end_login POST": personal("302 302", "302 302", "302 302"),
    "settings.forget_browser POST": personal("302 302", "302 302", "302 302"),
    "settings.index GET": plain("200", "200", "200"),
    "settings.look POST": plain("302", "302", "302", theme="dark"),
    "settings.password POST": plain("302", "302", "302", current=PASSWORD, new="a new and long one, indeed"),
    "sharing.add POST": accounts("302 404 404 404", "- 404 404 404", "- 404 404 404", account="{account}", later="1"),
    "sharing.end POST": accounts("302 404 404 404", "- 404 404 404", "- 404 404 404"),
    "sharing.index GET": connections("200 404 404", "- 404 404", "- 404 404"),
    "tokens.add POST": accounts("200 200 404 404", "- 200 404 404", "- 200 404 404", account="{account}", **TOKEN),
    "tokens.end POST": personal("302 404", "302 404", "302 404"),
    "tokens.index GET": plain("200", "200", "200"),
    "transfers.cancel POST": accounts("302 403 404 404", "- 302 404 404", "- 404 404 404"),
    "transfers.index GET": plain("200", "200", "404"),
    "transfers.move POST": plain("422", "422", "404"),
    "transfers.show GET": accounts("200 200 404 404", "- 200 404 404", "- 404 404 404"),
}
# Logs a person out everywhere else, whichever notice it was pressed at.
ON_ONESELF = {"notices.not_me POST"}
# A person's act that changes no row: what it makes is in the answer, or there is nothing to change.
CHANGES_NOTHING = {
    "collections.ask_again POST",  # the link is still open
    "draft_files.look POST",  # nothing of a file is stored before it is prepared
    "consent.confirm POST",  # the attempt has not come back from bunq yet
    "note_writing.attach POST",  # no file comes along
    "note_writing.cancel POST",  # bunq has done it
    "transfers.cancel POST",  # so too
    "cards.cancel POST",  # so too
    "people.unlock POST",  # nobody is locked
    "settings.look POST",  # is kept in a cookie
}


@dataclass(frozen=True)
class Route:
    """A route and a method of the app, by the name of its row."""

    name: str
    endpoint: str
    method: str
    arguments: frozenset[str]


def routes(app: Flask) -> list[Route]:
    return [
        Route(f"{rule.endpoint} {method}", rule.endpoint, method, frozenset(rule.arguments))
        for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.endpoint)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def ids_for(person: str, aim: str) -> dict[str, Any]:
    """Return the ids that a request carries, when somebody is after something; inside an app's context."""
    account = MARKED[{"own": MIAS, "shared": READ, "hidden": HIDDEN}.get(aim, FOREIGN)]
    asks = asked.Asked(account.account_id, account.connection_id, account.text)
    whose = person if aim == "own" else "robin"
    member = {"admin": "kim"}.get(aim, "robin")
    number = team.number_of(whose)
    return {
        "connection_id": account.connection_id,
        "monetary_account_id": account.bunq_id,
        "payment_row_id": account.payment_row_id,
        "attachment_id": account.attachment_id,
        "kind": "attachment",
        "note_id": account.attachment_id,
        "note_change_id": asks.note_change_id,
        "transfer_id": asks.transfer_id,
        "card_change_id": asks.card_change_id,
        "card_id": 1,
        "act": "freeze",
        "share_id": account.share_id + (50 if aim == "own" else 0),
        "account": account.account_id,
        "instruction_id": account.instruction_id,
        "content_hash": account.content_hash,
        "request_id": asks.request_id,
        "link_id": asks.link_id,
        "collection_id": asks.collection_id,
        "item_id": asks.item_id,
        "seen": digest(repr([str(account.account_id), "link", "Club", "Fee", "", ["Anna;", ";", "5"]])),
        "attempt_id": team.ATTEMPT_OF_MIA if aim == "own" else team.ATTEMPT_OF_ROBIN,
        "login_id": number if aim in PERSONAL else team.number_of(member),
        "browser_id": number,
        "factor_id": number,
        "notice_id": number,
        "channel_id": number,
        "delivery_id": number,
        "token_id": number,
        "member_id": db.session.scalar(db.select(TeamMember.id).filter_by(email=f"{member}@example.org")),
        "invitation_id": team.INVITATION,
    }


def absent(ids: Mapping[str, Any], aim: str) -> dict[str, Any]:
    """Return ids of nothing, beside the same connection where it is one account of it that is hidden."""
    none = dict.fromkeys(ids, team.NO_ID)
    connection_id = ids["connection_id"] if aim == "hidden" else team.NO_CONNECTION
    return none | {"connection_id": connection_id, "account": team.NO_ACCOUNT, "attempt_id": team.NO_ATTEMPT}


@dataclass
class Matrix:
    """The app over the filled database, and how to ask it."""

    app: Flask
    databases: Databases
    url: str
    writes: list[str] = field(default_factory=list)

    def refill(self) -> None:
        """Put all rows back, after an answer that changed some."""
        db.session.remove()
        db.engine.dispose()
        self.databases.refill(self.url, team.fill)
        let_rows_be_recent()

    def client(self, person: str) -> FlaskClient:
        client = self.app.test_client()
        if person != "anonymous":
            client.set_cookie(self.app.config["LOGIN_COOKIE_NAME"], team.token_of(person), domain="localhost")
        return client

    def ask(self, person: str, route: Route, ids: Mapping[str, Any], *, fragment: bool = False) -> TestResponse:
        """Send one request; `writes` then holds its statements that change rows."""
        given = {name: ids.get(name, "ui.css" if name == "filename" else "no-such-token") for name in route.arguments}
        path = self.app.url_map.bind("localhost").build(route.endpoint, given, method=route.method)
        row = ROWS.get(route.name)
        sent = {name: text.format(**ids) for name, text in row.data.items()} if row else {}
        db.session.remove()
        self.writes.clear()
        client, headers = self.client(person), {"HX-Request": "true"} if fragment else {}
        if route.method == "GET":
            answer = client.get(path, query_string=sent, headers=headers, buffered=True)
        else:
            answer = client.post(path, data=sent, headers=headers, buffered=True)
        with client.session_transaction() as session:
            answer.headers["Session"] = repr({name: session[name] for name in session if name != "csrf_token"})
        return answer


def let_rows_be_recent() -> None:
    """Let logins and requests to bunq be made just now, which last for ten minutes: the rows may be older than that."""
    now = clock.now()
    db.session.execute(db.update(Login).values(confirmed_at=now, last_seen_at=now))
    db.session.execute(db.update(ConsentAttempt).values(step_since=now, expires_at=now + timedelta(minutes=10)))
    db.session.commit()


@pytest.fixture
def matrix(databases: Databases) -> Iterator[Matrix]:
    url = databases.copy(team.fill)
    app = create_app(Config.from_env(bare_environ(url) | {"BUNQ_ENVIRONMENT": "local"}))
    app.config["WTF_CSRF_ENABLED"] = False  # a form without its token is refused before it is read
    found = Matrix(app, databases, url)
    with app.app_context(), noting(found.writes):
        let_rows_be_recent()
        yield found
        db.session.remove()
    let_go(app)
    databases.forget(url)


@contextmanager
def noting(writes: list[str]) -> Iterator[None]:
    """Collect the statements that changed rows, except that a login was used."""

    def note(_connection: Any, cursor: Any, statement: str, *_more: Any) -> None:
        changes = statement.startswith(("INSERT", "UPDATE", "DELETE")) and cursor.rowcount != 0
        if changes and not statement.startswith("UPDATE login SET last_seen_at"):
            writes.append(statement)

    event.listen(db.engine, "after_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(db.engine, "after_cursor_execute", note)


def stored() -> dict[str, list[str]]:
    """Return all rows of all tables, less when a login was used last."""
    found = {}
    for table in Base.metadata.sorted_tables:
        columns = [each for each in table.c if each.name != "last_seen_at"]
        found[table.name] = sorted(map(repr, db.session.execute(db.select(*columns)).all()))
    db.session.remove()
    return found


def check_shows_nothing_hidden(
    person: str, answer: TestResponse, ids: Mapping[str, Any], where: tuple[str, ...]
) -> None:
    """Look for whatever is hidden from somebody: as it is written, and as it reads without the markup.

    What they asked for is no secret. Owners see the whole audit trail, which names bunq users.
    """
    raw = answer.get_data(as_text=True) + str(answer.headers)
    allowed = {str(each) for each in ids.values()}
    if PEOPLE.get(person) == "owner" and where[0] in ("audit.index GET", "audit.export POST", "people.index GET"):
        allowed |= {*team.HOLDERS.values(), *map(str, team.HOLDERS)}
    found = shown(raw, [mark for mark in team.forbidden(person) if mark not in allowed])
    assert not found, (person, where, answer.status_code)


def shown(raw: str, marks: Iterable[str]) -> list[str]:
    """Return which texts, ids and amounts an answer has in it, however they are grouped."""
    numbers = set(re.findall(r"(?<![0-9A-Za-z])[0-9]+(?![0-9A-Za-z])", raw))
    read = re.sub(r"<[^>]*>|&#?\w+;|\W", "", raw)
    return [
        mark
        for mark in marks
        if mark in numbers
        or ((not mark.isdigit() or mark in AMOUNTS) and (mark in raw or re.sub(r"\W", "", mark) in read))
    ]


def seen(answer: TestResponse, ids: Mapping[str, Any]) -> Seen:
    """Return what somebody gets, without the ids that they asked for and what differs with each answer."""
    # One that has few digits stands in other places too, and is in no address that refuses.
    numbers = sorted((str(each) for each in ids.values() if len(str(each)) > 3), key=len, reverse=True)
    asked = re.compile("|".join([rf"(?<!\w){each}(?!\w)" for each in numbers] + [NONCE]))
    headers = [(name, asked.sub("#", value)) for name, value in answer.headers if name not in VOLATILE]
    body = answer.get_data(as_text=True).replace(answer.request.path, "#")
    return [answer.status_code, *headers, *asked.sub("#", body).splitlines()]


def differences(one: Seen, other: Seen) -> list[tuple[object, object]]:
    return [(each, another) for each, another in zip_longest(one, other) if each != another]


def rows_of(matrix: Matrix) -> Iterator[tuple[Route, Row]]:
    for route in routes(matrix.app):
        if not is_public(matrix.app, route):
            yield route, ROWS[route.name]


def is_public(app: Flask, route: Route) -> bool:
    """Tell whether a route needs no login; those of programs need a token: see tests/protocol/api."""
    return (
        is_for_programs(route.endpoint)
        or route.endpoint == "static"
        or marks.is_public(app.view_functions[route.endpoint])
    )


def cells(matrix: Matrix, person: str) -> Iterator[tuple[Route, str, int]]:
    """Yield all that somebody can ask for, with the status that they get."""
    for route, row in rows_of(matrix):
        for aim in row.aims:
            status = row.status(person, aim)
            if status is not None:
                yield route, aim, status


def is_refused(route: Route, aim: str, status: int) -> bool:
    return (aim in ("hidden", "foreign") and route.name not in ON_ONESELF) or status in (403, 404)


@pytest.mark.sqlite_only
def test_the_table_has_a_row_for_every_route_that_needs_a_login(matrix: Matrix) -> None:
    names = [route.name for route in routes(matrix.app) if not is_public(matrix.app, route)]
    assert sorted(names) == sorted(ROWS), "each has one address"


@pytest.mark.parametrize("person", PEOPLE)
def test_what_is_not_theirs_is_as_if_it_did_not_exist(matrix: Matrix, person: str) -> None:
    before, answers = stored(), dict[tuple[str, bool, int], Seen]()
    for route, aim, status in cells(matrix, person):
        if not is_refused(route, aim, status):
            continue
        ids = ids_for(person, aim)
        nothing = absent(ids, aim)
        for fragment in (False, True) if route.method == "GET" else (False,):
            where = (route.name, aim, "fragment" if fragment else "page")
            answer = matrix.ask(person, route, ids, fragment=fragment)
            assert not matrix.writes, where
            assert fragment or answer.status_code == status, where
            check_shows_nothing_hidden(person, answer, ids, where)
            if status == 403 and aim in ("own", "shared"):
                continue  # they know that it is there
            key = (route.name, fragment, nothing["connection_id"])
            if key not in answers:
                answers[key] = seen(matrix.ask(person, route, nothing, fragment=fragment), nothing)
                assert not matrix.writes, where
            assert differences(seen(answer, ids), answers[key]) == [], where
    assert stored() == before


@pytest.mark.parametrize("person", PEOPLE)
def test_what_they_may_do_works_and_shows_no_more(matrix: Matrix, person: str) -> None:
    for route, aim, status in cells(matrix, person):
        if is_refused(route, aim, status):
            continue
        ids, where = ids_for(person, aim), (route.name, aim)
        answer = matrix.ask(person, route, ids)
        changed = list(matrix.writes)
        assert answer.status_code == status, where
        check_shows_nothing_hidden(person, answer, ids, where)
        if route.method == "POST" and status < 400:
            assert bool(changed) is (route.name not in CHANGES_NOTHING), (*where, changed)
        if route.method == "GET":
            check_shows_nothing_hidden(person, matrix.ask(person, route, ids, fragment=True), ids, where)
        if changed:
            matrix.refill()


@pytest.mark.parametrize("person", NOBODY)
def test_who_has_no_login_gets_to_the_login(matrix: Matrix, person: str) -> None:
    before = stored()
    for route, row in rows_of(matrix):
        for aim in row.aims:
            ids = ids_for("mia", aim)
            for fragment in (False, True):
                answer = matrix.ask(person, route, ids, fragment=fragment)
                went = answer.headers.get("HX-Redirect" if fragment else "Location", "")
                assert (answer.status_code, went.startswith("/login")) == (204 if fragment else 302, True), route.name
                assert not matrix.writes, route.name
    assert stored() == before


@pytest.mark.parametrize("person", [*NOBODY, *PEOPLE])
def test_public_routes_show_nobody_anything(matrix: Matrix, person: str) -> None:
    for route in routes(matrix.app):
        if is_public(matrix.app, route) and not is_for_programs(route.endpoint):
            answer = matrix.ask(person, route, {})
            assert answer.status_code < 500, route.name
            check_shows_nothing_hidden(person, answer, {}, (route.name,))
            if matrix.writes:
                matrix.refill()


def test_the_texts_that_must_not_show_are_those_that_show_to_their_holder(matrix: Matrix) -> None:
    """The proof that the others can fail: Robin's pages have every one of them."""
    ids, raw = ids_for("robin", "foreign"), ""
    for route in routes(matrix.app):
        if route.name in (
            "collections.person GET",
            "drafts.show GET",
            "links.show GET",
            "payments.index GET",
            "payments.show GET",
            "receipts.show GET",
            "requests.show GET",
            "sharing.index GET",
        ):
            raw += matrix.ask("robin", route, ids).get_data(as_text=True)
    notes = next(each for each in routes(matrix.app) if each.name == "notes.index GET")
    raw += matrix.ask("robin", notes, ids, fragment=True).get_data(as_text=True)
    marked = MARKED[FOREIGN]
    marks = {*marked.marks, team.HOLDERS[team.FOREIGN]}
    assert marks - set(shown(raw, marks)) == set()
