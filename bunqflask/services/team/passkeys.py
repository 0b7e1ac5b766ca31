"""Passkeys (https://www.w3.org/TR/webauthn-2/): a key in a device, unlocked there by a finger, a face or a PIN.

A passkey alone is a full login: it is something that a member has, and the device has checked who they are. Every
answer has to sign a challenge that was made for this purpose less than two minutes ago, and each challenge counts once.
The library is imported when it is used: it takes longer than all the rest of the app.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import ColumnElement, CursorResult, delete, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import Factor, FactorKind, PasskeyChallenge
from bunqflask.services.principal import Principal
from bunqflask.services.team import factors, login_steps, recent, refusals, throttle
from bunqflask.services.team.login_steps import NewLogin
from bunqflask.services.team.logins import CurrentLogin
from bunqflask.services.team.throttle import LoginRefused
from bunqflask.services.team.visitor import Visitor

Purpose = Literal["register", "login", "confirm"]
_CHALLENGE_LIFETIME = timedelta(minutes=2)
_CHALLENGE_BYTES = 32
_HANDLE_BYTES = 16
_LONGEST_ANSWER = 20_000


class PasskeyRefused(LoginRefused):
    """An answer of a passkey is not valid, or came too late."""


@dataclass(frozen=True)
class _Use:
    """A valid answer of a passkey, and how often its device says that the passkey was used, before and now."""

    factor_id: int
    member_id: int
    count_before: int
    count_now: int


def are_possible() -> bool:
    """Tell whether browsers make passkeys for this site: its address needs https and a name, or is `localhost`."""
    parts = urlsplit(current_app.config["PUBLIC_URL"])
    host: str = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return str(parts.scheme) == "https"
    return False


def have(principal: Principal) -> bool:
    """Tell whether a member has a passkey."""
    return bool(db.session.scalar(select(select(Factor.id).where(*_passkeys_of(principal.id)).exists())))


def registration_options(principal: Principal) -> str:
    """Return what a browser needs for a new passkey, as JSON."""
    import webauthn
    from webauthn.helpers import structs

    known = db.session.scalars(select(Factor.credential_id).where(*_passkeys_of(principal.id))).all()
    options = webauthn.generate_registration_options(
        rp_id=_host(),
        rp_name="bunqflask",
        user_id=_handle(principal.id),
        user_name=principal.email,
        user_display_name=principal.name,
        challenge=_new_challenge("register", principal.id),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in known if each is not None],
    )
    return webauthn.options_to_json(options)


def register(login: CurrentLogin, answer: str, name: str, visitor: Visitor) -> list[str]:
    """Store a new passkey; return recovery codes if the member had none.

    :raises PasskeyRefused: the answer is not valid.
    """
    import webauthn
    from webauthn.helpers import parse_registration_credential_json

    with _refusing():
        credential = parse_registration_credential_json(answer[:_LONGEST_ANSWER])
        challenge = _challenge_in(credential)
        _use_challenge(challenge, "register", login.member.id)
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_host(),
            expected_origin=_origin(),
            require_user_verification=True,
        )
    with transaction():
        known = select(Factor.id).where(Factor.credential_id == verified.credential_id)
        if db.session.scalar(known) is not None:
            raise PasskeyRefused
        now = clock.now()
        factor = Factor(
            member_id=login.member.id,
            kind=FactorKind.PASSKEY,
            name=" ".join(name.split())[:60] or "Passkey",
            created_at=now,
            activated_at=now,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
        )
        db.session.add(factor)
        db.session.flush()
        return factors.changed_within(login.member.id, "added", factor.name, login.browser_id, visitor)


def login_options(visitor: Visitor) -> str:
    """Return what a browser needs to ask a passkey for a login, as JSON; each is counted as a try of the address.

    :raises LoginThrottled: too many tries from this address.
    """
    throttle.count_try(login_steps.address_key(visitor), throttle.TRIES_PER_ADDRESS)
    return _request_options("login", None)


def confirm_options(principal: Principal) -> str:
    """Return what a browser needs to ask one of the member's passkeys who is there, as JSON."""
    return _request_options("confirm", principal.id)


def log_in(answer: str, visitor: Visitor, *, pending_token: str = "") -> NewLogin:
    """Log the member in whose passkey has answered; completes a pending login of theirs in this browser.

    :raises PasskeyRefused: the answer is not valid.
    :raises LoginRefused: the member is locked, or a guest whose access has ended.
    """
    with refusals.of_factor(None, "passkey"):
        use = _verified(answer, "login", None)
    with transaction():
        _record_within(use)
        throttle.take_back(login_steps.address_key(visitor))
        if login_steps.find_pending(pending_token) == use.member_id:
            login_steps.complete_within(pending_token, use.member_id, visitor)
        return login_steps.make_login_within(use.member_id, visitor)


