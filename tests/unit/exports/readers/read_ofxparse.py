"""Runs where ofxparse and ledger-autosync are: answers each path with what both read, as one line of JSON."""

import json
import sys

from ledgerautosync.converter import OfxConverter
from ofxparse import OfxParser

for path in sys.stdin:
    with open(path.strip(), "rb") as file:
        found = OfxParser.parse(file)
    accounts = []
    for account in found.accounts:
        converter = OfxConverter(account=account, name="Assets:Bunq")
        transactions = account.statement.transactions
        accounts.append(
            {
                "account": account.number,
                "bank": account.institution.organization,
                "closing": str(account.statement.balance),
                "payments": [
                    [one.id, one.date.date().isoformat(), str(one.amount), one.payee, one.memo] for one in transactions
                ],
                "autosync": [converter.convert(one).format() for one in transactions],
            }
        )
    print(json.dumps(accounts), flush=True)
