"""What bunqexport does at the simulated bank: all payments of all accounts as a table, through bunq's SDK 1.14.

Usage: python export_story.py API_URL API_KEY; prints one JSON line per step.
"""

# mypy: ignore-errors
from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

from bunq.sdk.context.api_context import ApiContext
from bunq.sdk.context.api_environment_type import ApiEnvironmentType
from frame import run_steps, step

warnings.simplefilter("ignore")
import bunqexport.export as exporter  # noqa: E402 - it warns when it is imported

ENVIRONMENT = ApiEnvironmentType.SANDBOX
CONTEXT = Path(tempfile.mkdtemp()) / "bunq.conf"
state = {}


@step
def a_context_is_made_and_kept():
    ApiContext.create(ENVIRONMENT, sys.argv[2], "bunqexport").save(str(CONTEXT))
    assert CONTEXT.exists()


@step
def every_payment_of_every_account_is_read():
    state["table"] = table = exporter.payments_as_dataframe(str(CONTEXT))
    assert sorted(table["account_name"].unique()) == ["Business", "Studio rent", "VAT and taxes"]
    assert len(table[table["account_name"] == "Business"]) == 301
    assert table["id"].is_unique
    assert table["created"].is_monotonic_decreasing
    # The payments of several accounts are in one order, by id as by time.
    in_time = table.sort_values(["created", "id"], ascending=False)
    assert in_time["id"].is_monotonic_decreasing


@step
def amounts_add_up_to_the_balances():
    for _name, payments in state["table"].groupby("account_name"):
        total = payments["amount.value"].sum()
        assert round(total, 2) == round(payments["balance_after_mutation.value"].iloc[0], 2)


@step
def balances_are_shown():
    shown = repr(exporter.Accounts())
    assert "Business (2083801): 12480.37 EUR" in shown
    assert "Old project" not in shown


@step
def what_is_there_already_is_not_read_again():
    known = state["table"].iloc[20:]
    again = exporter.payments_as_dataframe(str(CONTEXT), df_old=known)
    assert sorted(again["id"]) == sorted(state["table"]["id"])


if __name__ == "__main__":
    ENVIRONMENT._uri_base = sys.argv[1]
    run_steps()
