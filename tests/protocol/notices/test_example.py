"""The verifier of the how-to guide takes what this app sends, once, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from bunqflask.models import ChannelKind
from bunqflask.services.notices import channels
from bunqflask.services.notices.messages import TYPES
from bunqflask.services.team import members
from tests.protocol.notices.conftest import ROBIN, add, connection_id, deliveries, stop, work
from tests.support import documents
from tests.support.receivers import WebServer

pytestmark = pytest.mark.sqlite_only
GUIDE = documents.ROOT / "docs" / "how-to" / "notices.md"


def example() -> Any:
    [block] = [each for each in documents.blocks_in("python") if "standardwebhooks" in each.text]
    names: dict[str, Any] = {}
    exec(block.text, names)
    return names["verified"]


def test_the_example_takes_a_call_once_and_refuses_a_changed_and_a_repeated_one(
    team: Flask, receiver: WebServer
) -> None:
    verified, seen = example(), set[str]()
    secret = add(ROBIN, ChannelKind.WEBHOOK, receiver.url).secret
    stop()
    work()
    [call] = receiver.received
    assert verified(secret, call.headers, call.body + b" ", seen) is None
    assert verified("whsec_" + "QUJD" * 8, call.headers, call.body, seen) is None
    late = call.headers | {"webhook-timestamp": str(int(call.headers["webhook-timestamp"]) - 301)}
    assert verified(secret, late, call.body, seen) is None
    said = verified(secret, call.headers, call.body, seen)
    assert (said["type"], said["data"]["connection_id"]) == ("connection.stopped", connection_id())
    channels.send_again(members.require(ROBIN), deliveries()[0].id)
    work()
    again = receiver.received[1]
    assert verified(secret, again.headers, again.body, seen) is None, "the same id came before"
    assert verified(secret, again.headers, again.body, set()) == said


def test_the_guide_names_each_type_with_its_data() -> None:
    documented = dict[str, tuple[str, ...]]()
    for types, data in documents.table(GUIDE, "type"):
        names = tuple(each.strip("` ") for each in data.split(",")) if data != "nothing" else ()
        documented |= {each.strip("` "): names for each in types.split(",")}
    assert documented == dict(TYPES.values())
