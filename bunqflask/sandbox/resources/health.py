"""`health-check` and `server-error`.

https://doc.bunq.com/api-reference/health-check
"""

from __future__ import annotations

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol.call import Call, Resource

resource = Resource()


@resource.get("/health-check", auth="none")
def check(call: Call) -> Answer:
    """Say that the bank is up. Who may ask is not documented; everybody may here.

    The wrapper is the SDKs', the member within it that of bunq's OpenAPI; the words are invented.
    """
    call.store.read_meta("seeded")
    entry = {"type": "DATABASE", "status": "HEALTHY"}
    return Answer([{"HealthCheckResult": {"HealthResult": {"status": "HEALTHY", "allEntry": [entry]}}}])


@resource.post("/server-error")
def fail(call: Call) -> Answer:
    """Fail as bunq's servers do: always, and unsigned."""
    raise wire.failed()
