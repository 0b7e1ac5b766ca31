"""Where am I: each page marks its own place in the navigation."""

import re

from flask import Flask

from tests.protocol.web.test_statement_counts import addresses, logged_in, wide_app

__all__ = ["wide_app"]

PLACE = re.compile(r'aria-current="(?:page|true)"')


def test_each_page_marks_its_place(wide_app: Flask) -> None:
    client, marked, lost = logged_in(wide_app), set[str](), set[str]()
    for endpoint, address in addresses(wide_app):
        answer = client.get(address)
        if answer.status_code != 200 or answer.mimetype != "text/html" or '<nav class="nav"' not in answer.text:
            continue
        header = answer.text.partition("<header")[2].partition("</header>")[0]
        (marked if PLACE.search(header) else lost).add(endpoint)
    assert lost == set()
    assert len(marked) > 40
