"""A connection's session at hand for many calls: what they need is read again only once it has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from sqlalchemy import bindparam, select

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.transport import Transport
from bunqflask.extensions import db, table_of
from bunqflask.models import BunqSession, Connection
from bunqflask.services.gateway import sessions
from bunqflask.services.gateway.rate_limiter import CallGate

Result = TypeVar("Result")

_connection, _session = table_of(Connection).c, table_of(BunqSession).c
# A session's generation changes whenever it is opened or closed.
_IN_USE = (
    select(_session.id, _session.generation)
    .join_from(table_of(Connection), table_of(BunqSession))
    .where(_connection.id == bindparam("connection_id"), _connection.access_token_sealed.is_not(None))
    .where(_session.expires_at > bindparam("now"))
)


@dataclass(frozen=True)
class _Opened:
    """An open session: which it is, and what calls in it take."""

    session_id: int
    generation: int
    client: BunqClient
    token: str
    path_user_id: int


class KeptSession:
    """The session of one connection, for one piece of work that calls bunq many times, over kept connections.

    To load the rows, unseal what is secret in them and read the keys takes longer than most calls. For one thread at a
    time; `sessions.run` is for single calls.
    """

    def __init__(self, connection_id: int, gate: CallGate) -> None:
        self._connection_id = connection_id
        self._gate = gate
        self._transport = Transport()
        self._opened: _Opened | None = None

    def run(self, work: Callable[[BunqClient, str, int], Result]) -> Result:
        """Do what `sessions.run` does.

        :raises SessionGone: the connection was ended.
        :raises BunqError: as the calls raise it; a session refused twice in a row is `CredentialsRejected`.
        """
        opened = self._opened
        if opened is None or not self._is_in_use(opened):
            opened = self._open()
        try:
            return work(opened.client, opened.token, opened.path_user_id)
        except errors.CredentialsRejected:
            opened = self._open(dead=opened)
            return work(opened.client, opened.token, opened.path_user_id)

    def _is_in_use(self, opened: _Opened) -> bool:
        asked = {"connection_id": self._connection_id, "now": clock.now()}
        return db.session.connection().execute(_IN_USE, asked).one_or_none() == (opened.session_id, opened.generation)

    def _open(self, *, dead: _Opened | None = None) -> _Opened:
        self._opened = None
        connection = db.session.get(Connection, self._connection_id, populate_existing=True)
        if connection is None:
            raise sessions.SessionGone
        session, secret, installation = sessions.means_of(connection)
        # A renewed connection has another session, whose generations say nothing of the one before.
        refused = dead.generation if dead is not None and dead.session_id == session.id else None
        sessions.ensure_open(session, secret=secret, installation=installation, gate=self._gate, dead=refused)
        token, path_user_id = sessions.credentials_of(session)
        client = sessions.client_of(installation, self._gate, self._transport)
        self._opened = _Opened(session.id, session.generation, client, token, path_user_id)
        return self._opened

    def close(self) -> None:
        """Close the kept connections; bunq's session goes on."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