def confirm(login: CurrentLogin, answer: str) -> None:
    """Record that the member has just proved with a passkey who they are.

    :raises PasskeyRefused: the answer is not valid.
    """
    with refusals.of_factor(login.member.id, "passkey"):
        use = _verified(answer, "confirm", login.member.id)
    with transaction():
        _record_within(use)
        recent.confirm_within(login)


def _verified(answer: str, purpose: Purpose, member_id: int | None) -> _Use:
    """Check an answer to a challenge for this purpose, of this member's passkeys or of anybody's."""
    import webauthn
    from webauthn.helpers import parse_authentication_credential_json

    with _refusing():
        credential = parse_authentication_credential_json(answer[:_LONGEST_ANSWER])
        challenge = _challenge_in(credential)
        _use_challenge(challenge, purpose, member_id)
        query = select(Factor).where(Factor.credential_id == credential.raw_id, Factor.kind == FactorKind.PASSKEY)
        factor = db.session.scalars(query).one_or_none()
        if factor is None or factor.public_key is None or member_id not in (None, factor.member_id):
            raise PasskeyRefused
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_host(),
            expected_origin=_origin(),
            credential_public_key=factor.public_key,
            # A counter that went back is refused: somebody has copied the key.
            credential_current_sign_count=factor.sign_count,
            require_user_verification=True,
        )
        return _Use(factor.id, factor.member_id, factor.sign_count, verified.new_sign_count)


def _record_within(use: _Use) -> None:
    """Record the use of a passkey within the caller's transaction.

    :raises PasskeyRefused: it was removed, or used by somebody else, since its answer was checked.
    """
    unchanged = Factor.id == use.factor_id, Factor.sign_count == use.count_before
    recorded = update(Factor).where(*unchanged).values(sign_count=use.count_now, last_used_at=clock.now())
    result = db.session.execute(recorded)
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        raise PasskeyRefused


def _request_options(purpose: Purpose, member_id: int | None) -> str:
    import webauthn
    from webauthn.helpers import structs

    options = webauthn.generate_authentication_options(
        rp_id=_host(),
        challenge=_new_challenge(purpose, member_id),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def _new_challenge(purpose: Purpose, member_id: int | None) -> bytes:
    challenge, now = secrets.token_bytes(_CHALLENGE_BYTES), clock.now()
    with transaction():
        over = PasskeyChallenge.created_at < now - _CHALLENGE_LIFETIME
        db.session.execute(delete(PasskeyChallenge).where(over))
        row = PasskeyChallenge(
            challenge_hash=digest(challenge.hex()), member_id=member_id, purpose=purpose, created_at=now
        )
        db.session.add(row)
    return challenge


def _use_challenge(challenge: bytes, purpose: Purpose, member_id: int | None) -> None:
    """Use a challenge up, whatever comes of its answer.

    :raises PasskeyRefused: it was not made for this, is too old or was used before.
    """
    now = clock.now()
    used = delete(PasskeyChallenge).where(
        PasskeyChallenge.challenge_hash == digest(challenge.hex()),
        PasskeyChallenge.purpose == purpose,
        PasskeyChallenge.member_id.is_not_distinct_from(member_id),
        PasskeyChallenge.created_at.between(now - _CHALLENGE_LIFETIME, now + clock.SKEW),
    )
    with transaction():
        result = db.session.execute(used)
        assert isinstance(result, CursorResult)
        is_ours = result.rowcount == 1
    if not is_ours:
        raise PasskeyRefused


def _challenge_in(credential: Any) -> bytes:
    from webauthn.helpers import parse_client_data_json

    challenge: bytes = parse_client_data_json(credential.response.client_data_json).challenge
    return challenge


@contextmanager
def _refusing() -> Iterator[None]:
    """Take every way in which the library refuses an answer as one."""
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        yield
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PasskeyRefused from error


def _passkeys_of(member_id: int) -> tuple[ColumnElement[bool], ...]:
    return Factor.member_id == member_id, Factor.kind == FactorKind.PASSKEY


def _handle(member_id: int) -> bytes:
    """Return what names a member to their devices: random to everybody else, always the same, never the email."""
    key: str = current_app.config["SECRET_KEY"]
    return hmac.digest(key.encode(), f"passkeys of {member_id}".encode(), "sha256")[:_HANDLE_BYTES]


def _host() -> str:
    return urlsplit(current_app.config["PUBLIC_URL"]).hostname or ""


def _origin() -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(current_app.config["PUBLIC_URL"]))
