"""No answer of bunq's shows a program an account that its member, or its token, does not see."""

from __future__ import annotations

import http.client
import json
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from bunqflask import clock
from bunqflask.bunq import readable
from bunqflask.bunq.readable import Accounts
from bunqflask.extensions import db
from bunqflask.models import AccountShare, AuditAccount, AuditEvent, AuditKind, TeamRole, TokenScope
from tests.protocol.api.bunq.furnished import IBANS, Furnished
from tests.protocol.api.bunq.test_resources import BUNQ, pages
from tests.protocol.api.program import Program, program_of
from tests.protocol.sandbox.client import CAR, JODI, MAIN, MEDICAL, SECOND
from tests.support import rows
from tests.support.apps import ThreadSite, add_member, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect, share

SAM = "sam@example.org"
# Our ids of Jodi's accounts, in the order of bunq's.
OURS = {MAIN: 1, SECOND: 2, CAR: 3, MEDICAL: 4}
READ = (TokenScope.BUNQ_READ,)
NOWHERE = 987_654_321


def shows_nothing_of(text: str, hidden: tuple[int, ...]) -> bool:
    """Tell whether an answer names none of these accounts, by id, IBAN, or the text of a payment."""
    marks = [str(each) for each in hidden] + [IBANS[each] for each in hidden if each in IBANS]
    return not any(mark in text for mark in marks) and not any(f"only of {each}" in text for each in hidden)


def check_narrowed(program: Program, furnished: Furnished, own: int, hidden: tuple[int, ...]) -> None:
    """Ask for everything of an account that the program sees, and of one that it does not."""
    for resource in readable.RESOURCES:
        of_hidden = program.call(BUNQ + furnished.path(resource, account=hidden[0]))
        where = resource.path
        if resource.accounts is Accounts.PUBLIC:
            continue
        if "{monetary-accountID}" in resource.path:
            nowhere = program.call(BUNQ + furnished.path(resource, account=NOWHERE))
            assert of_hidden.status_code == 404, where
            assert (nowhere.status_code, nowhere.content) == (of_hidden.status_code, of_hidden.content), where
        elif resource.accounts is Accounts.NONE:
            assert of_hidden.status_code == 403, where
        elif resource.is_single:
            missing = re.sub(r"[0-9]+$", str(NOWHERE), furnished.path(resource))
            assert of_hidden.status_code == 404, where
            assert of_hidden.content == program.call(BUNQ + missing).content, where
        else:
            assert of_hidden.status_code == 200, where
            assert shows_nothing_of(of_hidden.text, hidden), where
    seen = program.get(f"{BUNQ}user/{JODI}/monetary-account")["Response"]
    assert [each["MonetaryAccountBank"]["id"] for each in seen] == [own]
    payments = program.call(f"{BUNQ}user/{JODI}/monetary-account/{own}/payment")
    assert f"only of {own}" in payments.text
    assert shows_nothing_of(payments.text, hidden)


def test_a_narrowed_token_sees_its_account_and_no_other(site: ThreadSite, furnished: Furnished, robin: Browser) -> None:
    program = program_of(site, ROBIN, scopes=READ, account_ids=(OURS[SECOND],))
    check_narrowed(program, furnished, SECOND, (MAIN, CAR, MEDICAL))

    cards = program.get(f"{BUNQ}user/{JODI}/card")["Response"]
    assert [each["Card"]["primary_account_numbers"][0]["monetary_account_id"] for each in cards] == [SECOND]
    events = program.get(f"{BUNQ}user/{JODI}/event", count=200)["Response"]
    assert {each["Event"]["monetary_account_id"] for each in events} == {str(SECOND)}
    one = events[0]["Event"]["id"]
    assert program.get(f"{BUNQ}user/{JODI}/event/{one}")["Response"] == [events[0]]
    # bunq itself was asked for these only, so no page is shorter than it has to be.
    assert [len(page) for page in pages(program, f"{BUNQ}user/{JODI}/event?count=1")] == [1] * len(events)


