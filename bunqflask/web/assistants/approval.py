"""The page on which a member lets an assistant in: who asks, where the answer goes, what it may read, until when.

A browser goes on only after the member’s answer: anybody can register an address, and a link could lead there.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, g, make_response, render_template, request
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import TokenScope
from bunqflask.services.assistants import approvals, clients
from bunqflask.services.assistants.approvals import Request, RequestRefused
from bunqflask.services.connections import overview
from bunqflask.services.tokens.tokens import TokenRefused, TokenTerms
from bunqflask.web import guards
from bunqflask.web.errors.pages import back, page
from bunqflask.web.errors.problem import Problem

bp = Blueprint("assistants", __name__, url_prefix="/assistants")
DAYS, _USUAL_DAYS = (1, 7, 30, 90, 365), 30


@bp.errorhandler(RequestRefused)
def _refused(refused: RequestRefused) -> Response:
    problem = Problem(
        title=_("This program cannot be let in"),
        lead=_("Nothing was changed, and nothing was sent to it."),
        happened=str(refused),
        todo=[_("Start again in the program.")],
        who=_("The maker of the program"),
        status=400,
        ways=back(),
    )
    return page(problem)


@bp.get("/authorize")
def ask() -> ResponseReturnValue:
    """Show what a program asks for."""
    asked = approvals.read(request.args, _issuer())
    return _page(asked, scopes=[scope.value for scope in asked.scopes], accounts="all", ticked=(), days=_USUAL_DAYS)


@bp.post("/authorize")
def answer() -> ResponseReturnValue:
    """Let the program in, after a recent authentication, or refuse it."""
    asked = approvals.read(request.form, _issuer())
    if request.form.get("answer") != "yes":
        return _go_on(asked, asked.answer(_issuer(), error="access_denied"), is_let_in=False)
    to_confirm = guards.ask_to_confirm()
    if to_confirm is not None:
        return to_confirm
    scopes = request.form.getlist("scope_of")
    accounts = "some" if request.form.get("accounts") == "some" else "all"
    ticked = tuple(request.form.getlist("account", type=int))
    days = request.form.get("days", 0, type=int)
    try:
        terms = _terms(asked, scopes, accounts, ticked, days)
        code = approvals.approve(g.team_member, asked, terms)
    except TokenRefused as refused:
        shown = _page(asked, scopes=scopes, accounts=accounts, ticked=ticked, days=days, error=str(refused))
        return make_response(shown, 422)
    return _go_on(asked, asked.answer(_issuer(), code=code), is_let_in=True)


def _terms(asked: Request, scopes: list[str], accounts: str, ticked: tuple[int, ...], days: int) -> TokenTerms:
    """Return what the form grants.

    :raises TokenRefused: it names a scope that does not exist, or both all accounts and some of them.
    """
    if accounts == "all" and ticked:
        raise TokenRefused(_("You ticked accounts. Choose “Only these”, or take the ticks away."))
    known = {scope.value: scope for scope in TokenScope}
    if not set(scopes) <= known.keys():
        raise TokenRefused(_("The program did not ask for this."))
    return TokenTerms(
        name=asked.client.name,
        scopes=tuple(known[each] for each in dict.fromkeys(scopes)),
        days=days,
        account_ids=ticked if accounts == "some" else None,
    )


def _page(
    asked: Request, *, scopes: list[str], accounts: str, ticked: tuple[int, ...], days: int, error: str | None = None
) -> str:
    return render_template(
        "assistants/ask.html",
        fields=asked.fields,
        name=asked.client.name,
        host=clients.host_of(asked.redirect_uri),
        scopes=[(scope.value, _labels()[scope]) for scope in asked.scopes],
        connections=[each for each in overview.list_all(g.team_member, with_people=False) if each.accounts],
        chosen_scopes=scopes,
        accounts=accounts,
        ticked=ticked,
        chosen_days=days,
        days=DAYS,
        error=error,
    )


def _go_on(asked: Request, target: str, *, is_let_in: bool) -> str:
    # A page that leads on, and no redirect: browsers hold the redirects after a form to the policy of its page, and
    # where an assistant's site leads on to is not known here.
    return render_template(
        "assistants/go_on.html",
        name=asked.client.name,
        target=target,
        host=clients.host_of(asked.redirect_uri),
        is_let_in=is_let_in,
    )


def _labels() -> dict[TokenScope, str]:
    return {
        TokenScope.BALANCES_READ: _("Read accounts and balances"),
        TokenScope.PAYMENTS_READ: _("Read payments"),
        TokenScope.NOTES_READ: _("Read notes"),
    }


def _issuer() -> str:
    issuer: str = current_app.config["PUBLIC_URL"]
    return issuer
