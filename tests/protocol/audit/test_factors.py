"""Second factors in the trail: set up, missing, refused, used, reset; never a code or a secret."""

import json
from typing import Any

import pyotp
import pytest
from flask import Flask
from sqlalchemy import select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AuditEvent
from bunqflask.services.audit import verification
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import factors, login_steps, logins, members, rules
from bunqflask.services.team.factors import FactorRefused
from bunqflask.services.team.logins import CurrentLogin
from bunqflask.services.team.visitor import Visitor
from tests.support.apps import PASSWORD

VISITOR = Visitor(address="203.0.113.7", user_agent="Firefox")


def told(after: int = 0) -> list[tuple[str, str, dict[str, Any]]]:
    """Return kind, subject and facts of the events after one."""
    db.session.rollback()
    found = db.session.scalars(select(AuditEvent).where(AuditEvent.id > after).order_by(AuditEvent.id))
    return [(each.kind.value, each.subject, each.facts) for each in found]


def log_in() -> login_steps.NewLogin | login_steps.NewPendingLogin:
    return login_steps.log_in("robin@example.com", PASSWORD, VISITOR)


def test_each_step_with_a_second_factor_is_recorded(here: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    robin = members.add("robin@example.com", "Robin", PASSWORD)
    new = log_in()
    assert isinstance(new, login_steps.NewLogin)
    login = logins.find(new.token, for_page=True)
    assert isinstance(login, CurrentLogin)
    factors.begin_totp(robin)
    waiting = factors.pending_totp(robin)
    assert waiting is not None
    code = pyotp.TOTP(waiting.secret).at(clock.now())
    codes = factors.activate_totp(login, code, PASSWORD, "Phone", VISITOR)
    pending = log_in()
    assert isinstance(pending, login_steps.NewPendingLogin)
    with pytest.raises(FactorRefused):
        login_steps.give_code(pending.token, "000000", VISITOR, trust=False)
    login_steps.give_code(pending.token, codes[0], VISITOR, trust=False)
    rules.require_second_factor(OPERATOR, clock.now().date())
    rules.require_second_factor(OPERATOR, None)
    factors.take_away(robin.id)
    assert told(after=2) == [
        ("factor_changed", "Robin", {"change": "added", "factor": "Phone"}),
        ("login_half", "Robin", {}),
        ("login_refused", "Robin", {"how": "code", "account": ""}),
        ("recovery_code_used", "", {}),
        ("login", "", {}),
        ("rule_changed", "", {"second_factor_from": str(clock.now().date())}),
        ("rule_changed", "", {"second_factor_from": None}),
        ("factor_changed", "Robin", {"change": "reset", "factor": "Phone"}),
    ]
    written = json.dumps(told())
    for secret in (waiting.secret, code, codes[0], PASSWORD, pending.token):
        assert secret not in written
    assert verification.verify().events == 10
