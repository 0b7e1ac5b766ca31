"""Tokens by which programs of a team member use the API: made, listed, used and ended."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, insert, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db, table_of
from bunqflask.i18n import gettext as _
from bunqflask.models import LINK_SCOPES, ApiToken, ApiTokenAccount, AuditKind, MonetaryAccount, TeamMember, TokenScope
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal, TokenBearer
from bunqflask.services.tokens import text

LONGEST_DAYS, USUAL_DAYS = 365, 90
MOST_OF_MEMBER = 50
_LONGEST_NAME = 120


class TokenRefused(Exception):
    """A token cannot be made as asked; the text says why, for a person."""


class TokenUnknown(Exception):
    """A token is not valid: mistyped, expired, ended, of a member without access, or used from another network."""


@dataclass(frozen=True, kw_only=True)
class TokenTerms:
    """What a token is to be: `account_ids` are our ids of accounts, None for all that its member sees, also later.

    `days` is its lifetime in days of 24 hours; `networks` from where it may be used, empty for everywhere.
    """

    name: str
    scopes: tuple[TokenScope, ...]
    days: int = USUAL_DAYS
    account_ids: tuple[int, ...] | None = None
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """A token as its member sees it; times are aware UTC. `account_names` is None where it has all accounts.

    `is_assistant` tells that an assistant got it by a login of the member.
    """

    id: int
    name: str
    prefix: str
    scopes: tuple[TokenScope, ...]
    account_names: tuple[str, ...] | None
    networks: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_address: str
    use_count: int
    is_expired: bool
    is_assistant: bool


def add(principal: Principal, terms: TokenTerms) -> str:
    """Make a token of the principal; return its text, which is stored nowhere.

    :raises TokenRefused: the terms are not allowed; the text says which.
    :raises NotFoundHere: the principal does not see one of the accounts.
    :raises NotPermitted: the principal's role does not allow a scope.
    """
    token = text.new()
    with transaction():
        add_row(principal, terms, token)
    return token


def add_calendar(principal: Principal) -> str:
    """Make the token of an address to which a calendar program subscribes; return its text, which is stored nowhere.

    :raises TokenRefused: the principal has too many tokens.
    :raises NotPermitted: the principal is a guest, who has nothing to renew.
    """
    name, scopes = _("Calendar of reminders"), (TokenScope.CALENDAR_READ,)
    return add(principal, TokenTerms(name=name, scopes=scopes, days=LONGEST_DAYS))


def add_row(principal: Principal, terms: TokenTerms, token: str, *, assistant_id: int | None = None) -> ApiToken:
    """Add the row of a token, within the caller's unit of work; raises what `add` does.

    :param assistant_id: the assistant that gets it, if one does.
    """
    name, networks = _checked(principal, terms)
    now = clock.now()
    _check_sees(principal, terms.account_ids)
    held = db.session.scalars(select(ApiToken.id).where(ApiToken.member_id == principal.id)).all()
    if len(held) >= MOST_OF_MEMBER:
        raise TokenRefused(_("You have %(count)s tokens. End one first.") % {"count": len(held)})
    row = ApiToken(
        token_hash=digest(token),
        prefix=token[: text.SHOWN],
        member_id=principal.id,
        assistant_id=assistant_id,
        name=name,
        scopes=terms.scopes,
        all_accounts=terms.account_ids is None,
        networks=networks,
        created_at=now,
        expires_at=now + timedelta(days=terms.days),
    )
    db.session.add(row)
    db.session.flush()
    chosen = sorted(set(terms.account_ids or ()))
    if chosen:
        db.session.execute(insert(ApiTokenAccount), [{"token_id": row.id, "account_id": each} for each in chosen])
    trail.record(
        AuditKind.TOKEN_MADE,
        actor_id=principal.id,
        subject=name,
        account_ids=chosen,
        token=row.id,
        scopes=[scope.value for scope in terms.scopes],
        days=terms.days,
        **({"assistant": assistant_id} if assistant_id else {}),
    )
    return row


def list_for(principal: Principal) -> list[TokenRow]:
    """Return the principal's tokens, the newest first; also the expired ones, until they are deleted."""
    query = select(ApiToken).where(ApiToken.member_id == principal.id).order_by(ApiToken.id.desc())
    rows = list(db.session.scalars(query))
    names, now = _account_names(principal, [row.id for row in rows]), clock.now()
    return [
        TokenRow(
            id=row.id,
            name=row.name,
            prefix=row.prefix,
            scopes=row.scopes,
            account_names=None if row.all_accounts else tuple(names.get(row.id, ())),
            networks=row.networks,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            last_address=row.last_address,
            use_count=row.use_count,
            is_expired=row.expires_at <= now,
            is_assistant=row.assistant_id is not None,
        )
        for row in rows
    ]


def end(principal: Principal, token_id: int) -> None:
    """End one of the principal's tokens: from the next call on it is refused.

    :raises NotFoundHere: they have no such token.
    """
    with transaction():
        ended = delete(ApiToken).where(ApiToken.id == token_id, ApiToken.member_id == principal.id)
        row = db.session.execute(ended.returning(ApiToken.name, ApiToken.assistant_id)).one_or_none()
        if row is None:
            raise NotFoundHere
        facts = {"assistant": row.assistant_id} if row.assistant_id else {}
        trail.record(AuditKind.TOKEN_ENDED, actor_id=principal.id, subject=row.name, token=token_id, **facts)