def test_a_reader_sees_what_is_shared_and_the_audit_trail_holds_it(
    site: ThreadSite, furnished: Furnished, robin: Browser
) -> None:
    add_member(site.app, SAM)
    share(robin, accounts=[OURS[CAR]])
    program = program_of(site, SAM, scopes=READ)
    program.call(f"{BUNQ}user/{JODI}/monetary-account/{MAIN}/payment")
    assert looks(site) == []
    check_narrowed(program, furnished, CAR, (MAIN, SECOND, MEDICAL))

    assert looks(site) == [(1, OURS[CAR])]
    name = program.get(f"{BUNQ}user")["Response"][0]["UserApiKey"]["granted_by_user"]["UserPerson"]["display_name"]
    assert name == "Jodi Walker"
    assert program.call(f"{BUNQ}user/{JODI}").status_code == 404
    everything = program_of(site, ROBIN, scopes=READ)
    everything.get(f"{BUNQ}user/{JODI}/event")
    assert len(looks(site)) == 1, "what is one's own is in no trail"


def looks(site: ThreadSite) -> list[tuple[int, int]]:
    """Return the token and the account of each recorded look."""
    with rows.behind(site.app):
        query = (
            db.select(AuditEvent.facts, AuditAccount.account_id)
            .join(AuditAccount, AuditAccount.event_id == AuditEvent.id)
            .where(AuditEvent.kind == AuditKind.ACCOUNT_VIEWED)
            .order_by(AuditEvent.id)
        )
        return [(facts["token"], account_id) for facts, account_id in db.session.execute(query)]


