"""Runs where quiffen is installed: answers each path on standard input with what it read, as one line of JSON."""

import json
import sys

from quiffen import Qif

for path in sys.stdin:
    found = Qif.parse(path.strip(), day_first=False, encoding="utf-8")
    accounts = [
        {
            "payments": [
                [one.check_number, one.date.date().isoformat(), str(one.amount)]
                for kind in account.transactions.values()
                for one in kind
            ],
            "texts": [one.memo for kind in account.transactions.values() for one in kind],
        }
        for account in found.accounts.values()
    ]
    print(json.dumps(accounts), flush=True)