def delete_expired() -> None:
    """Delete tokens that expired a month ago; until then their members see that they did."""
    with transaction():
        db.session.execute(delete(ApiToken).where(ApiToken.expires_at < clock.now() - timedelta(days=30)))


_token, _member = table_of(ApiToken).c, table_of(TeamMember).c
_FIND = (
    select(
        _token.id,
        _token.scopes,
        _token.all_accounts,
        _token.networks,
        _token.created_at,
        _token.expires_at,
        _token.access_until,
        _token.assistant_id,
        _member.id.label("member_id"),
        _member.email,
        _member.name,
        _member.role,
        _member.may_export,
    )
    .join(table_of(TeamMember), _member.id == _token.member_id)
    .where(_token.token_hash == bindparam("token_hash"), policy.has_access(bindparam("now")))
)


def bearer_of(token: str, address: str, *, in_address: bool = False) -> TokenBearer:
    """Return who calls with a token, from a network address.

    :param in_address: the token came in the address of a request. Addresses are shown and stored in many places, so
        tokens of links alone are valid there, and nowhere else.
    :raises TokenUnknown: it is not valid, or not from there.
    """
    now = clock.now()
    row = None
    if text.is_well_formed(token):
        row = db.session.execute(_FIND, {"token_hash": digest(token), "now": now}).one_or_none()
    if (
        row is None
        or min(row.expires_at, row.access_until or row.expires_at) <= now
        or clock.is_ahead(row.created_at)
        or not _is_from(row.networks, address)
    ):
        raise TokenUnknown
    if in_address is LINK_SCOPES.isdisjoint(row.scopes):
        raise TokenUnknown
    account_ids = None
    if not row.all_accounts:
        chosen = select(ApiTokenAccount.account_id).where(ApiTokenAccount.token_id == row.id)
        account_ids = frozenset(db.session.scalars(chosen))
    return TokenBearer(
        id=row.member_id,
        email=row.email,
        name=row.name,
        role=row.role,
        may_export=row.may_export,
        token_id=row.id,
        scopes=frozenset(scope.value for scope in row.scopes),
        account_ids=account_ids,
        is_assistant=row.assistant_id is not None,
    )


def _checked(principal: Principal, terms: TokenTerms) -> tuple[str, tuple[str, ...]]:
    """Return the name and the networks of a token as they are stored.

    :raises TokenRefused: the terms are not allowed.
    """
    name = " ".join(each for each in terms.name.split() if each.isprintable())
    if not name:
        raise TokenRefused(_("Say what the token is for."))
    if len(name) > _LONGEST_NAME:
        raise TokenRefused(_("The name can have %(count)s characters.") % {"count": _LONGEST_NAME})
    if not terms.scopes:
        raise TokenRefused(_("Choose what the token may do."))
    if TokenScope.METRICS_READ in terms.scopes:
        policy.check_can_read_metrics(principal)
    if not LINK_SCOPES.isdisjoint(terms.scopes):
        _check_link(principal, terms)
    if not 1 <= terms.days <= LONGEST_DAYS:
        raise TokenRefused(_("A token lasts from 1 to %(count)s days.") % {"count": LONGEST_DAYS})
    if terms.account_ids is not None and not terms.account_ids:
        raise TokenRefused(_("Choose at least one account."))
    return name, tuple(_network(each) for each in terms.networks)


def _check_link(principal: Principal, terms: TokenTerms) -> None:
    """Make sure that the token of a link can do nothing else.

    :raises TokenRefused: it could.
    :raises NotPermitted: the principal may not export, or has nothing to renew.
    """
    if len(terms.scopes) != 1:
        raise TokenRefused(_("A link can do nothing else. Make another token for the rest."))
    if TokenScope.CALENDAR_READ in terms.scopes:
        policy.check_can_connect(principal)
        return
    policy.check_can_export(principal)
    if terms.account_ids is None:
        raise TokenRefused(_("Choose the accounts that the spreadsheet may read."))


def _network(given: str) -> str:
    try:
        return str(ipaddress.ip_network(given.strip(), strict=False))
    except ValueError:
        example = "192.0.2.0/24"
        said = _("“%(given)s” is no network. An example is %(example)s.") % {"given": given[:80], "example": example}
        raise TokenRefused(said) from None


def _is_from(networks: Iterable[str], address: str) -> bool:
    allowed = [ipaddress.ip_network(each) for each in networks]
    if not allowed:
        return True
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(given, ipaddress.IPv6Address) and given.ipv4_mapped:
        given = given.ipv4_mapped
    return any(given in each for each in allowed)


def _check_sees(principal: Principal, account_ids: Collection[int] | None) -> None:
    if account_ids is not None and not set(account_ids) <= set(policy.accounts_seen_by(principal)):
        raise NotFoundHere


def _account_names(principal: Principal, token_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the names of the accounts that tokens have, less those that the principal does not see any more."""
    query = (
        select(ApiTokenAccount.token_id, MonetaryAccount.description)
        .join(MonetaryAccount, MonetaryAccount.id == ApiTokenAccount.account_id)
        .where(ApiTokenAccount.token_id.in_(token_ids), MonetaryAccount.id.in_(policy.visible_accounts(principal)))
        .order_by(MonetaryAccount.monetary_account_id)
    )
    found: dict[int, list[str]] = {}
    for token_id, name in db.session.execute(query):
        found.setdefault(token_id, []).append(name)
    return found
