"""Runs where Beancount is installed: answers each path on standard input with what it loaded, as one line of JSON."""

import json
import sys

from beancount import loader
from beancount.core.data import Balance, Open, Transaction

for path in sys.stdin:
    entries, errors, _ = loader.load_file(path.strip())
    payments = [one for one in entries if isinstance(one, Transaction) and "payment" in one.meta]
    found = {
        "errors": [error.message for error in errors],
        "accounts": [one.account for one in entries if isinstance(one, Open)],
        "balances": [
            [one.account, one.date.isoformat(), str(one.amount.number), one.amount.currency]
            for one in entries
            if isinstance(one, Balance)
        ],
        "payments": [
            [one.meta["payment"], one.date.isoformat(), str(one.postings[0].units.number), one.postings[1].account]
            for one in payments
        ],
        "texts": [[one.payee, one.narration] for one in payments],
    }
    print(json.dumps(found), flush=True)
