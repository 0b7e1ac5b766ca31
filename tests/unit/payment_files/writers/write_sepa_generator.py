"""Runs where sepa-generator is: answers each line of JSON with the file that it writes, with structured references."""

import json
import sys
from decimal import Decimal

from sepa_generator.core import Account, Amount, SEPACreditTransfer

for line in sys.stdin:
    asked = json.loads(line)
    transfer = SEPACreditTransfer(Account(asked["debtor_iban"], "BUNQNL2A", "Bakkerij Zon", city="Amsterdam"))
    for order in asked["orders"]:
        transfer.execution_time = order["day"]
        amount = Amount(Decimal(order["cents"]) / 100)
        creditor = Account(order["iban"], "RABONL2U", order["name"])
        transfer.add_transaction(creditor, amount, order["text"], order["reference"], cref=order["text"])
    print(json.dumps(transfer.render_xml().decode()), flush=True)
