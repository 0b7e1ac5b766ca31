"""Runs where sepaxml is: answers each line of JSON with the file that it writes."""

import json
import sys
from datetime import date

from sepaxml import SepaTransfer

for line in sys.stdin:
    asked = json.loads(line)
    config = {
        "name": "Bakkerij Zon",
        "IBAN": asked["debtor_iban"],
        "BIC": "BUNQNL2A",
        "batch": True,
        "currency": "EUR",
        "address": {"country": "NL", "lines": ["Dam 1", "Amsterdam"]},
    }
    transfer = SepaTransfer(config, schema=asked["version"], clean=False)
    for order in asked["orders"]:
        payment = {
            "name": order["name"],
            "IBAN": order["iban"],
            "amount": order["cents"],
            "execution_date": date.fromisoformat(order["day"]),
            "description": order["text"],
            "endtoend_id": order["reference"],
        }
        transfer.add_payment(payment)
    print(json.dumps(transfer.export(validate=False).decode()), flush=True)
