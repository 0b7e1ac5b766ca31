"""Payments and balances as tables, at addresses with a token in them: for spreadsheets, which send no header."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Response, current_app, g, request

from bunqflask.api import blueprint, problems
from bunqflask.api.queries import BalanceSheetQuery, CsvLook, PaymentSheetQuery
from bunqflask.exports.table import Table
from bunqflask.models import TokenScope
from bunqflask.services.exports import spreadsheet
from bunqflask.services.exports.spreadsheet import TooManyRows

bp = Blueprint("spreadsheet", __name__, url_prefix="/sheets/<token>")
for _view in ("payments", "balances"):
    blueprint.set_scope(f"{bp.name}.{_view}", TokenScope.SPREADSHEET_READ)

_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_Query = TypeVar("_Query", BalanceSheetQuery, PaymentSheetQuery)


@bp.url_value_preprocessor
def _keep_token(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Take the token out of what the views get; the guard looks at it first."""
    if values is not None:
        g.link_token = values.pop("token")


@bp.get("/payments.<any(csv, json):form>")
def payments(form: str) -> Response:
    """All payments, or those of some days or of one account."""
    query, look = _read(PaymentSheetQuery, form)
    problems.check_days(query)
    account_id = None if query.account is None else int(query.account)
    try:
        table = spreadsheet.payments(g.bearer, account_id=account_id, first=query.first, last=query.last)
    except TooManyRows:
        problems.refuse(f"A table has at most {spreadsheet.MOST_ROWS:,} payments: choose a later `from`.")
    return _answer(table, look)


@bp.get("/balances.<any(csv, json):form>")
def balances(form: str) -> Response:
    """The last known balances."""
    _query, look = _read(BalanceSheetQuery, form)
    return _answer(spreadsheet.balances(g.bearer), look)


def _read(query: type[_Query], form: str) -> tuple[_Query, CsvLook | None]:
    """Return the query, and for CSV how it is to look.

    :raises ParameterRefused: a parameter is unknown or cannot be understood.
    """
    given = request.args.to_dict()
    look = {name: given.pop(name) for name in CsvLook.__struct_fields__ if form == "csv" and name in given}
    try:
        return msgspec.convert(given, query, strict=False), msgspec.convert(look, CsvLook) if form == "csv" else None
    except msgspec.ValidationError as error:
        problems.refuse(str(error))


def _answer(table: Table, look: CsvLook | None) -> Response:
    if look is None:
        return current_app.response_class(table.as_json(), mimetype="application/json")
    usual = "semicolon" if look.decimal == "comma" else "comma"
    text = table.as_csv(separator=_SEPARATORS[look.separator or usual], mark="," if look.decimal == "comma" else ".")
    return current_app.response_class(text, content_type="text/csv; charset=utf-8; header=present")
