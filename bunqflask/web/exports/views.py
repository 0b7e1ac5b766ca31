"""The page from which a bookkeeper's files are downloaded."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, g, make_response, render_template, request, send_file
from flask.typing import ResponseReturnValue

from bunqflask.exports.statement import ExportError
from bunqflask.i18n import gettext as _
from bunqflask.services import policy
from bunqflask.services.exports import choices, downloads, statements
from bunqflask.services.exports.choices import Choice
from bunqflask.services.exports.downloads import Download, PeriodRefused
from bunqflask.services.exports.receipts import TooManyReceipts
from bunqflask.services.payments import repository
from bunqflask.services.payments.repository import Scope
from bunqflask.web.exports import view_models
from bunqflask.web.exports.view_models import Form
from bunqflask.web.guards import ask_to_confirm

_A_YEAR = timedelta(days=366)
bp = Blueprint("exports", __name__, url_prefix="/payments/export")


@bp.get("")
def index() -> ResponseReturnValue:
    """Offer last month, and the accounts and formats of the last export; or a period and accounts in the address."""
    policy.check_can_export(g.team_member)
    scope, last = repository.scope_of(g.team_member), choices.last_of(g.team_member)
    return _page(scope, last, view_models.begun(request.args, scope, last))


@bp.post("")
def make() -> ResponseReturnValue:
    """Send the file, or say at the form why there is none; a small button of the form only changes the form."""
    scope, last = repository.scope_of(g.team_member), choices.last_of(g.team_member)
    form = view_models.posted(request.form)
    changed = view_models.changed(form, request.form, scope, last)
    if changed is not None:
        return _page(scope, last, changed)
    if _is_large(form) and (asked := ask_to_confirm()) is not None:
        return asked
    try:
        download = _make(scope, form)
    except (PeriodRefused, TooManyReceipts) as refused:
        return make_response(_page(scope, last, form, str(refused)), 422)
    except ExportError as refused:
        text = _("This cannot be written in the chosen format: %(why)s.") % {"why": str(refused)}
        return make_response(_page(scope, last, form, text), 422)
    choices.remember(g.team_member, form.choice)
    response = send_file(download.file, as_attachment=True, download_name=download.name, max_age=0)
    response.content_type = download.media_type  # as a mimetype, a text would be said to be UTF-8 once more
    return response


def _is_large(form: Form) -> bool:
    """Tell whether somebody at another's screen would leave with more than one account or one year."""
    if form.period is None:
        return False
    return len(set(form.account_ids)) > 1 or form.period.last_day - form.period.first_day >= _A_YEAR


def _make(scope: Scope, form: Form) -> Download:
    if form.period is None:
        raise PeriodRefused(_("Enter both dates, for example 2026-01-31."))
    if not form.account_ids:
        raise PeriodRefused(_("Choose at least one account."))
    return downloads.make(
        g.team_member,
        scope,
        account_ids=sorted(form.account_ids),
        formats=form.formats,
        period=form.period,
        only_files=form.only_files,
        with_receipts=form.with_receipts,
    )


def _page(scope: Scope, last: Choice, form: Form, error: str | None = None) -> str:
    return render_template(
        "exports/index.html",
        groups=view_models.groups(scope, form),
        chosen=form,
        presets=view_models.preset_buttons(last),
        formats=view_models.formats(),
        zone=str(statements.zone()),
        error=error,
    )
