"""Whole pages of short and long histories, uncached, over HTTP to gunicorn, beside the same questions to the peers.

What counts is the CPU time that the server's processes spend on a page, because other work on the machine does not
change it; the time until the last byte stands beside it. Servers are asked in turn, in alternating rounds.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from tests.bench import databases, peers
from tests.bench.client import Cost, Page, Target, cookie_of, middle
from tests.bench.questions import GOAL_MS, Question, questions
from tests.bench.servers import App
from tests.bench.table import Row
from tests.support.apps import sign_in

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 5
_FEWEST, _MOST = 15, 25
# A page that takes seconds is asked for less often.
_BUDGET_S = 8.0


def sizes() -> list[int]:
    """Return the lengths of the histories; `SIZES=10000,100000` chooses others."""
    asked = os.environ.get("SIZES", "")
    usual = SIZES[:2] if databases.on_postgres() else SIZES
    return [int(each) for each in asked.replace("_", "").split(",")] if asked else list(usual)


def measure(folder: Path) -> list[Row]:
    """Measure every page at every length."""
    rows = []
    for size in sizes():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            rows += _at(Path(place), size)
    if peers.is_wanted():
        rows.append(Row("the peers", peers.versions()))
    return rows


def _at(folder: Path, size: int) -> list[Row]:
    filled = databases.filled(size)
    rows = []
    with peers.running(folder, filled.history) as (others, left_out), App(folder, filled.url) as site:
        browser = sign_in(site, databases.EMAIL)
        ours = Target("ours", site.url, lambda: _pids(site), {"Cookie": cookie_of(browser)})
        for question in questions(filled.history, browser):
            asked = {"ours": question.ours, **question.theirs}
            answering = [each for each in others if each.name in question.theirs]
            for each in list(answering):
                if refusal := _refusal(each, question.theirs[each.name][0]):
                    answering.remove(each)
                    left_out.append(f"{each.name}, {question.name}: {refusal}")
            rows += _rows(question, size, _ask([ours, *answering], asked))
            rows += _loads_then(ours, question, size)
        ours.close()
    return rows + [Row(f"left out at {size:,}", each) for each in left_out]


def _refusal(peer: Target, page: Page) -> str:
    """Return why a peer does not answer a question at all; nothing if it does."""
    try:
        peer.open(page)
    except (AssertionError, requests.RequestException) as error:
        return " ".join(str(error).split())[:150]
    return ""


def _pids(site: App) -> Sequence[int]:
    return [*site.worker_pids, *databases.server_pids()]


def _ask(targets: Sequence[Target], asked: Mapping[str, Sequence[Page]]) -> dict[str, Cost]:
    """Ask every server in turn; returns the medians by their names. The first answer of each is not counted."""
    found: dict[str, list[Cost]] = {target.name: [] for target in targets}
    spent = dict.fromkeys(found, 0.0)
    for target in targets:
        target.open(asked[target.name][0])
    each_round = max(_FEWEST // ROUNDS, min(_MOST // ROUNDS, max(len(pages) for pages in asked.values())))
    for _ in range(ROUNDS):
        for target in targets:
            for _ in range(each_round):
                costs, pages = found[target.name], asked[target.name]
                if spent[target.name] > _BUDGET_S and len(costs) >= 3:
                    break
                started = time.monotonic()
                costs.append(target.open(pages[len(costs) % len(pages)]))
                spent[target.name] += time.monotonic() - started
    return {name: middle(costs) for name, costs in found.items()}


def _rows(question: Question, size: int, costs: Mapping[str, Cost]) -> list[Row]:
    """Show ours with its goal, and under it the peers, the fastest of which we are not to be slower than."""
    ours = costs["ours"]
    others = {name: cost for name, cost in costs.items() if name != "ours"}
    goal, is_met = f"≤ {GOAL_MS:g} ms CPU", ours.cpu_ms <= GOAL_MS
    if others:
        fastest = min(others, key=lambda name: others[name].cpu_ms)
        goal, is_met = f"{goal} and ≤ {fastest}", is_met and ours.cpu_ms <= others[fastest].cpu_ms
    found = [Row(f"{size:>9,}  {question.name}", _said(ours), goal, is_met)]
    return found + [Row(f"{'':>9}    {name}", _said(cost)) for name, cost in others.items()]


def _said(cost: Cost) -> str:
    return f"{cost.cpu_ms:7.1f} ms CPU  {cost.wall_ms:7.1f} ms in all  {cost.size / 1024:5.0f} kB"


def _loads_then(ours: Target, question: Question, size: int) -> list[Row]:
    """Show what the page fetches by itself once it is there, such as sums of all that was found."""
    found = [path for page in question.ours[:5] for path in ours.loads_then(page)]
    if not found:
        return []
    cost = middle([ours.open_part(path) for path in found])
    return [Row(f"{'':>9}    then loads by itself", f"{_said(cost)}, {len(found)} of {len(question.ours[:5])} pages")]
