"""Every other path of bunq's documentation: an empty list or 404 in bunq's shape, never a crash.

`documented_paths.txt` lists the paths and their methods, taken from bunq's OpenAPI; `{}` stands for an id.

https://doc.bunq.com
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.wire import NO_PAGES, Answer, Refusal
from bunqflask.sandbox.protocol.call import Call, Resource

PATHS_FILE = Path(__file__).with_name("documented_paths.txt")


@cache
def operations() -> tuple[tuple[str, str], ...]:
    """Return (method, path) of every documented call."""
    found = []
    for line in PATHS_FILE.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            path, *methods = line.split()
            found += [(method, path) for method in methods]
    return tuple(found)


def bare(rule: str) -> str:
    """Return a rule of Flask's or of the OpenAPI with `{}` for each of its parameters."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "{}", rule)


def remaining(resources: Iterable[Resource]) -> Resource:
    """Return the documented calls that none of the resources answers."""
    answered = {(route.method, bare(route.rule)) for resource in resources for route in resource.routes}
    rest = Resource()
    for method, path in operations():
        if (method, path) not in answered:
            rest.call(method, _rule(path))(_answer_to(method, path))
    return rest


def _rule(path: str) -> str:
    """Name the parameters of a path, so that users and accounts are checked as everywhere."""
    rule = path.replace("/user/{}", "/user/<int:user_id>", 1)
    rule = rule.replace("/monetary-account/{}", "/monetary-account/<int:account_id>", 1)
    for number in range(rule.count("{}")):
        rule = rule.replace("{}", f"<int:id_{number}>", 1)
    return rule


def _answer_to(method: str, path: str) -> Any:
    is_list = method == "GET" and not path.endswith(("{}", "content"))

    def handler(call: Call, **ids: int) -> Answer:
        if is_list:
            return Answer([], NO_PAGES)
        if method == "POST":
            raise Refusal(404, "The local sandbox does not imitate this call.")  # invented text
        raise wire.nothing_there()

    return handler
