"""Consents of account holders: links for them, and how far each is."""

from __future__ import annotations

from flask import g, url_for

from bunqflask.api import problems
from bunqflask.api.blueprint import endpoint
from bunqflask.api.schemas import ConsentItem, Consents, ConsentWish
from bunqflask.models import Language, TokenScope
from bunqflask.services.consent import links
from bunqflask.services.consent.attempts import Invitation, TooManyInvitations
from bunqflask.services.consent.links import ConsentLink

_TAG = "Consents"
_WRITE = TokenScope.CONNECTIONS_WRITE
_Begun = tuple[ConsentItem, int, dict[str, str]]


@endpoint("POST", "/consents", body=ConsentWish, answer=ConsentItem, scope=_WRITE, tag=_TAG, status=202)
def begin_consent(json: ConsentWish) -> _Begun:
    """Make a link by which an account holder connects accounts to the member who owns the token.

    The holder opens the link within 7 days, and approves in the bunq app. Nothing is changed at bunq before that.
    """
    language = Language(json.language) if json.language else None
    return _begun(_make(Invitation(label=json.label, language=language)))


@endpoint("POST", "/connections/<int:connection_id>/renewal", answer=ConsentItem, scope=_WRITE, tag=_TAG, status=202)
def renew_connection(connection_id: int) -> _Begun:
    """Make a link by which the holder of a connection approves again, within 7 days."""
    return _begun(_make(renews_connection_id=connection_id))


@endpoint("GET", "/consents", answer=Consents, scope=_WRITE, tag=_TAG)
def consents() -> Consents:
    """The consents under way that the member who owns the token has asked for."""
    return Consents([_item(each) for each in links.list_open(g.bearer)])


@endpoint("GET", "/consents/<consent_id>", answer=ConsentItem, scope=_WRITE, tag=_TAG)
def consent(consent_id: str) -> ConsentItem:
    """One of them, also after its end. A worker fetches the accounts after an approval; ask every few seconds."""
    return _item(links.get(g.bearer, consent_id))


@endpoint("POST", "/consents/<consent_id>/cancel", answer=ConsentItem, scope=_WRITE, tag=_TAG)
def cancel_consent(consent_id: str) -> ConsentItem:
    """Give one up: its link ends, and what was obtained with it is erased."""
    return _item(links.cancel(g.bearer, consent_id))


def _make(invitation: Invitation | None = None, *, renews_connection_id: int | None = None) -> ConsentLink:
    try:
        return links.make(g.bearer, invitation or Invitation(), renews_connection_id=renews_connection_id)
    except TooManyInvitations:
        problems.refuse("There are too many open links. Cancel some first.")


def _begun(found: ConsentLink) -> _Begun:
    address = url_for("api.consent", consent_id=found.id, _external=True)
    return _item(found), 202, {"Location": address, "Retry-After": "5"}


def _item(found: ConsentLink) -> ConsentItem:
    return ConsentItem(
        id=found.id,
        label=found.label,
        language=found.language.value if found.language else None,
        state=found.step.value,
        link=None if found.token is None else url_for("consent.link", token=found.token, _external=True),
        created_at=found.created_at,
        state_since=found.step_since,
        ends_at=found.ends_at,
        valid_until=found.valid_until,
        seen_at=found.seen_at,
        opened_at=found.opened_at,
        approved_at=found.approved_at,
        holder_name=found.holder_name,
        renews_connection_id=None if found.renews_connection_id is None else str(found.renews_connection_id),
        connection_id=None if found.connection_id is None else str(found.connection_id),
        answer_at=url_for("consent.show", attempt_id=found.id, _external=True),
        failure=found.failure.value if found.failure else None,
        error=found.error_kind.value if found.error_kind else None,
        next_try_at=found.next_try_at,
    )
