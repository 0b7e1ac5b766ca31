"""What a call of the API costs with twenty connections of four accounts: at most twelve statements, as a page."""

from flask import Flask

from bunqflask.services.team import members
from bunqflask.services.tokens import tokens
from bunqflask.services.tokens.tokens import TokenTerms
from tests.protocol.api.program import EVERY_SCOPE
from tests.protocol.web.test_statement_counts import MOST, counted, wide_app
from tests.support import consents

__all__ = ["wide_app"]
OF_ACCOUNTS = ("", "me", "connections", "connections/1", "accounts", "accounts/1", "accounts/1/balances")
OF_PAYMENTS = ("payments", "payments?q=koffie", "totals", "months", "changes")


def test_every_call_costs_few_statements(wide_app: Flask) -> None:
    token = tokens.add(members.require(consents.ROBIN), TokenTerms(name="counted", scopes=EVERY_SCOPE))
    costs: dict[str, int] = {}
    for path in OF_ACCOUNTS + OF_PAYMENTS:
        client = wide_app.test_client()
        with counted() as statements:
            answer = client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, path
        costs[path] = len(statements)
    assert {path: cost for path, cost in costs.items() if cost > MOST} == {}
