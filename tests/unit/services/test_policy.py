"""Who may do what, from one table: each role and each action."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bunqflask.models import TeamRole
from bunqflask.services import policy
from bunqflask.services.policy import NotPermitted
from bunqflask.services.principal import OPERATOR, Principal

OWNER, ADMIN, MEMBER, GUEST = TeamRole.OWNER, TeamRole.ADMIN, TeamRole.MEMBER, TeamRole.GUEST


@dataclass(frozen=True)
class Somebody:
    """A team member, as far as the rules look at one."""

    role: TeamRole
    id: int = 1
    email: str = "somebody@example.org"
    name: str = "Somebody"
    may_export: bool = False


@dataclass(frozen=True)
class Action:
    """An action, asked as a question and as a check, and the roles that may take it."""

    rule: str
    permitted: str
    arguments: tuple[object, ...] = ()

    def can(self, principal: Principal) -> bool:
        answer: bool = getattr(policy, f"can_{self.rule}")(principal, *self.arguments)
        return answer

    def check(self, principal: Principal) -> None:
        getattr(policy, f"check_can_{self.rule}")(principal, *self.arguments)

    def __str__(self) -> str:
        shown = [each.role if isinstance(each, Somebody) else str(each) for each in self.arguments]
        return " ".join([self.rule, *shown])


def other(role: TeamRole) -> Somebody:
    return Somebody(role, id=2)


EVERYBODY_ELSE = [other(role) for role in TeamRole]
ACTIONS = [
    Action("connect", "owner admin member"),
    Action("share", "owner admin member"),
    Action("refresh", "owner admin member"),
    Action("export", "owner admin member"),
    Action("see_team", "owner admin member"),
    Action("manage_people", "owner admin"),
    Action("make_owner", "owner"),
    Action("end_logins", "owner"),
    Action("set_rules", "owner"),
    Action("see_whole_audit_trail", "owner"),
    Action("read_metrics", "owner admin"),
    Action("see_doctor", "owner admin"),
    Action("see_calls", "owner"),
    Action("invite", "owner", (OWNER,)),
    *(Action("invite", "owner admin", (role,)) for role in (ADMIN, MEMBER, GUEST)),
    *(Action("change_role", "owner", (person, OWNER)) for person in EVERYBODY_ELSE),
    *(Action("change_role", "owner", (other(OWNER), role)) for role in (ADMIN, MEMBER, GUEST)),
    *(
        Action("change_role", "owner admin", (other(role), new))
        for role in (ADMIN, MEMBER, GUEST)
        for new in (ADMIN, MEMBER, GUEST)
    ),
    Action("lock", "owner", (other(OWNER),)),
    Action("remove", "owner", (other(OWNER),)),
    *(Action("lock", "owner admin", (other(role),)) for role in (ADMIN, MEMBER, GUEST)),
    *(Action("remove", "owner admin", (other(role),)) for role in (ADMIN, MEMBER, GUEST)),
    # Oneself.
    *(Action(rule, "", (Somebody(role),)) for rule in ("lock", "remove") for role in TeamRole),
    Action("change_role", "owner", (Somebody(OWNER), MEMBER)),
    Action("change_role", "owner admin", (Somebody(ADMIN), MEMBER)),
]


@pytest.mark.parametrize("action", ACTIONS, ids=str)
@pytest.mark.parametrize("role", list(TeamRole))
def test_a_role_may_do_what_the_table_says(role: TeamRole, action: Action) -> None:
    principal = Somebody(role)
    assert action.can(principal) is (role in action.permitted.split())
    if role in action.permitted.split():
        action.check(principal)
    else:
        with pytest.raises(NotPermitted, match=r"\w+.*\."):
            action.check(principal)


def test_the_table_knows_every_rule_about_roles() -> None:
    about_accounts = {"manage"}
    about_others = {"hand_over_to"}
    rules = {name.removeprefix("can_") for name, each in inspect.getmembers(policy) if name.startswith("can_")}
    assert {action.rule for action in ACTIONS} == rules - about_accounts - about_others
    checks = {name.removeprefix("check_can_") for name, each in inspect.getmembers(policy, inspect.isfunction)}
    assert rules - about_others <= checks


@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_the_operator_may_do_what_an_owner_may_and_is_nobody_of_the_team(action: Action) -> None:
    oneself = any(isinstance(each, Somebody) and each.id == 1 for each in action.arguments)
    assert action.can(OPERATOR) is ("owner" in action.permitted or oneself)


def test_a_guest_exports_only_when_that_was_allowed_and_others_always() -> None:
    assert policy.can_export(Somebody(GUEST, may_export=True))
    policy.check_can_export(Somebody(GUEST, may_export=True))
    assert not policy.can_export(Somebody(GUEST, may_export=False))
    assert policy.can_export(Somebody(MEMBER, may_export=False))


@pytest.mark.parametrize("role", list(TeamRole))
def test_guests_are_handed_nothing_and_only_owners_hand_over_to_themselves(role: TeamRole) -> None:
    for principal in (OPERATOR, Somebody(OWNER), Somebody(ADMIN)):
        assert policy.can_hand_over_to(principal, Somebody(role, id=7)) is (role is not GUEST)
    oneself = Somebody(role, id=1)
    assert policy.can_hand_over_to(oneself, oneself) is (role is OWNER)


def test_no_rule_trusts_a_name_of_a_role_that_does_not_exist() -> None:
    for name in ("root", "Owner", ""):
        with pytest.raises(ValueError, match="is not a valid TeamRole"):
            TeamRole(name)
    rule: Callable[..., bool] = policy.can_invite
    assert not rule(Somebody(ADMIN), OWNER)
