"""The page of a member's tokens: made, shown once, listed and ended."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import LINK_SCOPES, TokenScope
from bunqflask.services import policy
from bunqflask.services.connections import overview
from bunqflask.services.tokens import tokens
from bunqflask.services.tokens.tokens import TokenRefused, TokenTerms
from bunqflask.web.guards import recently_authenticated

bp = Blueprint("tokens", __name__, url_prefix="/developers")
DAYS = (7, 30, 90, 365)


@dataclass(frozen=True, kw_only=True)
class TokenForm:
    """What the form says, as it was written."""

    name: str = ""
    scopes: tuple[str, ...] = (TokenScope.BALANCES_READ.value, TokenScope.PAYMENTS_READ.value)
    accounts: str = "all"
    account_ids: tuple[int, ...] = ()
    days: int = tokens.USUAL_DAYS
    networks: str = ""

    @property
    def is_link(self) -> bool:
        """Whether it is the form for a spreadsheet, which is a form of its own."""
        return self.scopes == (TokenScope.SPREADSHEET_READ.value,)


@dataclass(frozen=True)
class ScopeChoice:
    """A scope as the form offers it."""

    value: str
    label: str


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the member's tokens, and the form for a new one."""
    return _page(TokenForm())


@bp.post("/tokens")
@recently_authenticated
def add() -> ResponseReturnValue:
    """Make a token, and show it this once."""
    form = _read()
    try:
        token = tokens.add(g.team_member, _terms(form))
    except TokenRefused as refused:
        return _page(form, error=str(refused)), 422
    template = "developers/link_made.html" if form.is_link else "developers/made.html"
    return render_template(template, token=token, name=form.name, root=_root())


@bp.post("/tokens/<int:token_id>/end")
def end(token_id: int) -> ResponseReturnValue:
    """End a token at once."""
    tokens.end(g.team_member, token_id)
    flash(_("The token is ended. Programs that use it are refused from now on."))
    return redirect(url_for("tokens.index"))


def _page(form: TokenForm, *, error: str | None = None) -> str:
    return render_template(
        "developers/index.html",
        tokens=tokens.list_for(g.team_member),
        form=TokenForm() if form.is_link else form,
        link=form if form.is_link else TokenForm(),
        error=error,
        scopes=_choices(),
        connections=[each for each in overview.list_all(g.team_member, with_people=False) if each.accounts],
        days=DAYS,
        root=_root(),
        limit=current_app.config["API_CALLS_PER_MINUTE"],
        labels=_labels(),
    )


def _choices() -> list[ScopeChoice]:
    left_out = {each.value for each in LINK_SCOPES}
    if not policy.can_read_metrics(g.team_member):
        left_out.add(TokenScope.METRICS_READ.value)
    return [ScopeChoice(value, label) for value, label in _labels().items() if value not in left_out]


def _labels() -> dict[str, str]:
    return {
        TokenScope.BALANCES_READ.value: _("Read accounts and balances"),
        TokenScope.PAYMENTS_READ.value: _("Read payments"),
        TokenScope.NOTES_READ.value: _("Read notes"),
        TokenScope.EXPORTS_READ.value: _("Export files for bookkeepers"),
        TokenScope.CONNECTIONS_WRITE.value: _("Make links to connect bunq, and to renew"),
        TokenScope.DRAFTS_WRITE.value: _("Prepare draft payments"),
        TokenScope.REQUESTS_WRITE.value: _("Ask others for money"),
        TokenScope.LINKS_WRITE.value: _("Make bunq.me links"),
        TokenScope.TRANSFERS_WRITE.value: _("Move money between own accounts"),
        TokenScope.NOTES_WRITE.value: _("Write notes and attach files"),
        TokenScope.CARDS_WRITE.value: _("Freeze cards and change their limits"),
        TokenScope.SPREADSHEET_READ.value: _("Spreadsheet link"),
        TokenScope.CALENDAR_READ.value: _("Calendar link"),
        TokenScope.BUNQ_READ.value: _("Read bunq’s own API"),
        TokenScope.METRICS_READ.value: _("Read numbers about this server"),
    }


def _root() -> str:
    root: str = current_app.config["PUBLIC_URL"]
    return root


def _read() -> TokenForm:
    given = request.form
    return TokenForm(
        name=given.get("name", "")[:1000],
        scopes=tuple(given.getlist("scope")),
        accounts="some" if given.get("accounts") == "some" else "all",
        account_ids=tuple(given.getlist("account", type=int)),
        days=given.get("days", 0, type=int),
        networks=given.get("networks", "")[:1000],
    )


def _terms(form: TokenForm) -> TokenTerms:
    """Return what the form asks for.

    :raises TokenRefused: it names a scope that does not exist, or both all accounts and some of them.
    """
    if form.accounts == "all" and form.account_ids:
        raise TokenRefused(_("You ticked accounts. Choose “Only these”, or take the ticks away."))
    known = {scope.value: scope for scope in TokenScope}
    if not set(form.scopes) <= known.keys():
        raise TokenRefused(_("Choose what the token may do."))
    return TokenTerms(
        name=form.name,
        scopes=tuple(known[each] for each in dict.fromkeys(form.scopes)),
        days=form.days,
        account_ids=form.account_ids if form.accounts == "some" else None,
        networks=tuple(form.networks.replace(",", " ").split()),
    )
