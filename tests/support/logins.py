"""Logging in behind the pages."""

from bunqflask.services.team import login_steps, logins
from bunqflask.services.team.login_steps import NewLogin
from bunqflask.services.team.logins import CurrentLogin
from bunqflask.services.team.visitor import Visitor
from tests.support.apps import PASSWORD

VISITOR = Visitor(address="192.0.2.1", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0")


def log_in(email: str, password: str = PASSWORD, visitor: Visitor = VISITOR) -> NewLogin:
    """Log a member in who has no second factor."""
    new = login_steps.log_in(email, password, visitor)
    assert isinstance(new, NewLogin)
    return new


def current(new: NewLogin) -> CurrentLogin:
    """Return the login as a request finds it."""
    found = logins.find(new.token, for_page=True)
    assert found is not None
    return found
