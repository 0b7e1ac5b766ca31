"""Whatever bunq does, and whenever: each instruction is done there exactly once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from bunqflask.models import InstructionState
from bunqflask.models.instructions import Body
from bunqflask.sandbox.bank.faults import KINDS as FAULTS
from tests.protocol.sandbox.client import JODI, MAIN, SECOND, Client
from tests.support import instructions
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN

WORDS = {"draft": "draft-payment", "request": "request-inquiry", "link": "bunqme-tab", "transfer": "payment"}
# Each of these waits for longer than a test should; `reset` loses an answer as they do.
_SLOW = ("timeout", "slow-drip")
QUICK_FAULTS = [each for each in FAULTS if each not in _SLOW]
# One of each that ends in another way.
FEW_FAULTS = ("400", "401", "404", "429", "500", "reset", "bad-signature", "unknown-types")


def body_of(site: ThreadSite, kind: str, amount: str) -> Body:
    """Return an instruction of this kind."""
    if kind == "transfer":
        return instructions.transfer(site.app, SECOND, amount)
    bodies: dict[str, Callable[[str], Body]] = {
        "draft": instructions.draft,
        "request": instructions.request,
        "link": instructions.link,
    }
    return bodies[kind](amount)


def at_the_bank(holder: Client, kind: str, amount: str) -> list[dict[str, Any]]:
    """Return what there is of a kind and an amount at the bank."""
    [*listed] = holder.get(f"/user/{JODI}/monetary-account/{MAIN}/{WORDS[kind]}?count=200")
    found = [next(iter(each.values())) for each in listed]
    return [
        each
        for each in found
        if f'"{amount}"' in str(each).replace("'", '"') or f'"-{amount}"' in str(each).replace("'", '"')
    ]


def parts_of(thorough: str, others: Iterable[str]) -> list[Any]:
    """Return a kind with all faults, in parts that each take a few seconds, and other kinds with a few."""
    parts = [pytest.param(thorough, QUICK_FAULTS[first::4], id=f"{thorough}-{first}") for first in range(4)]
    return [*parts, *(pytest.param(kind, FEW_FAULTS, id=kind) for kind in others)]


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("kind", "faults"), parts_of("draft", ("request", "link", "transfer")))
def test_each_fault_of_bunq_before_and_after_the_work_leaves_exactly_one(
    site: ThreadSite, bank: Bank, robin: Browser, holder: Client, kind: str, faults: Sequence[str]
) -> None:
    for number, (fault, when) in enumerate((fault, when) for fault in faults for when in ("before", "after")):
        amount = f"{number + 1}.17"
        made = instructions.prepare(site.app, ROBIN, MAIN, body_of(site, kind, amount))
        if kind == "draft":
            instructions.approve(site.app, ROBIN, made)
        bank.fault(call=f"POST {WORDS[kind]}", fault=fault, when=when, times=1)
        row = instructions.work_until(site.app, made, ["open", "done", "failed"])
        bank.no_faults()
        there = at_the_bank(holder, kind, amount)
        if row.state is InstructionState.FAILED:
            assert not there, f"{fault} {when}: it is called failed, and bunq has it"
            assert row.error_facts, fault
        else:
            assert len(there) == 1, f"{fault} {when}"
            assert there[0]["id"] == row.bunq_id
