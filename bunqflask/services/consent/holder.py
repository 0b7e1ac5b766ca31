"""What the holder of the accounts does by a link: sees who asks, and goes on to bunq, in one browser.

The OAuth state, which lives for ten minutes, is made when the holder goes on: a link that waits costs nothing, and the
same browser may go on again with it until bunq has sent an answer.
"""

from __future__ import annotations

from sqlalchemy import or_

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import AttemptStep, ConsentAttempt, EventKind
from bunqflask.services.consent import attempts, oauth, recording
from bunqflask.services.consent.attempts import LinkUsed
from bunqflask.services.gateway import installations
from bunqflask.services.gateway.installations import NotSetUp


class LinkOfAnotherBrowser(LinkUsed):
    """The one-time link waits still, and belongs to the browser that went on with it first."""


def by_link(token: str, browser: str | None) -> ConsentAttempt:
    """Return the attempt of a one-time link.

    :param browser: the random name that the asking browser's cookie carries, if it has one.
    :raises LinkOfAnotherBrowser: another browser has gone on with it.
    :raises LinkUsed: there is no such link, or its attempt is over.
    """
    query = attempts.query().where(ConsentAttempt.link_hash == digest(token))
    if (attempt := db.session.scalars(query).one_or_none()) is None:
        raise LinkUsed
    attempt = attempts.load_ended(attempt)
    if attempt.step != AttemptStep.WAITING:
        raise LinkUsed(attempt.id)
    if attempt.link_browser_hash not in (None, digest(browser) if browser else ""):
        raise LinkOfAnotherBrowser(attempt.id)
    return attempt


def record_seen(attempt: ConsentAttempt) -> None:
    """Note that a browser shows the page of an invitation to a person for the first time."""
    if attempt.is_invitation and attempt.seen_at is None:
        with transaction():
            _record_seen(attempt)


def authorization_url(attempt: ConsentAttempt, browser_session: oauth.BrowserSession, *, user_agent: str) -> str:
    """Return bunq's address for the attempt of a member who goes on in their own browser; its state is tied to it.

    :raises LinkUsed: the attempt is over.
    :raises NotSetUp: setup is not complete.
    """
    with transaction():
        return _authorization_url(attempt, browser_session, user_agent)


def authorization_url_by_link(
    attempt: ConsentAttempt, browser: str, browser_session: oauth.BrowserSession, *, user_agent: str
) -> str:
    """Bind a link to the browser in which it is pressed, and do the same; the same browser may press again.

    :param browser: the random name that this browser's cookie carries.
    :raises LinkOfAnotherBrowser: another browser was first.
    :raises LinkUsed: the attempt is over.
    :raises NotSetUp: setup is not complete.
    """
    taken_by = digest(browser)
    free_or_ours = or_(ConsentAttempt.link_browser_hash.is_(None), ConsentAttempt.link_browser_hash == taken_by)
    with transaction():
        attempts.reload(attempt)
        is_first = attempt.link_browser_hash is None
        values = {"link_browser_hash": taken_by}
        if not attempts.claim(attempt, AttemptStep.WAITING, AttemptStep.WAITING, free_or_ours, **values):
            raise (LinkOfAnotherBrowser if attempt.step == AttemptStep.WAITING else LinkUsed)(attempt.id)
        if is_first:
            recording.link_opened(attempt)
            _record_seen(attempt)
        return _authorization_url(attempt, browser_session, user_agent)


def _record_seen(attempt: ConsentAttempt) -> None:
    is_unseen = ConsentAttempt.is_invitation, ConsentAttempt.seen_at.is_(None)
    if attempts.claim(attempt, AttemptStep.WAITING, AttemptStep.WAITING, *is_unseen, seen_at=clock.now()):
        emit(EventKind.INVITATION_OPENED, attempt_id=attempt.id)


def _authorization_url(attempt: ConsentAttempt, browser_session: oauth.BrowserSession, user_agent: str) -> str:
    attempts.reload(attempt)
    if attempt.step != AttemptStep.WAITING:
        raise LinkUsed(attempt.id)
    installation = installations.current()
    if installation.client_id is None or installation.client_secret_sealed is None:
        raise NotSetUp
    attempt.opened_at, attempt.opened_user_agent = clock.now(), user_agent[:300]
    return oauth.authorization_url(installation, attempt.id, browser_session)
