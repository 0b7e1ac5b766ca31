"""bunq's own API, read for a program: what the table allows, with the session of a consent, and nothing of others.

A program sees what its member sees, so each answer is narrowed to the accounts that the member may see on the
connection: the account in the path, the accounts that each item names, and resources about the bunq user as a whole,
which are for the member whose consent it is. What is hidden and what is not there get the same answer.

A sync needs bunq's calls too: programs wait behind people, and leave calls free (see `RateLimiter`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import current_app
from sqlalchemy import bindparam, select

from bunqflask.bunq import errors, readable
from bunqflask.bunq.readable import Accounts, Call
from bunqflask.bunq.transport import Transport
from bunqflask.extensions import db, table_of
from bunqflask.i18n import gettext as _
from bunqflask.models import BunqSession, Connection, Consent
from bunqflask.services import policy
from bunqflask.services.connections import access, bunq_answers, consents
from bunqflask.services.connections.access import AccountOnConnection
from bunqflask.services.connections.bunq_answers import Seen
from bunqflask.services.connections.consents import Covering
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import SessionGone
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.principal import Principal, TokenBearer

# Of the calls that bunq allows in a period, those which a program of a holder, or of a reader, leaves to other work.
_HOLDER_LEAVES, _READER_LEAVES = 1, 2


_connection, _session, _consent = (table_of(each).c for each in (Connection, BunqSession, Consent))
# By which ids bunq's user of a connection is known: that of the person, and those of the sessions of all consents.
_USER_IDS = (
    select(_connection.granted_user_id, _session.path_user_id)
    .select_from(table_of(Connection))
    .outerjoin(table_of(Consent), _consent.connection_id == _connection.id)
    .outerjoin(table_of(BunqSession), _session.id == _consent.session_id)
    .where(_connection.id == bindparam("id"), _connection.environment == bindparam("environment"))
)
# Connections to bunq that stay open: a new one costs more than the rest of a call.
_transport = Transport()


class NotGranted(Exception):
    """A path of bunq's documentation that no grant permits; the text says why."""


class ParameterRefused(Exception):
    """A parameter of a query is unknown or cannot be sent to bunq; the text names it."""


@dataclass(frozen=True)
class Answer:
    """bunq's answer: JSON or a file, and our ids of the accounts that it shows and the principal does not hold."""

    body: bytes
    is_content: bool
    others: frozenset[int]


def read(
    principal: Principal,
    connection_id: int,
    path: str,
    query: Mapping[str, list[str]],
    *,
    address: str,
    own_callbacks: str,
    patience_s: float,
) -> Answer:
    """Read a path of bunq's API, as it stands after /v1/ there, for a principal.

    :param address: the path at which the program asked, to which the links to other pages lead.
    :param own_callbacks: the path of this server's own callbacks: their addresses hold a secret.
    :param patience_s: how long to wait for bunq's limit.
    :raises NotFoundHere: no such path, connection, account or object; or the principal may not see it.
    :raises NotPermitted: the principal's role or rights do not allow it.
    :raises NotGranted: no grant permits it.
    :raises ParameterRefused: a parameter cannot be used.
    :raises SessionGone: no working consent covers it: a holder has to approve again.
    :raises BunqError: bunq did not answer, or refused.
    """
    policy.check_can_refresh(principal)
    view = _view(principal, connection_id)
    call = readable.find(path)
    if call is None:
        why = readable.why_not_granted(path)
        if why is None:
            raise NotFoundHere
        raise NotGranted(why)
    view.check_path(call)
    parameters = _checked(call, query)
    choice = _Choice(view, call)
    limiter = RateLimiter(patience_s, is_background=True, leaves_free=view.leaves_free(call))
    try:
        with consents.session_by(choice.find, limiter, _transport) as bunq:
            body = bunq.read(
                lambda user_id: (call.path(view.user_id_for(call, user_id)), _narrowed(parameters, call, choice))
            )
    except errors.ObjectNotFound as error:
        raise NotFoundHere from error  # the same answer as for what is hidden
    others = frozenset(view.in_path(call) - view.held)
    if call.resource.is_content:
        return Answer(body, is_content=True, others=others)
    seen = choice.seen()
    shown = bunq_answers.narrow(body, call.resource, seen, address, parameters, hidden_text=own_callbacks)
    named = {view.accounts[each].id for each in shown.monetary_account_ids if each in view.accounts}
    return Answer(shown.body, is_content=False, others=others | (named - view.held))


