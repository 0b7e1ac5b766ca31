"""Runs where ofxtools is installed: answers each path on standard input with what it read, as one line of JSON."""

import json
import sys

from ofxtools.Parser import OFXTree

for path in sys.stdin:
    tree = OFXTree()
    with open(path.strip(), "rb") as file:
        tree.parse(file)
    statements = [
        {
            "account": found.account.acctid,
            "currency": found.curdef,
            "opening": str(found.ballist[0].value),
            "closing": str(found.ledgerbal.balamt),
            "payments": [[one.fitid, one.dtposted.isoformat(), str(one.trnamt)] for one in found.transactions],
            "texts": [one.memo for one in found.transactions],
        }
        for found in tree.convert().statements
    ]
    print(json.dumps(statements), flush=True)
