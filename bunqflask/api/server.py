"""The beginning of the API, and who calls."""

from __future__ import annotations

from flask import current_app, g

from bunqflask.api.blueprint import PREFIX, VERSION, endpoint
from bunqflask.api.schemas import Me, Server, TokenInUse
from bunqflask.models import TokenScope
from bunqflask.services.payments import local_days

_TAG = "Server"


@endpoint("GET", "/", answer=Server, scope=None, tag=_TAG)
def server() -> Server:
    """The server: its version, bunq’s environment and the addresses of everything else."""
    names = [
        "me",
        "connections",
        "accounts",
        "payments",
        "changes",
        "totals",
        "months",
        "exports",
        "consents",
    ]
    if TokenScope.METRICS_READ in g.bearer.scopes:
        names.append("doctor")
    root = current_app.config["PUBLIC_URL"] + PREFIX
    return Server(
        version=VERSION,
        environment=current_app.config["BUNQ_ENVIRONMENT"],
        time_zone=local_days.zone().key,
        links={name: f"{root}/{name}" for name in names},
    )


@endpoint("GET", "/me", answer=Me, scope=None, tag=_TAG)
def me() -> Me:
    """The team member to whom the token belongs, and what it allows."""
    token = TokenInUse(scopes=sorted(g.bearer.scopes), narrowed_to_accounts=g.bearer.account_ids is not None)
    return Me(name=g.bearer.name, email=g.bearer.email, role=g.bearer.role.value, token=token)