@dataclass(frozen=True)
class _View:
    """What a principal may see of a connection: accounts by bunq's ids, and which of them, by ours, they hold.

    `from_a_day` are accounts of which only payments from some day on are shared: bunq's API cannot be narrowed so.
    """

    principal: Principal
    connection_id: int
    granted_user_id: int
    user_ids: frozenset[int]
    accounts: dict[int, AccountOnConnection]
    from_a_day: frozenset[int]

    @property
    def held(self) -> frozenset[int]:
        return frozenset(each.id for each in self.accounts.values() if each.right.is_held)

    def in_path(self, call: Call) -> set[int]:
        """Return our id of the account that the path names, if it names one."""
        number = call.monetary_account_id
        return set() if number is None else {self.accounts[number].id}

    def check_path(self, call: Call) -> None:
        """Make sure that the ids of user and account in a path are within the view."""
        if call.user_id is not None and call.user_id not in self.user_ids:
            raise NotFoundHere
        number = call.monetary_account_id
        if number is not None and number not in self.accounts and number not in self.from_a_day:
            raise NotFoundHere
        if number in self.from_a_day or not self.accounts:
            raise NotPermitted(_("The account is shared from a day on; bunq’s API would show earlier payments too."))

    def leaves_free(self, call: Call) -> int:
        """Return how many calls of each period stay free: more where the principal holds none of the accounts."""
        concerned = self.in_path(call) or {each.id for each in self.accounts.values()}
        return _HOLDER_LEAVES if concerned & self.held else _READER_LEAVES

    def user_id_for(self, call: Call, session_user_id: int) -> int:
        """Return the user id for bunq: that of the person, or that of the session that is used."""
        return call.user_id if call.user_id == self.granted_user_id else session_user_id


def _view(principal: Principal, connection_id: int) -> _View:
    visible = access.accounts_on(principal, connection_id)
    asked = {"id": connection_id, "environment": current_app.config["BUNQ_ENVIRONMENT"]}
    found = db.session.connection().execute(_USER_IDS, asked).all() if visible else []
    if not found:
        raise NotFoundHere
    granted = found[0].granted_user_id
    return _View(
        principal,
        connection_id,
        granted,
        frozenset([granted, *(row.path_user_id for row in found if row.path_user_id is not None)]),
        {each.monetary_account_id: each for each in visible if each.right.first_day is None},
        frozenset(each.monetary_account_id for each in visible if each.right.first_day is not None),
    )


@dataclass
class _Choice:
    """The consent with which a call is made: asked for anew when its session is gone."""

    view: _View
    call: Call
    chosen: Covering | None = field(default=None, init=False)

    def find(self) -> int | None:
        """Return the id of the consent; None when no working one is left.

        :raises NotPermitted: consents of others work, and the resource is about the bunq user as a whole.
        """
        view, number = self.view, self.call.monetary_account_id
        working = consents.covering(view.connection_id)
        if self.call.resource.accounts is Accounts.NONE:
            self.chosen = next((each for each in working if _is_whole(view, each)), None)
            if self.chosen is None and working:
                raise NotPermitted(
                    _(
                        "It is about the bunq user as a whole: for the member who gave the consent and holds all its "
                        "accounts, with a token for all accounts."
                    )
                )
        elif number is not None:
            account_id = view.accounts[number].id
            self.chosen = next((each for each in working if account_id in each.account_ids), None)
        else:
            ours = {each.id for each in view.accounts.values()}
            covering = [each for each in working if each.account_ids & ours]
            self.chosen = max(covering, key=lambda each: len(each.account_ids & ours), default=None)
        return self.chosen.consent_id if self.chosen else None

    def seen(self) -> Seen:
        """Return which accounts the answer may name."""
        if self.chosen is None:
            raise SessionGone
        accounts = self.view.accounts
        return Seen(
            is_whole=_is_whole(self.view, self.chosen),
            monetary_account_ids=frozenset(accounts),
            ibans=frozenset(iban for each in accounts.values() for iban in each.ibans),
        )

    @property
    def covered(self) -> list[int]:
        """bunq's ids of the accounts that the consent covers and the principal may see."""
        if self.chosen is None:
            raise SessionGone
        accounts = self.view.accounts
        return sorted(number for number, each in accounts.items() if each.id in self.chosen.account_ids)


def _is_whole(view: _View, consent: Covering) -> bool:
    """Tell whether a principal may see all that a consent shows: it is theirs, and they hold all its accounts."""
    narrowed = isinstance(view.principal, TokenBearer) and view.principal.account_ids is not None
    return not narrowed and consent.member_id == view.principal.id and consent.account_ids <= view.held


def _checked(call: Call, query: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the parameters of a query.

    :raises ParameterRefused: unknown, given twice, or not of its form.
    """
    known = {each.name: each for each in call.resource.parameters}
    found: dict[str, str] = {}
    for name, values in query.items():
        if name not in known:
            raise ParameterRefused(f"`{name[:40]}` is not a parameter of this resource.")
        if len(values) != 1 or not known[name].fits(values[0]):
            raise ParameterRefused(f"`{name}` is not of the form {known[name].pattern}.")
        found[name] = values[0]
    if readable.OLDER.name in found and readable.NEWER.name in found:
        raise ParameterRefused("`older_id` and `newer_id` cannot be used together.")
    return found


def _narrowed(parameters: Mapping[str, str], call: Call, choice: _Choice) -> dict[str, str]:
    """Return the parameters for bunq: it is asked for events of the visible accounts only, so that pages are full.

    :raises NotFoundHere: they name an account that the principal may not see.
    """
    name = readable.ACCOUNT_IDS.name
    if readable.ACCOUNT_IDS not in call.resource.parameters:
        return dict(parameters)
    wanted = {int(each) for each in parameters[name].split(",")} if name in parameters else set()
    if not wanted <= set(choice.view.accounts):
        raise NotFoundHere
    if choice.seen().is_whole:
        return dict(parameters)
    covered = [each for each in choice.covered if not wanted or each in wanted]
    if not covered:
        raise NotFoundHere
    return {**parameters, name: ",".join(map(str, covered))}