def test_an_account_shared_from_a_day_on_is_not_read_through_bunq(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    share(robin, accounts=[OURS[CAR]])
    with rows.behind(site.app):
        db.session.execute(db.update(AccountShare).values(first_day=clock.now().date() - timedelta(days=3)))
        db.session.commit()
    program = program_of(site, SAM, scopes=READ)
    of_account = program.call(f"{BUNQ}user/{JODI}/monetary-account/{CAR}/payment")

    assert of_account.status_code == 403
    assert "earlier payments" in of_account.json()["detail"]
    assert program.call(f"{BUNQ}user/{JODI}/monetary-account/{SECOND}/payment").status_code == 404
    assert program.call(f"{BUNQ}user/{JODI}/card").status_code == 403


def test_a_guest_asks_bunq_for_nothing(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    add_member(site.app, SAM, role=TeamRole.GUEST)
    share(robin, accounts=[OURS[CAR]])
    program = program_of(site, SAM, scopes=READ)
    bank.forget_calls()

    assert program.call(f"{BUNQ}user/{JODI}/monetary-account/{CAR}").status_code == 403
    assert bank.calls() == []


def test_two_consents_of_one_person_stay_apart(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    """Sam's consent covers two accounts: what is about the person as a whole needs an own consent, and all of it."""
    bank.switch(reconsent_invalidates=False)
    add_member(site.app, SAM)
    connect(sign_in(site, SAM), bank, accounts=[SECOND, CAR])
    rows.run_duties(site.app)
    program, narrowed = (program_of(site, SAM, scopes=READ, **more) for more in ({}, {"account_ids": (OURS[SECOND],)}))
    listed = program.get(f"{BUNQ}user/{JODI}/monetary-account")["Response"]

    assert [each["MonetaryAccountBank"]["id"] for each in listed] == [SECOND, CAR]
    assert program.get(f"{BUNQ}user/{JODI}/legal-name")["Response"]
    assert program.call(f"{BUNQ}user/{JODI}/monetary-account/{MAIN}").status_code == 404
    assert narrowed.call(f"{BUNQ}user/{JODI}/legal-name").status_code == 403
    assert program_of(site, ROBIN, scopes=READ).call(f"{BUNQ}user/{JODI}/legal-name").status_code == 200


SOMEWHERE = f"user/{JODI}/monetary-account/{SECOND}"
ATTEMPTS = [
    (f"user/{WALKER_STUDIO}/card", 404),
    (f"user/{WALKER_STUDIO}/monetary-account/2083801/payment", 404),
    (f"user/{JODI}/monetary-account/2083801/payment", 404),
    (f"{SOMEWHERE}/../{MAIN}/payment", 404),
    (f"{SOMEWHERE}/%2e%2e/{MAIN}/payment", 404),
    (f"{SOMEWHERE}/..%2f{MAIN}/payment", 404),
    (f"{SOMEWHERE}%2f..%2f{MAIN}/payment", 404),
    (f"user%2f{JODI}%2fmonetary-account%2f{MAIN}%2fpayment", 404),
    (f"{SOMEWHERE}%252f..%252f{MAIN}/payment", 404),
    (f"../../../../v1/user/{JODI}/monetary-account/{MAIN}", 404),
    (f"user/{JODI}//card", 404),
    (f"/user/{JODI}/card", 404),
    (f"user/{JODI}/card/", 404),
    (f"user/{JODI}/card;x=1", 404),
    (f"user/{JODI}/card%00", 404),
    (f"user/{JODI}/card%0d%0aX-Injected:%201", 404),
    (f"user/{JODI}/Card", 404),
    ("user/%EF%BC%91/card", 404),
    (f"user/-{JODI}/card", 404),
    (f"user/{'9' * 19}/card", 404),
    ("user/" * 100, 404),
    (f"user/{JODI}/card?user_id={WALKER_STUDIO}", 422),
    (f"user/{JODI}/card?count=0", 422),
    (f"user/{JODI}/card?count=201", 422),
    (f"user/{JODI}/card?count=%2B5", 422),
    (f"user/{JODI}/card?count=5&count=6", 422),
    (f"user/{JODI}/card?older_id=1&newer_id=2", 422),
    (f"user/{JODI}/card?older_id=1%26x=2", 422),
    (f"user/{JODI}/card?older_id=", 422),
    (f"user/{JODI}/event?monetary_account_id={MAIN}", 404),
    (f"user/{JODI}/event?monetary_account_id={SECOND},{MAIN}", 404),
    (f"user/{JODI}/event?monetary_account_id={SECOND}&monetary_account_id={MAIN}", 422),
    (f"user/{JODI}/event?monetary_account_id=,", 422),
    (f"{SOMEWHERE}/payment?monetary_account_id={MAIN}", 422),
    ("installation", 403),
    (f"user/{JODI}/oauth-client", 403),
    (f"user/{JODI}/oauth-client/1/callback-url", 403),
    (f"user/{JODI}/credential-password-ip/1/ip", 403),
    (f"user/{JODI}/card/1/generated-cvc2", 403),
    ("session-server", 404),
    ("sandbox-user-person", 404),
]  # fmt: skip


def test_no_address_leads_to_what_is_hidden(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    program = program_of(site, ROBIN, scopes=READ, account_ids=(OURS[SECOND],))
    program.get(f"{BUNQ}user")
    bank.forget_calls()
    for path, expected in ATTEMPTS:
        status, kind, body = send_as_it_stands(program, f"/api/v1{BUNQ}{path}")
        assert status == expected, (path, body)
        assert kind == "application/problem+json", path
        assert json.loads(body)["status"] == expected, path
        assert shows_nothing_of(body, (MAIN, CAR, MEDICAL)), path

    assert [call["path"] for call in bank.calls()] == []
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD"):
        answer = program.call(f"{BUNQ}{SOMEWHERE}/payment", method=method)
        assert answer.status_code == 405, method
        assert set(answer.headers["Allow"].split(", ")) <= {"GET", "HEAD", "OPTIONS"}
    assert bank.calls() == []


def send_as_it_stands(program: Program, path: str) -> tuple[int, str | None, str]:
    """Send a path that no well-behaved client would send."""
    connection = http.client.HTTPConnection(urlsplit(program.url).netloc, timeout=30)
    connection.putrequest("GET", path, skip_accept_encoding=True)
    connection.putheader("Authorization", str(program.session.headers["Authorization"]))
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.getheader("Content-Type"), answer.read().decode()
    connection.close()
    return found


@pytest.mark.sqlite_only
def test_the_connection_of_another_environment_is_not_there(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    program = program_of(site, ROBIN, scopes=READ)
    with rows.behind(site.app):
        db.session.execute(db.text("UPDATE connection SET environment = 'production'"))
        db.session.commit()
    bank.forget_calls()

    assert program.call(f"{BUNQ}user").status_code == 404
    assert bank.calls() == []
