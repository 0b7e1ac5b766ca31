"""Prometheus reads numbers about the server with a token of an owner; names and amounts are not among them."""

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import MonetaryAccount, TeamRole, TokenScope
from bunqflask.services.policy import NotPermitted
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import members, roles
from bunqflask.services.team.members import Terms
from tests.protocol.api.program import make_token
from tests.support import rows
from tests.support.apps import ThreadSite, add_member
from tests.support.browser import Browser
from tests.support.consents import ROBIN

SAM = "sam@example.org"


def scrape(site: ThreadSite, token: str | None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{site.url}/metrics", headers=headers, timeout=30)


def numbers(site: ThreadSite, token: str) -> dict[tuple[str, ...], float]:
    answer = scrape(site, token)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_numbers_are_those_of_the_database(site: ThreadSite, robin: Browser) -> None:
    token = make_token(site, ROBIN, scopes=(TokenScope.METRICS_READ,))
    before = numbers(site, token)
    now = clock.now().timestamp()

    assert before["bunqflask_connections", "active"] == 1
    assert before["bunqflask_connections", "lost"] == 0
    assert before["bunqflask_accounts_failing",] == 0
    assert now - 60 < before["bunqflask_connection_last_sync_timestamp_seconds", "1"] <= now
    assert now - 60 < before["bunqflask_connection_consent_timestamp_seconds", "1"] <= now
    assert now - 60 < before["bunqflask_payments_last_sync_timestamp_seconds", "1"] <= now
    assert before["bunqflask_events_waiting",] >= 0


def test_nothing_in_them_names_anybody_or_an_amount(site: ThreadSite, robin: Browser) -> None:
    token = make_token(site, ROBIN, scopes=(TokenScope.METRICS_READ,))
    answer = scrape(site, token).text
    with rows.behind(site.app):
        balances = {float(each) for each in db.session.scalars(db.select(MonetaryAccount.balance)) if each}

    for secret in ("Jodi", "Walker", "Robin", "robin", "NL65"):
        assert secret not in answer
    # As numbers, because a time may have any digits in it.
    assert 954.0 in balances
    assert not balances & set(numbers(site, token).values())


def test_only_a_token_with_the_scope_of_an_owner_or_admin_reads_them(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    with rows.behind(site.app):
        sam = members.require(SAM)
        roles.change(OPERATOR, sam.id, Terms(role=TeamRole.ADMIN))
    of_sam = make_token(site, SAM, scopes=(TokenScope.METRICS_READ,))
    as_admin = scrape(site, of_sam).status_code
    with rows.behind(site.app):
        roles.change(OPERATOR, sam.id, Terms(role=TeamRole.MEMBER))

    assert as_admin == 200
    assert scrape(site, of_sam).status_code == 403
    assert scrape(site, make_token(site, ROBIN, scopes=(TokenScope.BALANCES_READ,))).status_code == 403
    assert scrape(site, None).status_code == 401
    with pytest.raises(NotPermitted):
        make_token(site, SAM, scopes=(TokenScope.METRICS_READ,))
