"""Programs that are not ours and write pain.001 files, as bookkeeping programs do with the same libraries.

Each gets an environment of its own, like the readers of our exports.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.readers import ROOT, Foreign, Packages

SCRIPTS = ROOT / "tests" / "unit" / "payment_files" / "writers"
WRITERS = {
    "sepaxml": Packages(("sepaxml==2.7.0",)),
    "sepa_generator": Packages(("sepa_generator==0.2.5", "six==1.17.0")),
    "pain001": Packages(("pain001==0.0.74",)),
    "sepa": Packages(("sepa@3.0.0",), are_of_node=True),
    "sepa_xml": Packages(("sepa-xml@0.6.0",), are_of_node=True),
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """A payment that a program is to write; `day` as 2026-12-31."""

    name: str
    iban: str
    cents: int
    text: str
    reference: str
    day: str


class Writer(Foreign):
    """A program that writes payment files."""

    def __init__(self, name: str, folder: Path) -> None:
        script = SCRIPTS / f"write_{name}.{'js' if WRITERS[name].are_of_node else 'py'}"
        super().__init__(name, WRITERS[name], script, folder)

    def write(self, version: str, debtor_iban: str, orders: Sequence[Order]) -> bytes:
        """Return the file that the program writes of these payments, in UTF-8."""
        asked = {"version": version, "debtor_iban": debtor_iban, "orders": [asdict(order) for order in orders]}
        answer: str = self.ask(json.dumps(asked))
        return answer.encode()
